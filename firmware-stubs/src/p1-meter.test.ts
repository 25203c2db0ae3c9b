/** The emulated devices as generators. */

import { describe, expect, test } from "vitest";
import { EmulatedP1Meter } from "./p1-meter.ts";
import { EmulatedStickReader } from "./stick-reader.ts";
import { telegramNames, wireMessage } from "./telegrams.ts";

const start = Date.UTC(2026, 0, 1);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function run(seed: number, telegram: (typeof telegramNames)[number], count: number): string[] {
  const meter = new EmulatedP1Meter({ telegram, seed, firstSequence: 7 });
  return Array.from({ length: count }, (_, i) => text(meter.next(start + i * 3_600_000).bytes));
}

describe("emulated P1 meter", () => {
  test.each(telegramNames)("%s: one seed, one history, no two telegrams alike", (telegram) => {
    expect(run(1, telegram, 50)).toEqual(run(1, telegram, 50));
    expect(run(2, telegram, 50)).not.toEqual(run(1, telegram, 50));
    expect(new Set(run(1, telegram, 50)).size).toBe(50);
  });

  test("the energy grows by the power, the clock by the time given, the message by one", () => {
    const telegrams = run(3, "dsmr5", 48);
    const energies = telegrams.map((sent) => Number(/1-0:1\.8\.1\(([\d.]+)\*/.exec(sent)?.[1]));
    const powers = telegrams.map((sent) => Number(/1-0:1\.7\.0\(([\d.]+)\*/.exec(sent)?.[1]));
    for (let i = 1; i < 48; i++)
      expect((energies[i] ?? 0) - (energies[i - 1] ?? 0)).toBeCloseTo(powers[i] ?? 0, 2);
    expect(telegrams[25]).toContain("0-0:1.0.0(260102020000W)");
    const hex = Array.from(new TextEncoder().encode(wireMessage(32)), (byte) => byte.toString(16));
    expect(telegrams[25]).toContain(`0-0:96.13.0(${hex.join("").toUpperCase()})`);
  });

  test("the small telegram's one register is its wire sequence", () => {
    expect(run(1, "small", 3)[2]).toContain("1-0:1.8.0(000000000.009*kWh)");
  });
});

test("the stick reader reads test transponders of its herd", () => {
  const reader = new EmulatedStickReader({
    seed: 5,
    herdSize: 3,
    format: "default",
    firstSequence: 1,
  });
  const lines = Array.from({ length: 60 }, () => text(reader.next().bytes));
  expect(new Set(lines).size).toBe(3);
  for (const line of lines) expect(line).toMatch(/^LA 999 \d{12}\r\n$/);
  const s2000 = new EmulatedStickReader({
    seed: 5,
    herdSize: 3,
    format: "s2000",
    firstSequence: 1,
  });
  expect(text(s2000.next().bytes)).toMatch(/^LA 00000 0 999 \d{12}\r\n$/);
});
