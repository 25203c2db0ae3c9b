/** Writes deterministic CBOR (RFC 8949 §4.2.1): the length is reckoned first, then the bytes are put once. */

import { Tagged } from "cborg";
import { assert, InvariantError } from "./assert.ts";
import { compare, utf8 } from "./bytes.ts";
import type { CborKey, CborMap, CborValue } from "./cbor.ts";

/** Throws only on values outside `CborValue`. */
export function writeCbor(value: CborValue): Uint8Array {
  const bytes = new Uint8Array(lengthOf(value));
  const end = put(bytes, 0, value);
  assert(end === bytes.length, "an encoding fills its bytes");
  return bytes;
}

function lengthOf(value: CborValue): number {
  if (typeof value === "number" || typeof value === "bigint") return integerLength(value);
  if (typeof value === "string") {
    const length = utf8Length(value);
    return headLength(length) + length;
  }
  if (value instanceof Uint8Array) return headLength(value.length) + value.length;
  if (value === null || typeof value === "boolean") return 1;
  if (value instanceof Tagged) return headLength(value.tag) + lengthOf(value.value);
  if (isList(value)) {
    let length = headLength(value.length);
    for (const item of value) length += lengthOf(item);
    return length;
  }
  let length = headLength(value.size);
  for (const [key, item] of value) length += lengthOf(key) + lengthOf(item);
  return length;
}

/** @returns where it ends. */
function put(bytes: Uint8Array, offset: number, value: CborValue): number {
  if (typeof value === "number" || typeof value === "bigint")
    return putInteger(bytes, offset, value);
  if (typeof value === "string") return putText(bytes, offset, value);
  if (value instanceof Uint8Array) {
    const start = putHead(bytes, offset, 0x40, value.length);
    bytes.set(value, start);
    return start + value.length;
  }
  if (value === null || typeof value === "boolean") {
    bytes[offset] = value === null ? 0xf6 : value ? 0xf5 : 0xf4;
    return offset + 1;
  }
  if (value instanceof Tagged)
    return put(bytes, putHead(bytes, offset, 0xc0, value.tag), value.value);
  if (isList(value)) {
    let at = putHead(bytes, offset, 0x80, value.length);
    for (const item of value) at = put(bytes, at, item);
    return at;
  }
  return putMap(bytes, offset, value);
}

function putMap(bytes: Uint8Array, offset: number, map: CborMap): number {
  let at = putHead(bytes, offset, 0xa0, map.size);
  const entries = isAscending(map) ? map : sorted(map);
  for (const [key, item] of entries) at = put(bytes, put(bytes, at, key), item);
  return at;
}

/** Whether all keys are unsigned and in order, as nearly every map of ours is written down. */
function isAscending(map: CborMap): boolean {
  let last = -1;
  for (const key of map.keys()) {
    if (typeof key !== "number" || key <= last) return false;
    last = key;
  }
  return true;
}

function sorted(map: CborMap): Iterable<readonly [CborKey, CborValue]> {
  const keyed = [...map].map(([key, item]) => ({ key, item, form: writeCbor(key) }));
  return keyed
    .sort((a, b) => compare(a.form, b.form))
    .map(({ key, item }): readonly [CborKey, CborValue] => [key, item]);
}

function putText(bytes: Uint8Array, offset: number, text: string): number {
  const length = utf8Length(text);
  const start = putHead(bytes, offset, 0x60, length);
  if (length === text.length)
    for (let i = 0; i < length; i++) bytes[start + i] = text.charCodeAt(i);
  else bytes.set(utf8(text), start);
  return start + length;
}

function utf8Length(text: string): number {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return utf8(text).length;
  return text.length;
}

function integerLength(value: number | bigint): number {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new InvariantError("a CBOR number is a safe integer");
    return headLength(value < 0 ? -1 - value : value);
  }
  const argument = value < 0n ? -1n - value : value;
  if (argument > u64Max) throw new InvariantError("a CBOR integer has 64 bits");
  return argument > u32Max ? 9 : headLength(Number(argument));
}

function putInteger(bytes: Uint8Array, offset: number, value: number | bigint): number {
  if (typeof value === "number")
    return value < 0
      ? putHead(bytes, offset, 0x20, -1 - value)
      : putHead(bytes, offset, 0x00, value);
  const major = value < 0n ? 0x20 : 0x00;
  const argument = value < 0n ? -1n - value : value;
  if (argument <= u32Max) return putHead(bytes, offset, major, Number(argument));
  bytes[offset] = major | 27;
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(offset + 1, argument);
  return offset + 9;
}

const u32Max = 0xffff_ffffn;
const u64Max = 0xffff_ffff_ffff_ffffn;

function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x1_0000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}

/** @returns where it ends. */
function putHead(bytes: Uint8Array, offset: number, major: number, argument: number): number {
  const length = headLength(argument);
  if (length === 1) {
    bytes[offset] = major | argument;
    return offset + 1;
  }
  bytes[offset] = major | (length === 2 ? 24 : length === 3 ? 25 : length === 5 ? 26 : 27);
  let rest = argument;
  for (let at = offset + length - 1; at > offset; at--) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return offset + length;
}

function isList(value: CborMap | readonly CborValue[]): value is readonly CborValue[] {
  return Array.isArray(value);
}
