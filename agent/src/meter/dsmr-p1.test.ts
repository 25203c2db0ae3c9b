/** The P1 driver against every value that the sources of the corpus assert. */

import { globSync, readFileSync } from "node:fs";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { formatQuantity } from "@tamga/ledger-core/wire/quantity";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { DecodedFrame, Register } from "../driver.ts";
import { p1RegistersMax, p1TextBytesMax } from "../limits.ts";
import { crc16Arc } from "./crc16.ts";
import { DsmrP1Driver } from "./dsmr-p1.ts";

const corpus = new URL("../../../test/corpus/dsmr-p1/", import.meta.url).pathname;

function decode(bytes: Uint8Array) {
  const driver = new DsmrP1Driver();
  const [first, last] = [driver.push(bytes), driver.end()];
  return {
    frames: [...first.frames, ...last.frames],
    codes: [...first.rejections, ...last.rejections].map((rejection) => rejection.code),
    discardedBytes: first.discardedBytes + last.discardedBytes,
  };
}

function only(bytes: Uint8Array): DecodedFrame {
  const { frames, codes } = decode(bytes);
  const [frame] = frames;
  if (frame === undefined || frames.length !== 1) throw new Error(`not one frame: ${codes}`);
  return frame;
}

function file(path: string): Uint8Array {
  return readFileSync(corpus + path);
}

/** A telegram of these lines with its checksum, as the line carries it. */
function telegram(lines: readonly string[]): Uint8Array {
  const body = `/TST5METER\r\n\r\n${lines.map((line) => `${line}\r\n`).join("")}!`;
  const crc = crc16Arc(utf8(body)).toString(16).toUpperCase().padStart(4, "0");
  return utf8(`${body}${crc}\r\n`);
}

function show(register: Register): string {
  const address = register.obis ?? register.name;
  const value =
    "text" in register.value
      ? `"${register.value.text}"`
      : `${formatQuantity(register.value.quantity, register.value.exponent)} ${register.value.unitText}`;
  const time = register.captureTime;
  const at = time === undefined ? "" : ` @${new Date(time.at).toISOString().slice(0, 19)}Z`;
  return `${address} ${value}${at}`.trimEnd();
}

function shown(frame: DecodedFrame, obis: string): string[] {
  const prefix = `${obis}*255 `;
  return frame.registers
    .map(show)
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length));
}

const number = z.union([z.number(), z.string(), z.null()]);
const oracleValue = z.object({ value: number, unit: z.string().nullable() });
const oracleTimed = z.object({ datetime: z.string(), value: z.number(), unit: z.string() });

/** Every `{ value, unit }` and `{ datetime, value, unit }` at any depth. */
function collect(node: unknown, timed: string[], plain: string[]): void {
  const asTimed = oracleTimed.safeParse(node);
  const asValue = oracleValue.safeParse(node);
  if (asTimed.success && !(typeof node === "object" && node !== null && "occurred" in node)) {
    const at = new Date(asTimed.data.datetime).toISOString().slice(0, 19);
    timed.push(`${asTimed.data.value} ${asTimed.data.unit} @${at}Z`);
  } else if (asValue.success && Number.isFinite(asValue.data.value)) {
    // The oracle takes DSMR 3's hexadecimal message code for a number.
    if (Number(asValue.data.value) > Number.MAX_SAFE_INTEGER) return;
    plain.push(`${asValue.data.value} ${asValue.data.unit ?? ""}`.trimEnd());
  } else if (typeof node === "object" && node !== null) {
    for (const child of Object.values(node)) collect(child, timed, plain);
  }
}

