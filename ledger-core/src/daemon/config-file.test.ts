import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { OperationalError } from "../base/operational-error.ts";
import { byteSize, duration, filePath, loadConfig, readSecretFile } from "./config-file.ts";
import { configBytesMax, configFaultsShownMax, secretBytesMax } from "./limits.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-config-"));
afterAll(() => rmSync(directory, { recursive: true }));

const makeSchema = (base: string) =>
  z.strictObject({
    profile: z.enum(["embedded", "production"]).default("embedded"),
    data_dir: filePath(base),
    outbox: z.strictObject({
      quota: byteSize({ min: "1MiB", max: "1TiB" }),
      flush_after: duration({ min: "10ms", max: "1h" }).default(2000),
    }),
    link: z
      .array(
        z.union([
          z.strictObject({ serial: z.string() }),
          z.strictObject({ tcp: z.string(), port: z.number() }),
        ]),
      )
      .default([]),
  });

function load(toml: string | Uint8Array) {
  const file = join(directory, "agent.toml");
  writeFileSync(file, toml);
  return loadConfig(file, makeSchema);
}

function failure(action: () => unknown): OperationalError {
  try {
    action();
  } catch (error) {
    if (error instanceof OperationalError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const good = 'data_dir = "state"\n[outbox]\nquota = "64MiB"\nflush_after = "250ms"\n';

describe("loadConfig", () => {
  it("gives the schema's value, paths from the file's directory, frozen to its leaves", () => {
    const config = load(`${good}[[link]]\nserial = "/dev/ttyUSB0"\n`);
    expect(config).toEqual({
      profile: "embedded",
      data_dir: join(directory, "state"),
      outbox: { quota: 67_108_864, flush_after: 250 },
      link: [{ serial: "/dev/ttyUSB0" }],
    });
    expect(Object.isFrozen(config.outbox)).toBe(true);
    expect(Object.isFrozen(config.link[0])).toBe(true);
  });

  it.each([
    ["an unknown key", `${good}flush_afer = 1\n`, "outbox.flush_afer is no known key"],
    ["a missing key", '[outbox]\nquota = "64MiB"\n', "data_dir is missing: add it (string)"],
    ["a wrong type", good.replace('"state"', "7"), "data_dir: expected string, received number"],
    [
      "a wrong choice",
      `profile = "x"\n${good}`,
      'profile: expected one of "embedded"|"production"',
    ],
    ["a wrong unit", good.replace("64MiB", "64MB"), 'outbox.quota: must be a size such as "512B"'],
    ["a bare number", good.replace('"64MiB"', "64"), 'outbox.quota: must be a size such as "512B"'],
    ["a value out of bounds", good.replace("250ms", "2h"), "flush_after: must be from 10ms to 1h"],
    ["a path into a list", `${good}[[link]]\ntcp = "a"\n`, "link[0].port is missing"],
    ["an empty path", good.replace('"state"', '""'), "data_dir: must name a file"],
  ])("names the key and the remedy for %s", (_case, toml, sentence) => {
    const error = failure(() => load(toml));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain(sentence);
    expect(error.message).toContain(join(directory, "agent.toml"));
  });

  it("gives line and column of broken TOML and repeats no value", () => {
    const error = failure(() => load('pin = "1234"\nbroken = = "s3cret"\n'));
    expect(error.message).toMatch(/is not TOML at line 2, column \d+/);
    expect(error.message).not.toMatch(/1234|s3cret/);
    expect(failure(() => load(good.replace("250ms", "s3cret"))).message).not.toContain("s3cret");
  });

  it("lists only so many faults", () => {
    const many = Array.from({ length: configFaultsShownMax + 5 }, (_, i) => `k${i} = 1\n`).join("");
    const error = failure(() => load(many + good));
    expect(error.message).toContain("and 5 more");
    expect(error.message.match(/no known key/g)).toHaveLength(configFaultsShownMax);
  });

  it("refuses what is absent, a directory, over-long or no UTF-8", () => {
    const absent = () => loadConfig(join(directory, "absent.toml"), makeSchema);
    const folder = () => loadConfig(directory, makeSchema);
    const long = () => load("#".repeat(configBytesMax + 1));
    const binary = () => load(new Uint8Array([0x23, 0xff]));
    for (const action of [absent, folder, long, binary])
      expect(failure(action).code).toBe("CONFIG_UNREADABLE");
    expect(load(good + "#".repeat(configBytesMax - good.length)).outbox.flush_after).toBe(250);
  });
});

describe("durations and sizes", () => {
  it.each([
    ["250ms", 250],
    ["2s", 2_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["30d", 2_592_000_000],
  ])("reads %s as %i ms", (text, ms) => {
    expect(duration({ min: "0ms", max: "365d" }).parse(text)).toBe(ms);
  });

  it.each(["", "2", "s", "-1s", "1.5s", "1 s", "1S", "1w", "1h30m", "9999999999999s"])(
    "refuses %j",
    (text) => {
      expect(duration({ min: "0ms", max: "365d" }).safeParse(text).success).toBe(false);
    },
  );

  it("refuses a name that every object has", () => {
    expect(byteSize({ min: "0B", max: "1TiB" }).safeParse("1constructor").success).toBe(false);
  });
});

describe("readSecretFile", () => {
  const secret = (name: string, text: string | Uint8Array, mode = 0o600) => {
    const file = join(directory, name);
    writeFileSync(file, text);
    chmodSync(file, mode);
    return file;
  };

  it("takes off one newline, not two", () => {
    expect(readSecretFile(secret("pin", "1234\n"))).toBe("1234");
    expect(readSecretFile(secret("pin2", "1234\n\n", 0o400))).toBe("1234\n");
  });

  it.each([0o640, 0o604, 0o660])("refuses mode %o", (mode) => {
    const error = failure(() => readSecretFile(secret("open", "1234", mode)));
    expect(error.code).toBe("SECRET_TOO_OPEN");
    expect(error.message).not.toContain("1234");
  });

  it("is bounded", () => {
    const whole = "x".repeat(secretBytesMax);
    expect(readSecretFile(secret("whole", whole))).toBe(whole);
    expect(failure(() => readSecretFile(secret("long", `${whole}x`))).code).toBe("SECRET_TOO_LONG");
  });

  it("refuses an absent, an empty, a binary file and a directory", () => {
    mkdirSync(join(directory, "folder"), { mode: 0o700 });
    const codes = [
      join(directory, "absent"),
      join(directory, "folder"),
      secret("binary", new Uint8Array([0xff])),
      secret("empty", "\n"),
    ].map((file) => failure(() => readSecretFile(file)).code);
    expect(codes).toEqual([
      "SECRET_UNREADABLE",
      "SECRET_UNREADABLE",
      "SECRET_UNREADABLE",
      "SECRET_EMPTY",
    ]);
  });
});
