import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { utf8 } from "../base/bytes.ts";
import { ensureDir, lockDataDir, writeFileDurable } from "./state-dir.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-state-"));
afterAll(() => rmSync(directory, { recursive: true }));
const moduleFile = fileURLToPath(new URL("state-dir.ts", import.meta.url));

function startChild(body: string) {
  const program = `import * as m from ${JSON.stringify(moduleFile)}; ${body}`;
  return spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

describe("writeFileDurable", () => {
  it("replaces the file with the exact mode and leaves nothing beside it", () => {
    const folder = join(directory, "write");
    mkdirSync(folder);
    const file = join(folder, "key");
    writeFileSync(`${file}.tmp`, "left by a crash");
    writeFileDurable(file, utf8("one"), 0o640);
    writeFileDurable(file, utf8("two"), 0o666);
    expect(readFileSync(file, "latin1")).toBe("two");
    expect(statSync(file).mode & 0o777).toBe(0o666);
    writeFileDurable(file, utf8("three"));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["key"]);
  });

  it("keeps the old bytes where it fails", () => {
    const folder = join(directory, "full");
    mkdirSync(join(folder, "target", "child"), { recursive: true });
    expect(() => writeFileDurable(join(folder, "target"), utf8("x"))).toThrow(
      expect.objectContaining({ code: "FILE_UNWRITABLE" }),
    );
    expect(readdirSync(folder)).toEqual(["target"]);
    expect(() => writeFileDurable(join(folder, "absent", "x"), utf8("x"))).toThrow(
      expect.objectContaining({ code: "FILE_UNWRITABLE", details: expect.anything() }),
    );
  });

  it("is never seen half done, whenever the writer is killed", async () => {
    const file = join(directory, "atomic");
    const child = startChild(`
      for (let i = 0; ; i = (i + 1) % 10) {
        m.writeFileDurable(${JSON.stringify(file)}, new Uint8Array(200_000).fill(48 + i));
        if (i === 5) process.stdout.write(".");
      }`);
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    const bytes = readFileSync(file);
    expect(bytes).toHaveLength(200_000);
    expect(new Set(bytes).size).toBe(1);
  });
});

describe("ensureDir", () => {
  it("makes parents for the owner alone and leaves what exists as it is", () => {
    const deep = join(directory, "a", "b", "c");
    ensureDir(deep);
    expect(statSync(join(directory, "a")).mode & 0o777).toBe(0o700);
    chmodSync(deep, 0o755);
    ensureDir(deep);
    expect(statSync(deep).mode & 0o777).toBe(0o755);
  });

  it("refuses a file in its place", () => {
    writeFileSync(join(directory, "file"), "");
    for (const path of [join(directory, "file"), join(directory, "file", "below")])
      expect(() => ensureDir(path)).toThrow(expect.objectContaining({ code: "FILE_UNWRITABLE" }));
  });
});

describe("lockDataDir", () => {
  it("gives a directory to one owner at a time and says who has it", () => {
    const folder = join(directory, "lock");
    ensureDir(folder);
    const lock = lockDataDir(folder);
    expect(() => lockDataDir(folder)).toThrow(
      expect.objectContaining({
        code: "DATA_DIR_IN_USE",
        message: expect.stringContaining(`(pid ${process.pid})`),
      }),
    );
    lock.release();
    lock.release();
    lockDataDir(folder).release();
  });

  it("is free as soon as its owner was killed", async () => {
    const folder = join(directory, "killed");
    ensureDir(folder);
    const child = startChild(`
      globalThis.lock = m.lockDataDir(${JSON.stringify(folder)});
      process.stdout.write("locked"); setInterval(() => {}, 1000);`);
    await once(child.stdout, "data");
    expect(() => lockDataDir(folder)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`(pid ${child.pid})`) }),
    );
    child.kill("SIGKILL");
    await once(child, "exit");
    lockDataDir(folder).release();
  });

  it("says what is wrong with a directory that is not there", () => {
    expect(() => lockDataDir(join(directory, "absent"))).toThrow(
      expect.objectContaining({ code: "FILE_UNWRITABLE" }),
    );
  });
});
