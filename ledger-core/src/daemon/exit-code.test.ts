import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { InvariantError } from "../base/assert.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { ExitCode, ProcessPort } from "./exit-code.ts";
import { exitCodes, judgeFailure, requireNode, runMain } from "./exit-code.ts";

function fakeProcess(nodeVersion = "24.0.0") {
  const seen = { errors: "", exits: [] as ExitCode[], set: [] as ExitCode[] };
  let uncaught: ((error: unknown) => void) | undefined;
  const port: ProcessPort = {
    nodeVersion,
    writeError: (text) => {
      seen.errors += text;
    },
    exit: (exitCode) => seen.exits.push(exitCode),
    setExitCode: (exitCode) => seen.set.push(exitCode),
    onUncaught: (listener) => {
      uncaught = listener;
    },
  };
  return { port, seen, throwOutside: (error: unknown) => uncaught?.(error) };
}

describe("judgeFailure", () => {
  it.each([
    ["USAGE_BAD_OPTION", 64],
    ["CONFIG_INVALID", 78],
    ["SECRET_TOO_OPEN", 78],
    ["DATABASE_CORRUPT", 74],
    ["DISK_FULL", 74],
    ["FILE_UNREADABLE", 74],
    ["TOKEN_LOCKED", 69],
    ["DATA_DIR_IN_USE", 69],
  ])("gives %s the status %i and prints sentence and code", (code, exitCode) => {
    const failure = judgeFailure(new OperationalError(code, "Do this."));
    expect(failure).toEqual({ exitCode, code, text: `Do this. [${code}]` });
  });

  it("gives 70 and a stack to what is our bug", () => {
    const broken = judgeFailure(new InvariantError("index below size"));
    expect(broken.exitCode).toBe(70);
    expect(broken.text).toMatch(/index below size[\s\S]*exit-code\.test\.ts/);
    expect(judgeFailure(new TypeError("x")).exitCode).toBe(70);
    expect(judgeFailure("text").exitCode).toBe(70);
  });

  it("gives 74 to a system call's error, without a stack", () => {
    const error = Object.assign(new Error("EROFS: read-only"), { code: "EROFS", syscall: "open" });
    expect(judgeFailure(error)).toMatchObject({ exitCode: 74, code: "EROFS" });
    expect(judgeFailure(error).text).not.toContain("\n");
  });
});

describe("runMain", () => {
  it("sets the status and lets the process drain", async () => {
    const { port, seen } = fakeProcess();
    await runMain(async () => exitCodes.invalid, port);
    expect(seen).toEqual({ errors: "", exits: [], set: [1] });
  });

  it("prints a failure and exits", async () => {
    const { port, seen } = fakeProcess();
    await runMain(() => Promise.reject(new OperationalError("CONFIG_INVALID", "Fix it.")), port);
    expect(seen).toEqual({ errors: "Fix it. [CONFIG_INVALID]\n", exits: [78], set: [] });
  });

  it("ends at what was thrown outside of main's promise", async () => {
    const { port, seen, throwOutside } = fakeProcess();
    await runMain(async () => exitCodes.done, port);
    throwOutside(new InvariantError("late"));
    expect(seen.exits).toEqual([70]);
  });

  it("refuses an old Node before main runs", async () => {
    const { port, seen } = fakeProcess("22.18.0");
    let ran = false;
    const main = async () => {
      ran = true;
      return exitCodes.done;
    };
    await runMain(main, port);
    expect(ran).toBe(false);
    expect(seen.exits).toEqual([78]);
    expect(seen.errors).toMatch(/^Tamga needs Node\.js 24.*22\.18\.0.*\[NODE_TOO_OLD\]\n$/);
    expect(() => requireNode("25.1.0")).not.toThrow();
  });
});

describe("runMain in a process of its own", () => {
  const module = fileURLToPath(new URL("exit-code.ts", import.meta.url));
  const program = (body: string) => [
    "--input-type=module",
    "-e",
    `import { runMain, exitCodes } from ${JSON.stringify(module)}; ${body}`,
  ];

  it("prints results whole through a pipe and exits with main's status", () => {
    const body = `await runMain(async () => { process.stdout.write("x".repeat(300000)); return 1; })`;
    const child = spawnSync(process.execPath, program(body), { encoding: "utf8" });
    expect(child.status).toBe(1);
    expect(child.stdout).toHaveLength(300_000);
  });

  it("ends with 70 at a rejection that nobody awaits", () => {
    const body = `await runMain(async () => {
      void Promise.reject(new Error("floating")); await new Promise((r) => setImmediate(r)); return 0; })`;
    const child = spawnSync(process.execPath, program(body), { encoding: "utf8" });
    expect(child.status).toBe(70);
    expect(child.stderr).toContain("floating");
  });

  it("takes a closed pipe for an end, not for a failure", () => {
    const body = `await runMain(async () => {
      for (let i = 0; i < 100; i++) { process.stdout.write("y\\n".repeat(5000)); await new Promise((r) => setImmediate(r)); }
      return 0; })`;
    const script = `"$0" "$@" | head -n 1; test "\${PIPESTATUS[0]}" = 0`;
    const out = execFileSync("bash", ["-c", script, process.execPath, ...program(body)]);
    expect(out.toString()).toBe("y\n");
  });
});
