import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agentConfigSchema, loadAgentConfig } from "./config.ts";
import { streamsMax } from "./limits-daemon.ts";
import { gatewaysMax } from "./uplink/limits.ts";

const example = new URL("../agent.example.toml", import.meta.url).pathname;
const minimal = 'device = "box-1"\nchannel = "readings"\n';

function load(text: string) {
  const file = join(mkdtempSync(join(tmpdir(), "tamga-config-")), "agent.toml");
  writeFileSync(file, text);
  return loadAgentConfig(file);
}

function refusal(text: string): string {
  try {
    load(text);
  } catch (error) {
    if (error instanceof OperationalError && error.code === "CONFIG_INVALID") return error.message;
    throw error;
  }
  throw new Error("was accepted");
}

describe("agent.example.toml", () => {
  test("is a configuration", () => {
    const config = loadAgentConfig(example);
    expect(config.stream.map(({ name }) => name)).toEqual(["main-meter"]);
    expect(config.uplink.gateways?.map(({ port }) => port)).toEqual([8_883]);
  });

  test("has every key of the schema, and no other", () => {
    const schema = z.toJSONSchema(agentConfigSchema("/"), { io: "input", unrepresentable: "any" });
    expect([...keysOfValue(parse(readFileSync(example, "utf8")))].sort()).toEqual(
      [...keysOfSchema(schema)].sort(),
    );
  });

  test("states the defaults where it says that it does", () => {
    const stated = loadAgentConfig(example);
    const silent = load(minimal);
    for (const key of ["bundle", "outbox", "http"] as const)
      expect(stated[key]).toEqual(silent[key]);
    const keys = ["profile", "clock_source", "heartbeat_every", "log_level", "events"] as const;
    for (const key of keys) expect(stated[key]).toEqual(silent[key]);
  });
});

test("evidence is stated only where it is asked for, and its stream is no other's", () => {
  expect(load(minimal).attestation).toBeUndefined();
  const asked = load(`${minimal}[attestation]\npcrs = [7, 0, 7]\n`).attestation;
  expect(asked).toEqual({ every: 21_600_000, pcrs: [0, 7] });
  expect(refusal(`${minimal}[attestation]\npcrs = [24]\n`)).toContain("attestation.pcrs");
  const stream = 'link = "tcp://127.0.0.1:9"\nprotocol = "dsmr-p1"\n';
  const taken = refusal(`${minimal}[[stream]]\nname = "attestation"\n${stream}`);
  expect(taken).toContain("the device's own stream");
});

test("two names are enough: data and key stand beside the file", () => {
  const config = load(minimal);
  expect(config.key).toBe(`file:${config.data_dir}/signing.key`);
  expect(config.stream).toEqual([]);
});

test.each([
  ["an unknown key", `${minimal}devise = 1`, "devise is no known key"],
  ["an unknown key in a stream", `${minimal}${stream("baud = 1")}`, "stream[0].baud is no known"],
  ["a bad name", 'device = "box 1"\nchannel = "c"', "device: must be 1 to 64 letters"],
  ["an inline PIN", `${minimal}key = "pkcs11:token=t;object=o?pin-value=1"`, "holds a PIN"],
  ["a plain gateway", `${minimal}[uplink]\ngateways = ["mqtt://h"]`, "must be mqtts://host:port"],
  ["a small quota", `${minimal}[outbox]\nquota = "1KiB"`, "outbox.quota: must be from 1MiB"],
  ["a bundle past the wire", `${minimal}[bundle]\nmax_bytes = "2MiB"`, "bundle.max_bytes: must be"],
  ["one name twice", `${minimal}${stream()}${stream()}`, "two streams have one name"],
  ["a bad line", `${minimal}${stream('link = "usb:1"', "")}`, "A link starts with serial:"],
])("%s is refused by its key", (_what, text, sentence) => {
  expect(refusal(text)).toContain(sentence);
});

test("streams and gateways are bounded", () => {
  const streams = (count: number) =>
    Array.from({ length: count }, (_, i) => stream("", undefined, `s${i}`)).join("");
  expect(load(minimal + streams(streamsMax)).stream.length).toBe(streamsMax);
  expect(refusal(minimal + streams(streamsMax + 1))).toContain("stream");
  const gateways = (count: number) =>
    `${minimal}[uplink]\ngateways = [${'"mqtts://h",'.repeat(count)}]`;
  expect(load(gateways(gatewaysMax)).uplink.gateways?.length).toBe(gatewaysMax);
  expect(refusal(gateways(gatewaysMax + 1))).toContain("uplink.gateways");
});

function stream(more = "", link = 'link = "tcp://127.0.0.1:1"', name = "meter"): string {
  return `[[stream]]\nname = "${name}"\nprotocol = "dsmr-p1"\n${link}\n${more}\n`;
}

/** Paths of all keys of a parsed file; items of a list count as one. */
function* keysOfValue(value: unknown, path = ""): Generator<string> {
  if (Array.isArray(value)) {
    yield* keysOfValue(value[0], path);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    yield `${path}${key}`;
    yield* keysOfValue(inner, `${path}${key}.`);
  }
}

function* keysOfSchema(schema: unknown, path = ""): Generator<string> {
  if (typeof schema !== "object" || schema === null) return;
  if ("items" in schema) yield* keysOfSchema(schema.items, path);
  if (!("properties" in schema)) return;
  for (const [key, inner] of Object.entries(Object(schema.properties))) {
    yield `${path}${key}`;
    yield* keysOfSchema(inner, `${path}${key}.`);
  }
}
