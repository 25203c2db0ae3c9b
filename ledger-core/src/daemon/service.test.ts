import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { OperationalError } from "../base/operational-error.ts";
import type { ExitCode } from "./exit-code.ts";
import { silentLogger } from "./logger.ts";
import { ManualClock } from "./manual-clock.ts";
import type { RunOptions, Service, SignalPort } from "./service.ts";
import { runServices } from "./service.ts";
import { SystemClock } from "./system-clock.ts";

function setUp() {
  const events: string[] = [];
  const exits: ExitCode[] = [];
  const listeners = new Set<(name: "SIGTERM" | "SIGINT") => void>();
  const port: SignalPort = {
    onStop: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exit: (exitCode) => exits.push(exitCode),
  };
  const service = (name: string, parts: Partial<Service> = {}): Service => ({
    name,
    open: async () => {
      events.push(`open ${name}`);
    },
    close: async () => {
      events.push(`close ${name}`);
    },
    ...parts,
  });
  const clock = new ManualClock();
  const run = (services: readonly Service[], more: Partial<RunOptions> = {}) =>
    runServices(services, { clock, logger: silentLogger, ...more }, port);
  const signal = (name: "SIGTERM" | "SIGINT" = "SIGTERM") => {
    for (const listener of listeners) listener(name);
  };
  return { events, exits, listeners, service, clock, run, signal };
}

/** Waits as a loop does: until its signal aborts, then rejects with its reason. */
function untilAborted({ signal }: { readonly signal: AbortSignal }): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

describe("runServices", () => {
  it("opens in order, tells when ready, closes in reverse after SIGTERM, ends with 0", async () => {
    const { events, exits, listeners, service, run, signal } = setUp();
    const say = (word: string) => async () => {
      events.push(word);
    };
    const code = await run([service("a"), service("b", { run: untilAborted }), service("c")], {
      onReady: async () => {
        events.push("ready");
        queueMicrotask(() => signal());
      },
      onStopping: say("stopping"),
    });
    expect(code).toBe(0);
    const order = "open a,open b,open c,ready,stopping,close c,close b,close a";
    expect(events.join()).toBe(order);
    expect(exits).toEqual([]);
    expect(listeners.size).toBe(0);
  });

  it("closes what was open when one cannot open, and rejects with its error", async () => {
    const { events, service, run } = setUp();
    const error = new OperationalError("LINK_GONE", "No link.");
    const broken = service("b", { open: () => Promise.reject(error) });
    await expect(run([service("a"), broken, service("c")])).rejects.toBe(error);
    expect(events).toEqual(["open a", "close a"]);
  });

  it("stops all at the first failure of a running one, and keeps that one", async () => {
    const { events, service, run } = setUp();
    const first = new OperationalError("LINK_GONE", "No link.");
    const { promise, reject } = Promise.withResolvers<void>();
    const failing = service("a", { run: () => promise });
    const worse = service("b", { close: () => Promise.reject(new Error("second")) });
    const onReady = async () => reject(first);
    await expect(run([failing, worse, service("c")], { onReady })).rejects.toBe(first);
    expect(events).toEqual(["open a", "open b", "open c", "close c", "close a"]);
  });

  it("takes a loop that ends in silence for a failure", async () => {
    const { service, run } = setUp();
    const ending = service("loop", { run: async () => undefined });
    await expect(run([ending])).rejects.toMatchObject({ code: "SERVICE_ENDED" });
  });

  it("stops while a service is still opening", async () => {
    const { events, service, run, signal } = setUp();
    const slow = service("slow", { open: untilAborted });
    const running = run([service("a"), slow, service("c")]);
    await Promise.resolve();
    signal("SIGINT");
    expect(await running).toBe(0);
    expect(events).toEqual(["open a", "close a"]);
  });

  it("stops with its caller's signal, even one that was aborted before", async () => {
    const { events, service, run } = setUp();
    expect(await run([service("a")], { signal: AbortSignal.abort() })).toBe(0);
    expect(events).toEqual([]);
    const outer = new AbortController();
    const onReady = async () => outer.abort();
    expect(await run([service("a")], { signal: outer.signal, onReady })).toBe(0);
    expect(events).toEqual(["open a", "close a"]);
  });

  it("reports a close that fails", async () => {
    const { events, service, run, signal } = setUp();
    const error = new Error("close");
    const bad = service("bad", { close: () => Promise.reject(error) });
    const running = run([service("a"), bad], { onReady: async () => signal() });
    await expect(running).rejects.toBe(error);
    expect(events).toEqual(["open a", "open bad", "close a"]);
  });

  it("exits with a status other than 0 when closing takes too long", async () => {
    const { exits, service, clock, run, signal } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    const running = run([service("stuck", { close: () => promise })]);
    await clock.advance(0);
    signal();
    await clock.advance(9_999);
    expect(exits).toEqual([]);
    await clock.advance(1);
    expect(exits).toEqual([69]);
    resolve();
    await running;
  });

  it("does not wait longer for one that goes on opening", async () => {
    const { exits, service, clock, run, signal } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    const running = run([service("deaf", { open: () => promise })]);
    signal();
    await clock.advance(10_000);
    expect(exits).toEqual([69]);
    resolve();
    await running;
  });

  it("exits at once at a second signal, with the failure's status where there was one", async () => {
    const { exits, service, clock, run, signal } = setUp();
    const { promise, resolve } = Promise.withResolvers<void>();
    const stuck = service("stuck", {
      run: () => Promise.reject(new OperationalError("CONFIG_INVALID", "x")),
      close: () => promise,
    });
    const running = run([stuck]);
    await clock.advance(1);
    signal();
    expect(exits).toEqual([78]);
    resolve();
    await expect(running).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });
});

describe("runServices in a process of its own", () => {
  const here = (name: string) => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)));
  const program = (close: string, shutdownMs: number) => `
    import { runMain } from ${here("exit-code.ts")};
    import { runServices } from ${here("service.ts")};
    import { silentLogger } from ${here("logger.ts")};
    import { SystemClock } from ${here("system-clock.ts")};
    setInterval(() => {}, 1000);
    void runMain(() => runServices(
      [{ name: "x", open: async () => {}, close: ${close} }],
      { clock: new SystemClock(), logger: silentLogger, shutdownMs: ${shutdownMs},
        onReady: async () => { process.stdout.write("ready"); } }));`;

  async function endOf(close: string, shutdownMs: number) {
    const child = spawn(
      process.execPath,
      ["--input-type=module", "-e", program(close, shutdownMs)],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    await once(child.stdout, "data");
    const before = new SystemClock().monotonic();
    child.kill("SIGTERM");
    const [code] = await once(child, "exit");
    return { code, ms: new SystemClock().monotonic() - before };
  }

  it("ends with 69 at the deadline when a close hangs", async () => {
    const { code, ms } = await endOf("() => new Promise(() => {})", 300);
    expect(code).toBe(69);
    expect(ms).toBeGreaterThanOrEqual(290);
  });

  it("is not kept alive for ever by a forgotten handle after an orderly close", async () => {
    expect((await endOf("async () => {}", 200)).code).toBe(69);
  });
});