describe("values that dsmr_parser reads too", () => {
  const paths = globSync("ndokter__dsmr_parser/*.expected.json", { cwd: corpus });

  test.each(paths)("%s", (path) => {
    const frame = only(file(path.replace(".expected.json", ".txt")));
    const ours = new Set<string>();
    for (const register of frame.registers) {
      if ("text" in register.value) continue;
      const value = Number(formatQuantity(register.value.quantity, register.value.exponent));
      const plain = `${value} ${register.value.unitText}`.trimEnd();
      ours.add(plain);
      if (register.captureTime !== undefined)
        ours.add(`${plain} @${new Date(register.captureTime.at).toISOString().slice(0, 19)}Z`);
    }
    const timed: string[] = [];
    const plain: string[] = [];
    collect(JSON.parse(file(path).toString()), timed, plain);
    // Two oracles place local times otherwise: Ireland's zone, and DSMR 2's times with no season.
    const zoneDiffers = /ISKRA_IE|V2_2|V3/.test(path);
    expect(plain.length).toBeGreaterThan(0);
    expect(plain.filter((line) => !ours.has(line))).toEqual([]);
    if (!zoneDiffers) expect(timed.filter((line) => !ours.has(line))).toEqual([]);
  });
});

const athomExpected = z.object({
  metadata: z.object({ timestamp: z.string().optional() }),
  cosem: z.object({ knownObjects: z.array(z.string()), unknownObjects: z.array(z.string()) }),
  crcValid: z.boolean().optional(),
});

describe("specification examples", () => {
  const paths = globSync("athombv__node-dsmr-parser/*.json", { cwd: corpus });

  test.each(paths)("%s", (path) => {
    const expected = athomExpected.parse(JSON.parse(file(path).toString()));
    const sent = file(path.replace(".json", ".txt"));
    if (expected.crcValid === false) expect(decode(sent).codes).toEqual(["P1_BAD_CHECKSUM"]);
    const lines = sent.toString().trimEnd().split("\n").slice(1, -1);
    const frame = only(expected.crcValid === undefined ? sent : telegram(lines));
    const addresses = new Set(frame.registers.map((register) => register.obis));
    for (const line of [...expected.cosem.knownObjects, ...expected.cosem.unknownObjects]) {
      const code = line.slice(0, line.indexOf("(")).replace(/\.255$/, "");
      if (code !== "0-0:1.0.0") expect(addresses).toContain(`${code}*255`);
    }
    // The source prints the local time as if it were UTC.
    const local =
      frame.captureTime === null
        ? undefined
        : new Date(frame.captureTime.at + frame.captureTime.offsetMinutes * 60_000).toISOString();
    expect(local).toBe(expected.metadata.timestamp);
  });
});

describe("what DSMRParser.Net asserts", () => {
  test("DSMR 2.2, no checksum", () => {
    const frame = only(file("RobThree__DSMRParser.Net/v2_2_ok.txt"));
    expect(frame.source).toEqual({ id: "0123456", maker: "TES" });
    expect(frame.frameStatus.checksum).toBe("absent");
    expect(frame.captureTime).toBeNull();
    expect(shown(frame, "1-0:1.8.1")).toEqual(["1.234 kWh"]);
    expect(shown(frame, "1-0:2.7.0")).toEqual(["999.99 kW"]);
    expect(shown(frame, "0-0:96.14.0")).toEqual(["1"]);
    expect(shown(frame, "0-1:96.1.0")).toEqual(['"6543210"']);
    expect(shown(frame, "0-1:24.3.0")).toEqual(['"160410130000"']);
    expect(shown(frame, "0-1:24.2.1")).toEqual(["7890.693 m3"]);
  });

  test("DSMR 2.2 with the gas value on a line of its own", () => {
    const frame = only(file("RobThree__DSMRParser.Net/v2_2_mangled.txt"));
    expect(shown(frame, "0-0:17.0.0")).toEqual(["999.00 kW"]);
    expect(shown(frame, "0-1:24.2.1")).toEqual(["22806.137 m3"]);
    expect(frame.registers.find((register) => register.obis === "0-1:24.2.1*255")?.status).toBe(0);
  });

  test("DSMR 5 with four channels and a failure log", () => {
    const frame = only(file("RobThree__DSMRParser.Net/v5_ok.txt"));
    expect(frame.source.id).toBe("K8EG004046395507");
    expect(frame.captureTime).toEqual({
      at: Date.UTC(2010, 11, 9, 10, 30, 20),
      offsetMinutes: 60,
      quality: "unknown",
    });
    expect(shown(frame, "1-0:2.8.2")).toEqual(["20202.202 kWh"]);
    expect(shown(frame, "0-0:96.7.19")).toEqual([
      "237126 s @2000-01-04T17:03:20Z",
      "2147583646 s @1999-12-31T23:00:01Z",
      "2317482647 s @2020-01-02T00:02:03Z",
    ]);
    expect(shown(frame, "0-1:24.2.1")).toEqual(["12321.232 m3 @2020-12-11T09:09:08Z"]);
    expect(shown(frame, "0-2:24.2.1")).toEqual(["32123.212 m3 @2020-12-11T08:09:07Z"]);
    expect(shown(frame, "0-3:24.2.1")).toEqual(["33221.122 MJ @2020-12-11T09:09:06Z"]);
    expect(shown(frame, "0-3:96.1.0")).toEqual(['"9999ABCD123456789"']);
  });
});

