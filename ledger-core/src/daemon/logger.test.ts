import { describe, expect, it } from "vitest";
import { OperationalError } from "../base/operational-error.ts";
import type { LogLevel } from "./logger.ts";
import { createLogger, silentLogger } from "./logger.ts";

function capture(level: LogLevel) {
  const lines: unknown[] = [];
  const sink = { write: (line: string) => lines.push(JSON.parse(line)) };
  return { lines, logger: createLogger({ daemon: "tamga-agent", level, sink }) };
}

describe("createLogger", () => {
  it("writes one JSON object a line, with daemon, component, event and clause", () => {
    const { lines, logger } = capture("info");
    logger.child({ component: "outbox" }).info({ event: "outbox.drained", pending: 0 }, "drained");
    expect(lines).toEqual([
      {
        level: "info",
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
        daemon: "tamga-agent",
        component: "outbox",
        event: "outbox.drained",
        pending: 0,
        msg: "drained",
      },
    ]);
  });

  it("leaves out what is below its level", () => {
    const { lines, logger } = capture("warn");
    logger.debug({ event: "link.byte" }, "byte");
    logger.info({ event: "link.open" }, "open");
    logger.warn({ event: "link.slow" }, "slow");
    logger.error({ event: "link.lost" }, "lost");
    expect(lines).toHaveLength(2);
  });

  it("gives an error of ours without a stack, any other with one, and ends a ring of causes", () => {
    const { lines, logger } = capture("error");
    const ring = new Error("ring");
    ring.cause = ring;
    const cause = Object.assign(new Error("no space"), { code: "ENOSPC" });
    const error = new OperationalError("DISK_FULL", "The disk is full.", {
      details: { free: 0 },
      cause,
    });
    logger.error({ event: "outbox.stopped", error }, "stopped");
    logger.error({ event: "outbox.stopped", error: ring }, "stopped");
    logger.error({ event: "outbox.stopped", error: "text" }, "stopped");
    expect(lines[0]).toMatchObject({
      error: {
        code: "DISK_FULL",
        message: "The disk is full.",
        details: { free: 0 },
        cause: { code: "ENOSPC", stack: expect.stringContaining("logger.test") },
      },
    });
    expect(lines[0]).not.toHaveProperty("error.stack");
    expect(lines[1]).toHaveProperty("error.cause.cause.cause.cause.message", "ring");
    expect(lines[2]).toMatchObject({ error: "text" });
  });

  it("can say nothing", () => {
    expect(silentLogger.child({ component: "x" })).toBe(silentLogger);
    expect(silentLogger.error({ event: "x.y" }, "z")).toBeUndefined();
  });
});
