import { expect, test } from "vitest";
import { name } from "../../../test/support/wire-samples.ts";
import { haveBytesMax, incarnationsPerPageMax, rangesPerPageMax } from "./limits.ts";
import type { HaveMessage, IncarnationRanges } from "./uplink-message.ts";
import { encodeHaveMessage, parseHaveMessage } from "./uplink-message.ts";

const longName = name("s".repeat(64));

/** So many ranges over so many incarnations, each number as long as it can be. */
function ranges(count: number, incarnations: number): readonly IncarnationRanges[] {
  return Array.from({ length: incarnations }, (_, run) => ({
    stream: longName,
    incarnation: new Uint8Array(16).fill(run),
    ranges: Array.from({ length: Math.ceil((count - run) / incarnations) }, (_, i) => ({
      first: 2n ** 62n + BigInt(i),
      count: Number.MAX_SAFE_INTEGER,
    })),
  }));
}

const page = (lists: Pick<HaveMessage, "pending" | "kept">) =>
  encodeHaveMessage({ nonce: new Uint8Array(8), last: true, ...lists });

test("a page of a have as large as it may be fits its bytes", () => {
  const half = rangesPerPageMax / 2;
  const pending = ranges(half, incarnationsPerPageMax);
  const kept = ranges(half, incarnationsPerPageMax);
  const bytes = page({ pending, kept });
  expect(bytes.length).toBeLessThanOrEqual(haveBytesMax);
  expect(parseHaveMessage(bytes)).toMatchObject({ ok: true, value: { last: true } });
});

test("a page of a have counts its ranges over all incarnations and both lists", () => {
  const pending = ranges(rangesPerPageMax, 2);
  expect(parseHaveMessage(page({ pending, kept: [] }))).toMatchObject({ ok: true });
  const refused = parseHaveMessage(page({ pending, kept: ranges(1, 1) }));
  expect(refused).toMatchObject({ ok: false, fault: { code: expect.stringMatching(/^FIELD_/) } });
});

test("a page of a have that is too long is not even decoded", () => {
  const bytes = new Uint8Array(haveBytesMax + 1);
  expect(parseHaveMessage(bytes)).toMatchObject({ ok: false, fault: { code: "CBOR_TOO_LONG" } });
});