describe("makers", () => {
  test("the Swedish profile writes reactive units its own way", () => {
    const frame = only(file("toreamun__amshan/EXAMPLE_DATA_D_LANDISGYR_360.txt"));
    expect(frame.source).toEqual({ id: "E360", maker: "LGF" });
    expect(shown(frame, "1-0:1.8.0")).toEqual(["10501.076 kWh"]);
    expect(shown(frame, "1-0:3.8.0")).toEqual(["1761.087 kvarh"]);
    expect(shown(frame, "1-0:3.7.0")).toEqual(["0.135 kvar"]);
    const energy = frame.registers[0]?.value;
    expect(energy).toEqual({
      quantity: { mantissa: 10501076n, scaler: 0, unit: 30 },
      exponent: 3,
      unitText: "kWh",
    });
  });

  test("Fluvius: the time at which each peak occurred, by its letter even out of season", () => {
    const frame = only(file("ndokter__dsmr_parser/TELEGRAM_FLUVIUS_V171.txt"));
    expect(shown(frame, "1-0:1.6.0")).toEqual([
      "2.589 kW @2020-05-09T11:45:58Z",
      "3.695 kW @2020-04-23T17:25:38Z",
      "5.980 kW @2020-03-05T10:21:39Z",
      "4.318 kW @2020-02-10T02:54:21Z",
    ]);
    expect(shown(frame, "0-0:98.1.0")).toEqual(["3"]);
  });

  test("a checksum without its leading zero, and an identifier that is no text", () => {
    const frame = only(file("ndokter__dsmr_parser/TELEGRAM_UNPADDED_CRC.txt"));
    expect(frame.source).toEqual({ id: "ADC3100000158491", maker: "NWA" });
    expect(shown(frame, "0-1:24.2.1")).toEqual(["240.860 GJ @2026-02-15T19:05:23Z"]);
  });

  test("EasyMeter tells its identity by other codes and appends noise", () => {
    const { frames, discardedBytes } = decode(
      file("ndokter__dsmr_parser/TELEGRAM_ESY5Q3DA1004_V304.txt"),
    );
    expect(frames[0]?.source).toEqual({ id: "1ESY1336001560", maker: "ESY" });
    expect(discardedBytes).toBe(47);
  });

  test("gas is corrected volume, water is not", () => {
    const frame = only(
      telegram(["0-1:24.1.0(003)", gasLine(1), "0-2:24.1.0(007)", gasLine(2), "1.8.0(1*kWh)"]),
    );
    const units = frame.registers.map((register) =>
      "quantity" in register.value ? register.value.quantity.unit : 0,
    );
    expect(units).toEqual([255, 14, 255, 13, 30]);
    expect(frame.registers.at(-1)?.name).toBe("1.8.0");
  });
});

