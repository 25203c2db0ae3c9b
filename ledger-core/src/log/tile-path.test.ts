/** Tests of tile paths in both directions. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeTilePath, parseTilePath, tileLevelMax, tilePathLengthMax } from "./tile-path.ts";

describe("tile paths", () => {
  it("are the specification's", () => {
    expect(encodeTilePath({ type: "tile", level: 0, index: 1_234_067, width: 256 })).toBe(
      "tile/0/x001/x234/067",
    );
    expect(encodeTilePath({ type: "tile", level: 2, index: 0, width: 17 })).toBe("tile/2/000.p/17");
    expect(encodeTilePath({ type: "entries", index: 1_000, width: 1 })).toBe(
      "tile/entries/x001/000.p/1",
    );
  });

  it("come back as they went", () => {
    const place = fc.record({
      index: fc.maxSafeNat(),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(
      fc.property(place, fc.nat(tileLevelMax), ({ index, width }, level) => {
        for (const path of [
          { type: "tile", level, index, width },
          { type: "entries", index, width },
        ] as const) {
          expect(encodeTilePath(path).length).toBeLessThanOrEqual(tilePathLengthMax);
          expect(parseTilePath(encodeTilePath(path))).toEqual({ ok: true, value: path });
        }
      }),
    );
  });

  it.each([
    ["", "TILE_PATH_MALFORMED"],
    ["tile/0/0", "TILE_PATH_MALFORMED"],
    ["tile/0/1000", "TILE_PATH_MALFORMED"],
    ["tile/0/x000/001", "TILE_PATH_MALFORMED"],
    ["tile/0/001/002", "TILE_PATH_MALFORMED"],
    ["tile/0/x001", "TILE_PATH_MALFORMED"],
    ["tile/00/001", "TILE_PATH_MALFORMED"],
    ["tile/-1/001", "TILE_PATH_MALFORMED"],
    ["tile/0/001.p/0", "TILE_PATH_MALFORMED"],
    ["tile/0/001.p/01", "TILE_PATH_MALFORMED"],
    ["tile/0/001.p/256", "TILE_PATH_OUT_OF_RANGE"],
    ["tile/0/001.p/999", "TILE_PATH_OUT_OF_RANGE"],
    ["tile/64/001", "TILE_PATH_OUT_OF_RANGE"],
    ["tile/0/x999/x999/x999/x999/x999/999", "TILE_PATH_OUT_OF_RANGE"],
    [`tile/0/${"x001/".repeat(10)}001`, "TILE_PATH_MALFORMED"],
    ["tile/entries/001/", "TILE_PATH_MALFORMED"],
    ["/tile/entries/001", "TILE_PATH_MALFORMED"],
    ["tile/0/001\n", "TILE_PATH_MALFORMED"],
  ])("refuse %j", (text, code) => {
    expect(parseTilePath(text)).toEqual({ ok: false, fault: { code } });
  });
});
