/** The paths under which a log serves its tiles and entries (C2SP tlog-tiles). */

import { assert } from "../base/assert.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { tileWidth } from "./tile.ts";

/** A resource below the log's prefix; `width` is 256 for a full one, 1 … 255 for a partial one. */
export type TilePath =
  | {
      readonly type: "tile";
      readonly level: number;
      readonly index: number;
      readonly width: number;
    }
  | { readonly type: "entries"; readonly index: number; readonly width: number };

export type TilePathFault = { readonly code: "TILE_PATH_MALFORMED" | "TILE_PATH_OUT_OF_RANGE" };

/** The highest tile level that the path syntax has. */
export const tileLevelMax = 63;
/** Room for `tile/63/`, six groups of an index below 2^53, and `.p/255`. */
export const tilePathLengthMax = 48;

const pathPattern =
  /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** `tile/0/x001/x234/067.p/12`, `tile/entries/000`. */
export function encodeTilePath(path: TilePath): string {
  const { index, width } = path;
  assert(Number.isSafeInteger(index) && index >= 0, "tile index is a safe integer");
  assert(width >= 1 && width <= tileWidth, "tile has 1 to 256 hashes");
  const digits = index.toString();
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/.{3}/g) ?? [];
  const last = groups.length - 1;
  const name = groups.map((group, i) => (i < last ? `x${group}` : group)).join("/");
  const level = path.type === "entries" ? "entries" : path.level.toString();
  return `tile/${level}/${name}${width === tileWidth ? "" : `.p/${width}`}`;
}

/**
 * Parses a path below the log's prefix; only the form that {@link encodeTilePath} writes.
 * Faults: TILE_PATH_MALFORMED, TILE_PATH_OUT_OF_RANGE (level over 63, index of 2^53 or more, a
 *   partial width over 255).
 */
export function parseTilePath(text: string): Result<TilePath, TilePathFault> {
  if (text.length > tilePathLengthMax) return err({ code: "TILE_PATH_MALFORMED" });
  const match = pathPattern.exec(text);
  if (match === null) return err({ code: "TILE_PATH_MALFORMED" });
  const index = Number((match[2] ?? "").replaceAll(/[x/]/g, ""));
  const width = match[3] === undefined ? tileWidth : Number(match[3]);
  if (!Number.isSafeInteger(index)) return err({ code: "TILE_PATH_OUT_OF_RANGE" });
  if (match[3] !== undefined && width >= tileWidth) return err({ code: "TILE_PATH_OUT_OF_RANGE" });
  const level = Number(match[1]);
  if (match[1] !== "entries" && level > tileLevelMax)
    return err({ code: "TILE_PATH_OUT_OF_RANGE" });
  const path: TilePath =
    match[1] === "entries"
      ? { type: "entries", index, width }
      : { type: "tile", level, index, width };
  return encodeTilePath(path) === text ? ok(path) : err({ code: "TILE_PATH_MALFORMED" });
}
