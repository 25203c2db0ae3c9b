/** Tests of entry bundles in both directions and at their limits. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError } from "../base/assert.ts";
import { encodeEntryBundle, parseEntryBundle } from "./entry-bundle.ts";
import { entryBytesMax } from "./limits.ts";

describe("entry bundle", () => {
  it("prefixes each entry with its length", () => {
    const bytes = encodeEntryBundle([Uint8Array.of(7, 8), new Uint8Array(0), Uint8Array.of(9)]);
    expect(bytes).toEqual(Uint8Array.of(0, 2, 7, 8, 0, 0, 0, 1, 9));
  });

  it("comes back as it went; a cut one is refused", () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(entries, fc.nat(), (list, cut) => {
        const bytes = encodeEntryBundle(list);
        expect(parseEntryBundle(bytes, list.length)).toEqual({ ok: true, value: list });
        expect(parseEntryBundle(bytes.subarray(0, cut % bytes.length), list.length).ok).toBe(false);
      }),
    );
  });

  it("holds 256 entries of 65,535 bytes, and no more of either", () => {
    const entry = new Uint8Array(entryBytesMax).fill(1);
    const full = Array.from({ length: 256 }, () => entry);
    const bytes = encodeEntryBundle(full);
    const parsed = parseEntryBundle(bytes, 256);
    expect(parsed.ok && parsed.value.length).toBe(256);
    expect(() => encodeEntryBundle([...full, entry])).toThrow(InvariantError);
    expect(() => encodeEntryBundle([new Uint8Array(entryBytesMax + 1)])).toThrow(InvariantError);
    expect(() => encodeEntryBundle([])).toThrow(InvariantError);
  });

  it("refuses another count than its path promised, and half a length", () => {
    const bytes = encodeEntryBundle([Uint8Array.of(1), Uint8Array.of(2)]);
    for (const expected of [1, 3])
      expect(parseEntryBundle(bytes, expected)).toEqual({
        ok: false,
        fault: { code: "ENTRY_BUNDLE_MISCOUNTED", expected },
      });
    expect(parseEntryBundle(Uint8Array.of(0, 0, 0), 2)).toEqual({
      ok: false,
      fault: { code: "ENTRY_BUNDLE_TRUNCATED" },
    });
  });
});
