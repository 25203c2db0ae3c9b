import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logLevels } from "@tamga/ledger-core/daemon/logger";
import { parse } from "smol-toml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { gatewaySchema, readGatewayConfig } from "./config.ts";

const example = readFileSync(new URL("../gateway.example.toml", import.meta.url), "utf8");

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-config-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(text: string): string {
  const file = join(directory, "gateway.toml");
  writeFileSync(file, text);
  return file;
}

/** `a.b` for every key that holds no table. */
function keyPaths(value: object, prefix = ""): readonly string[] {
  return Object.entries(value).flatMap(([key, child]: [string, unknown]) =>
    typeof child === "object" && child !== null && !Array.isArray(child)
      ? keyPaths(child, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}

describe("gateway.example.toml", () => {
  test("says the defaults", () => {
    const config = readGatewayConfig({ config: write(example) });
    expect(config).toEqual(gatewaySchema(directory).parse({}));
  });

  test("has every key and no other", () => {
    const defaults = gatewaySchema(directory).parse({});
    expect([...keyPaths(parse(example))].sort()).toEqual([...keyPaths(defaults)].sort());
  });

  test("names the log levels", () => {
    expect(example).toContain(`One of ${logLevels.map((level) => `"${level}"`).join(", ")}`);
  });

  const ranges: readonly (readonly [string, string, string, string, string, string])[] = [
    ["mqtt", "port", "0", "65535", "-1", "65536"],
    ["http", "port", "0", "65535", "-1", "65536"],
    ["ingest", "verify_threads", "1", "64", "0", "65"],
    ["ingest", "commit_wait", '"0ms"', '"100ms"', '"-1ms"', '"101ms"'],
    ["ingest", "provisional_wait", '"0ms"', '"10s"', '"-1ms"', '"10001ms"'],
    ["ledger", "order_every", '"10ms"', '"1h"', '"9ms"', '"3600001ms"'],
    ["ledger", "order_every_max", '"10ms"', '"1h"', '"9ms"', '"3600001ms"'],
    ["ledger", "retry_after", '"10ms"', '"1h"', '"9ms"', '"3600001ms"'],
    ["ledger", "delta", '"10ms"', '"1m"', '"9ms"', '"60001ms"'],
    ["ledger", "snapshot_every_blocks", "1", "1000000000", "0", "1000000001"],
    ["peers", "port", "0", "65535", "-1", "65536"],
    ["certificates", "device_days", "1", "3650", "0", "3651"],
  ];
  test.each(ranges)("%s.%s: the range that it names", (section, key, min, max, below, above) => {
    const read = (value: string) =>
      readGatewayConfig({ config: write(`[${section}]\n${key} = ${value}\n`) });
    for (const value of [min, max]) expect(() => read(value), value).not.toThrow();
    for (const value of [below, above])
      expect(() => read(value), value).toThrow(`${section}.${key}`);
    const said = new RegExp(`Range ${min} to ${max}[;.][^=]*\\n${key} =`.replaceAll('"', ""));
    expect(example.slice(example.indexOf(`[${section}]`))).toMatch(said);
  });
});

describe("the configuration", () => {
  test.each([
    ["gatway = 'x'", "gatway is no known key"],
    ["[mqtt]\nhots = 'x'", "mqtt.hots is no known key"],
    ["channel = 'a/b'", "channel: must be 1 to 64 of"],
    ["[mqtt]\nadvertised = []", "mqtt.advertised"],
    ["[bodies]\ncopies = 2", "bodies.copies"],
  ])("%s is refused by name", (text, sentence) => {
    expect(() => readGatewayConfig({ config: write(text) })).toThrow(sentence);
  });

  test("of --data is the gateway.toml in it, and its own directory is the data directory", () => {
    write("gateway = 'north'\ndata_dir = 'elsewhere'\n");
    const config = readGatewayConfig({ data: directory });
    expect(config).toMatchObject({ gateway: "north", data_dir: directory });
  });

  test("without a file is the defaults in that directory", () => {
    const config = readGatewayConfig({ data: directory });
    expect(config).toEqual({ ...gatewaySchema(directory).parse({}), data_dir: directory });
  });
});
