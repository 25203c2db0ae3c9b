/**
 * Reads deterministic CBOR (RFC 8949 §4.2.1) in one walk: what it accepts has one form only, so that a
 * decoder need not encode again to compare.
 */

import { Tagged } from "cborg";
import { fromUtf8 } from "./bytes.ts";
import type { CborFault, CborKey, CborValue } from "./cbor.ts";
import type { Result } from "./result.ts";
import { err, ok } from "./result.ts";

/** Nesting that any of our formats reaches, with room to spare. */
export const cborDepthMax = 16;

/** One for each item that is decoded. */
export class CborReader {
  readonly #bytes: Uint8Array;
  readonly #views: boolean;
  #offset = 0;
  #depth = 0;
  #fault: CborFault | undefined;

  /** @param views long byte strings are views of `bytes`: what is read lives no longer than these. */
  constructor(bytes: Uint8Array, views = false) {
    this.#views = views;
    // A `Buffer` would give slices that are views.
    const { buffer, byteOffset, length } = bytes;
    this.#bytes = new Uint8Array(buffer, byteOffset, length);
  }

  /** The one item that fills the bytes. Faults: CBOR_TOO_DEEP, CBOR_MALFORMED, CBOR_NOT_DETERMINISTIC. */
  read(): Result<CborValue, CborFault> {
    const value = this.#item();
    if (this.#fault === undefined && this.#offset !== this.#bytes.length) this.#fail(malformed);
    return this.#fault === undefined ? ok(value) : err(this.#fault);
  }

  #item(): CborValue {
    const head = this.#bytes[this.#offset++];
    if (head === undefined) return this.#fail(malformed);
    const major = head >> 5;
    const short = head & 31;
    // Of the simple values only false, true and null: a float 1.0 would pass for the integer 1.
    if (major === 7) return this.#simple(short);
    if (short > 27) return this.#fail(malformed);
    const argument = short < 24 ? short : this.#argument(short - 24);
    if (this.#fault !== undefined) return null;
    switch (major) {
      case 0:
        return argument <= Number.MAX_SAFE_INTEGER ? argument : this.#wide();
      case 1:
        return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : -1n - this.#wide();
      case 2:
        return this.#byteString(argument);
      case 3:
        return this.#text(argument);
      case 4:
        return this.#list(argument);
      case 5:
        return this.#map(argument);
      default:
        return this.#tagged(argument);
    }
  }

  #simple(short: number): CborValue {
    if (short === 20) return false;
    if (short === 21) return true;
    return short === 22 ? null : this.#fail(malformed);
  }

  /** In its shortest form; above 2^53 it is rounded, and read again by {@link #wide} where it counts. */
  #argument(kind: number): number {
    const size = 1 << kind;
    if (this.#offset + size > this.#bytes.length) {
      this.#fail(malformed);
      return 0;
    }
    let argument = 0;
    for (let i = 0; i < size; i++) argument = argument * 256 + (this.#bytes[this.#offset + i] ?? 0);
    this.#offset += size;
    if (argument < (leastArguments[kind] ?? 0)) this.#fail(malformed);
    return argument;
  }

  /** The argument of eight bytes that was read last. */
  #wide(): bigint {
    const { buffer, byteOffset } = this.#bytes;
    return new DataView(buffer, byteOffset).getBigUint64(this.#offset - 8);
  }

  /** A copy, so that a short value does not hold on to a long message, unless that was allowed. */
  #byteString(length: number): CborValue {
    const start = this.#offset;
    if (start + length > this.#bytes.length) return this.#fail(malformed);
    this.#offset = start + length;
    return this.#views && length > copiedMax
      ? this.#bytes.subarray(start, this.#offset)
      : this.#bytes.slice(start, this.#offset);
  }

  #text(length: number): CborValue {
    const bytes = this.#bytes;
    const start = this.#offset;
    const end = start + length;
    if (end > bytes.length) return this.#fail(malformed);
    this.#offset = end;
    // A decoder would swallow the byte order mark, and two forms would be one text.
    if (
      length >= 3 &&
      bytes[start] === 0xef &&
      bytes[start + 1] === 0xbb &&
      bytes[start + 2] === 0xbf
    )
      return this.#fail(malformed);
    if (length > plainTextMax) return fromUtf8(bytes.subarray(start, end)) ?? this.#fail(malformed);
    let text = "";
    for (let i = start; i < end; i++) {
      const byte = bytes[i] ?? 0;
      if (byte >= 0x80) return fromUtf8(bytes.subarray(start, end)) ?? this.#fail(malformed);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #list(count: number): CborValue {
    const items: CborValue[] = [];
    this.#enter(count);
    for (let i = 0; i < count && this.#fault === undefined; i++) items.push(this.#item());
    this.#depth--;
    return items;
  }

  #map(count: number): CborValue {
    const map = new Map<CborKey, CborValue>();
    let last: Span = { from: 0, to: 0 };
    this.#enter(count);
    for (let i = 0; i < count && this.#fault === undefined; i++) {
      const from = this.#offset;
      const major = (this.#bytes[from] ?? 0) >> 5;
      // A key. Ours are integers and texts: a container as a key is nobody's.
      if (from < this.#bytes.length && major !== 0 && major !== 1 && major !== 3)
        return this.#fail(malformed);
      const key = this.#item();
      if (this.#fault !== undefined) break;
      const next = { from, to: this.#offset };
      const order = this.#order(last, next);
      if (order >= 0)
        return this.#fail(order === 0 ? malformed : { code: "CBOR_NOT_DETERMINISTIC" });
      last = next;
      const value = this.#item();
      // An integer beyond 2^53 is no key of ours.
      if (typeof key !== "number" && typeof key !== "string") return this.#fail(malformed);
      map.set(key, value);
    }
    this.#depth--;
    return map;
  }

  #tagged(tag: number): CborValue {
    this.#enter(1);
    const value = this.#fault === undefined ? this.#item() : null;
    this.#depth--;
    return tag === coseSign1Tag ? new Tagged(tag, value) : this.#fail(malformed);
  }

  #enter(children: number): void {
    if (children > 0 && this.#depth === cborDepthMax)
      this.#fail({ code: "CBOR_TOO_DEEP", limit: cborDepthMax });
    this.#depth++;
  }

  /** Bytewise order of the last key and the next: positive where they stand the wrong way round. */
  #order(last: Span, next: Span): number {
    const length = last.to - last.from;
    if (length === 0) return -1;
    const shorter = Math.min(length, next.to - next.from);
    for (let i = 0; i < shorter; i++) {
      const difference = (this.#bytes[last.from + i] ?? 0) - (this.#bytes[next.from + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return length - (next.to - next.from);
  }

  /** The first fault counts. @returns a value that nobody will see. */
  #fail(fault: CborFault): null {
    this.#fault ??= fault;
    return null;
  }
}

type Span = { readonly from: number; readonly to: number };

const malformed: CborFault = { code: "CBOR_MALFORMED" };
const coseSign1Tag = 18;
/** Up to here a copy is kept in the heap and costs less than a view. */
const copiedMax = 64;
/** Up to here a text is put together character by character, which costs less than a decoder's call. */
const plainTextMax = 64;
/** The least argument that needs a head of one, two, four and eight further bytes (RFC 8949 §4.2.1). */
const leastArguments = [24, 256, 65_536, 4_294_967_296];
