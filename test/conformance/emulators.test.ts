/** The emulated devices speak what the drivers read: each emission is one frame, the same bytes. */

import { createDriver } from "@tamga/agent/create-driver";
import { EmulatedP1Meter } from "@tamga/firmware-stubs/p1-meter";
import { EmulatedStickReader, lineFormats } from "@tamga/firmware-stubs/stick-reader";
import { telegramNames, wireMessage } from "@tamga/firmware-stubs/telegrams";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { formatQuantity } from "@tamga/ledger-core/wire/quantity";
import { expect, test } from "vitest";
import { feed, frameBytes } from "./parser-rules.ts";

const start = Date.UTC(2026, 0, 1, 12);

test.each(telegramNames)("telegram %s", (telegram) => {
  const meter = new EmulatedP1Meter({ telegram, seed: 9, firstSequence: 1 });
  const sent = Array.from({ length: 200 }, (_, i) => meter.next(start + 1000 * i));
  const output = feed(
    createDriver("dsmr-p1"),
    sent.map(({ bytes }) => bytes),
  );
  expect(output).toMatchObject({ rejections: [], discardedBytes: 0 });
  expect(frameBytes(output)).toEqual(sent.map(({ bytes }) => toHex(bytes)));
  for (const [index, frame] of output.frames.entries()) {
    expect(frame.frameStatus.checksum).toBe("ok");
    expect(frame.source.id).toBe("EMULATED-00000009");
    const message = frame.registers.find((register) => register.obis === "0-0:96.13.0*255");
    const energy = frame.registers.find((register) => register.obis === "1-0:1.8.0*255");
    if (telegram === "small") {
      const value = energy?.value;
      const shown =
        value !== undefined && "quantity" in value ? formatQuantity(value.quantity) : "";
      expect(shown).toBe(`${index + 1}`);
    } else {
      expect(message?.value).toEqual({ text: wireMessage(index + 1) });
      expect(frame.captureTime?.at).toBe(start + 1000 * index);
    }
  }
});

test.each(lineFormats)("stick line %s", (format) => {
  const reader = new EmulatedStickReader({ seed: 9, herdSize: 5, format, firstSequence: 1 });
  const sent = Array.from({ length: 50 }, () => reader.next().bytes);
  const output = feed(createDriver("iso11784-stick"), sent);
  expect(output).toMatchObject({ rejections: [], discardedBytes: 0 });
  expect(output.frames.map(({ frame }) => frame)).toEqual(sent);
  for (const { tags } of output.frames)
    expect(tags[0]?.uri).toMatch(/^urn:x-tamga:iso11784:999\d{12}$/);
});
