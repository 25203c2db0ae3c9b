/** Which channels a configuration has, which files and devices are whose, and what is refused. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { channelOfDevice, channelsOf, forChannel, isOfChannel } from "./channels.ts";
import { openStores } from "./compose-base.ts";
import { readGatewayConfig } from "./config.ts";
import { channelsMax, devicePatternsMax } from "./limits.ts";
import { pathsOf, sitePaths } from "./site/site.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-channels-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function read(text: string) {
  writeFileSync(join(directory, "gateway.toml"), text);
  return readGatewayConfig({ data: directory });
}

const table = (name: string, port: number, ...devices: string[]) =>
  `[channels.${name}]\nmqtt_port = ${port}\ndevices = ${JSON.stringify(devices)}\n`;
const dairy = `channel = "milk"\n${table("power", 8884, "meter-*", "main")}${table("water", 8885, "pump-1")}`;
const code = (expected: string) => expect.objectContaining({ code: expected });

describe("the channels of a gateway", () => {
  test("are one with today's files, where the configuration names no other", () => {
    const config = read('channel = "milk"\n');
    expect(channelsOf(config)).toEqual([config]);
    expect(forChannel(config, undefined)).toBe(config);
    expect(forChannel(config, "milk")).toBe(config);
    expect(pathsOf(config)).toEqual(sitePaths(directory));
    expect(isOfChannel(config, "anything")).toBe(true);
  });

  test("beside the first have files, a port and a name of their own, and share what is the gateway's", () => {
    const config = read(dairy);
    expect(channelsOf(config).map(({ channel, mqtt }) => [channel, mqtt.port])).toEqual([
      ["milk", 8883],
      ["power", 8884],
      ["water", 8885],
    ]);
    const [milk, power] = channelsOf(config).map(pathsOf);
    expect(milk).toEqual(sitePaths(directory));
    const own = [
      "gatewayKey",
      "gatewayCertificate",
      "tlsKey",
      "tlsCertificate",
      "validatorKey",
      "secondKey",
    ];
    const files = [...own, "channel", "trust", "lane", "ledger"];
    for (const [key, path] of Object.entries(power ?? {}))
      if (files.includes(key)) expect(path).toMatch(/\/channels\/power\/[a-z-]+\.[a-z]+$/);
      else expect(path).toBe(Object.entries(milk ?? {}).find(([other]) => other === key)?.[1]);
  });

  test("have a device by its id, or by how ids begin; the first has all others", () => {
    const config = read(dairy);
    const of = (device: string) => channelOfDevice(config, device).channel;
    expect(["meter-", "meter-7", "main", "pump-1"].map(of)).toEqual([
      ...["power", "power", "power", "water"],
    ]);
    expect(["mete", "main-2", "pump-12", "cow"].map(of)).toEqual(Array(4).fill("milk"));
    for (const view of channelsOf(config))
      for (const device of ["meter-7", "pump-1", "cow"])
        expect(isOfChannel(view, device)).toBe(view.channel === of(device));
  });

  test("are named by a command where there are several", () => {
    read(dairy);
    const of = (name: string | undefined) => () =>
      readGatewayConfig({ data: directory, forChannel: { name } });
    expect(of("power")()).toMatchObject({ channel: "power", mqtt: { port: 8884 } });
    expect(of("milk")()).toMatchObject({ channel: "milk" });
    expect(of(undefined)).toThrow(code("CHANNEL_AMBIGUOUS"));
    expect(of(undefined)).toThrow("--channel: milk, power, water");
    expect(of("steel")).toThrow(code("CHANNEL_UNKNOWN"));
    expect(of("__proto__")).toThrow(code("CHANNEL_UNKNOWN"));
  });

  test.each([
    ["CONFIG_CHANNEL_TWICE", `channel = "milk"\n${table("milk", 1, "a")}`],
    ["CONFIG_CHANNEL_TWICE", `${table("Power", 1, "a")}${table("power", 2, "b")}`],
    ["CONFIG_CHANNEL_PORT_TWICE", table("power", 8883, "a")],
    ["CONFIG_CHANNEL_PORT_TWICE", `${table("power", 1, "a")}${table("water", 1, "b")}`],
    ["CONFIG_CHANNEL_DEVICE_TWICE", `${table("power", 1, "a")}${table("water", 2, "b", "a")}`],
    ["CONFIG_CHANNEL_DEVICE_TWICE", `${table("power", 1, "a*")}${table("water", 2, "abc")}`],
    ["CONFIG_CHANNEL_DEVICE_TWICE", `${table("power", 1, "abc*")}${table("water", 2, "a*")}`],
    ["CONFIG_INVALID", table("power", 1)],
    ["CONFIG_INVALID", table("power", 1, "a*b")],
    ["CONFIG_INVALID", table('".."', 1, "a")],
    ["CONFIG_INVALID", table('"a/b"', 1, "a")],
    ["CONFIG_INVALID", '[channels.power]\ndevices = ["a"]\n'],
    ["CONFIG_INVALID", `${table("power", 1, "a")}pattern = "a"\n`],
  ])("are refused with %s: %s", (expected, text) => {
    expect(() => read(text)).toThrow(code(expected));
  });

  test("may be as many as the limits say, and have as many patterns", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => table(`c${at}`, at + 1, `d${at}-`)).join("");
    expect(channelsOf(read(many(channelsMax - 1)))).toHaveLength(channelsMax);
    expect(() => read(many(channelsMax))).toThrow(`at most ${channelsMax - 1}`);
    const patterns = (count: number) =>
      read(table("power", 1, ...Array.from({ length: count }, (_, at) => `d${at}`)));
    expect(patterns(devicePatternsMax).channels["power"]?.devices).toHaveLength(devicePatternsMax);
    expect(() => patterns(devicePatternsMax + 1)).toThrow(code("CONFIG_INVALID"));
  });

  test("do not share a directory, whatever its names", async () => {
    const config = read(`${table("power", 0, "a")}${table("water", 0, "b")}`);
    mkdirSync(join(directory, "channels", "power"), { recursive: true });
    symlinkSync("power", join(directory, "channels", "water"));
    const clock = new SystemClock();
    const nothing = () => undefined;
    const opening = openStores(config, { clock, stopped: nothing, membersChanged: nothing });
    await expect(opening).rejects.toMatchObject({ code: "CONFIG_CHANNEL_TWICE" });
  });
});