function gasLine(channel: number): string {
  return `0-${channel}:24.2.1(240101000000W)(00001.000*m3)`;
}

describe("refusals", () => {
  const unprotected = "/TST5METER\r\n\r\n1-0:1.8.0(1*kWh)\r\n";

  test.each([
    ["a later standard whose checksum is gone", "1-3:0.2.8(42)\r\n!\r\n", "P1_CHECKSUM_MISSING"],
    ["the same without a version", "0-0:1.0.0(240101000000W)\r\n!\r\n", "P1_CHECKSUM_MISSING"],
    ["noise in an unprotected telegram", "1-0:1.8.\u0001(1*kWh)\r\n!\r\n", "P1_BAD_LINE"],
    ["a torn line in an unprotected telegram", "1-0:2.8.0(1*k\r\n!\r\n", "P1_BAD_LINE"],
    ["more than a checksum", "!12345\r\n", "P1_BAD_END"],
    ["a checksum of mixed case", "!aB12\r\n", "P1_BAD_CHECKSUM"],
    ["the end of the line in mid-telegram", "1-0:2.8.0(1", "P1_TRUNCATED"],
  ])("%s", (_, rest, code) => {
    expect(decode(utf8(unprotected + rest))).toMatchObject({ frames: [], codes: [code] });
  });

  test("a telegram with no line in it", () => {
    expect(decode(utf8("/TST5METER\r\n\r\n!\r\n")).codes).toEqual(["P1_NO_REGISTERS"]);
  });

  test("a captured telegram whose checksum was cut out", () => {
    expect(decode(file("toreamun__amshan/EXAMPLE_DATA_B.txt")).codes).toEqual([
      "P1_CHECKSUM_MISSING",
    ]);
  });

  test("the most registers and the longest text, and one more", () => {
    const lines = (count: number) => Array.from({ length: count }, () => "1-0:1.7.0(1*kW)");
    expect(only(telegram(lines(p1RegistersMax))).registers.length).toBe(p1RegistersMax);
    expect(decode(telegram(lines(p1RegistersMax + 1))).codes).toEqual(["P1_TOO_MANY_REGISTERS"]);
    const message = (length: number) => telegram([`0-0:96.13.0(${"41".repeat(length)})`]);
    expect(only(message(p1TextBytesMax)).registers.length).toBe(1);
    expect(decode(message(p1TextBytesMax + 1)).codes).toEqual(["P1_TEXT_TOO_LONG"]);
  });
});

test("a meter that writes its checksum in lower case is learned, a flipped case bit is not", () => {
  const withLetters = (count: number) => {
    for (let i = 0; ; i++) {
      const sent = telegram([`1-0:1.8.0(${i}*kWh)`]);
      const checksum = new TextDecoder().decode(sent.slice(-6, -2));
      if (checksum.replace(/\d/g, "").length !== count) continue;
      return utf8(
        new TextDecoder().decode(sent).replace(`!${checksum}`, `!${checksum.toLowerCase()}`),
      );
    }
  };
  expect(decode(withLetters(1)).codes).toEqual(["P1_BAD_CHECKSUM"]);
  const driver = new DsmrP1Driver();
  expect(driver.push(withLetters(2)).frames.length).toBe(1);
  expect(driver.push(withLetters(1)).frames.length).toBe(1);
});

test("the option moves standard time, the letter adds the season's hour", () => {
  const driver = new DsmrP1Driver({ standardOffsetMinutes: 0 });
  const [frame] = driver.push(file("ndokter__dsmr_parser/TELEGRAM_ISKRA_IE.txt")).frames;
  expect(frame?.captureTime?.offsetMinutes).toBe(60);
  expect(frame?.captureTime?.at).toBe(Date.UTC(2023, 1, 2, 12, 27, 47));
});
