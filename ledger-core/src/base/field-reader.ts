/** Reads the fields of a decoded CBOR map or array by number, keeping the first fault. */

import { mint } from "./brand.ts";
import type { Digest } from "./bytes.ts";
import type { CborMap, CborValue } from "./cbor.ts";
import type { Identifier } from "./identifier.ts";
import { parseIdentifier } from "./identifier.ts";
import type { Result } from "./result.ts";
import { err, ok } from "./result.ts";
import type { UnixMillis } from "./time.ts";
import { unixMillis } from "./time.ts";

/** `field` is the path of keys, e.g. `4.2.1`. */
export type FieldFault = {
  readonly code: "FIELD_MISSING" | "FIELD_BAD" | "FIELD_UNKNOWN" | "FIELD_TOO_LONG";
  readonly field: string;
};

/** Bytes of a text, where nothing else is said. */
export const textBytesMax = 1_024;

const u64Max = 2n ** 64n - 1n;

/**
 * Every getter returns a harmless default once something was wrong; `finish` tells. So a parser reads
 * like the CDDL that it implements, and nothing unread passes: an unknown key is a fault.
 */
export class FieldReader {
  readonly #map: CborMap | undefined;
  readonly #items: readonly CborValue[];
  readonly #path: string;
  readonly #root: { fault: FieldFault | undefined };
  /** The keys that were asked for: those below 31 as bits, since most formats have no others. */
  #readBits = 0;
  #readMore: Set<number> | undefined;

  constructor(value: CborValue | undefined, path = "", root?: { fault: FieldFault | undefined }) {
    this.#path = path;
    this.#root = root ?? { fault: undefined };
    this.#map = isMap(value) ? value : undefined;
    this.#items = Array.isArray(value) ? value : [];
    if (this.#map === undefined && !Array.isArray(value)) this.#fail("FIELD_BAD", "");
  }

  /** What was wrong so far. */
  get fault(): FieldFault | undefined {
    return this.#root.fault;
  }

  /** The value, unless anything was missing, malformed, too long or unknown. */
  finish<T>(value: T): Result<T, FieldFault> {
    this.close();
    return this.#root.fault === undefined ? ok(value) : err(this.#root.fault);
  }

  /** Faults on every key that no getter asked for; for nested readers. */
  close(): void {
    if (this.#map === undefined) {
      for (let at = 0; at < this.#items.length; at++)
        if (!this.#isRead(at)) this.#fail("FIELD_UNKNOWN", String(at));
      return;
    }
    for (const key of this.#map.keys()) {
      // A textual key keeps quotes so that 1 and "1" differ; no getter asks for one.
      if (typeof key !== "number") this.#fail("FIELD_UNKNOWN", `"${key}"`);
      else if (!this.#isRead(key)) this.#fail("FIELD_UNKNOWN", String(key));
    }
  }

  has(key: number): boolean {
    return this.#value(key) !== undefined;
  }

  /** Whether a field is there and not null; a null is thereby read. */
  given(key: number): boolean {
    const value = this.#value(key);
    if (value === null) this.#markRead(key);
    return value !== undefined && value !== null;
  }

  uint(key: number, max: number): number {
    const value = this.#take(key);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max)
      return value;
    return this.#bad(key, 0);
  }

  int(key: number, min: number, max: number): number {
    const value = this.#take(key);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max)
      return value;
    return this.#bad(key, 0);
  }

  /** An unsigned counter of 64 bits. */
  counter(key: number): bigint {
    const value = this.#take(key);
    const wide = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    if (typeof wide === "bigint" && wide >= 0n && wide <= u64Max) return wide;
    return this.#bad(key, 0n);
  }

  /** A signed integer of 64 bits. */
  signed(key: number): bigint {
    const value = this.#take(key);
    const wide = typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : value;
    if (typeof wide === "bigint" && BigInt.asIntN(64, wide) === wide) return wide;
    return this.#bad(key, 0n);
  }

  time(key: number): UnixMillis {
    return unixMillis(this.uint(key, Number.MAX_SAFE_INTEGER));
  }

  boolean(key: number): boolean {
    const value = this.#take(key);
    return typeof value === "boolean" ? value : this.#bad(key, false);
  }

  text(key: number, max = textBytesMax): string {
    const value = this.#take(key);
    if (typeof value !== "string") return this.#bad(key, "");
    if (value.length > max) this.#fail("FIELD_TOO_LONG", String(key));
    return value;
  }

  identifier(key: number): Identifier {
    const parsed = parseIdentifier(this.text(key));
    return parsed.ok ? parsed.value : this.#bad(key, mint<Identifier>("_"));
  }

  /** Bytes of any length up to `max`. */
  bytes(key: number, max: number): Uint8Array {
    const value = this.#take(key);
    if (!(value instanceof Uint8Array)) return this.#bad(key, new Uint8Array());
    if (value.length > max) this.#fail("FIELD_TOO_LONG", String(key));
    return value;
  }

  /** Bytes of exactly this length. */
  fixed(key: number, length: number): Uint8Array {
    const value = this.bytes(key, length);
    return value.length === length ? value : this.#bad(key, new Uint8Array(length));
  }

  digest(key: number): Digest {
    return mint<Digest>(this.fixed(key, 32));
  }

  /** A nested map or array; the caller closes it. */
  nested(key: number): FieldReader {
    return new FieldReader(this.#take(key), this.#name(String(key)), this.#root);
  }

  /** A list whose items `parse` reads one by one through a reader of one field, 0. */
  list<T>(key: number, max: number, parse: (item: FieldReader) => T): readonly T[] {
    const value = this.#take(key);
    if (!Array.isArray(value)) return this.#bad(key, []);
    if (value.length > max) {
      this.#fail("FIELD_TOO_LONG", String(key));
      return [];
    }
    const path = this.#name(String(key));
    return value.map((item: CborValue, index) => {
      const holder = new FieldReader([item], `${path}.${index}`, this.#root);
      const parsed = parse(holder);
      holder.close();
      return parsed;
    });
  }

  /** A list of byte strings, as {@link bytes} takes each. */
  byteStrings(key: number, max: number, bytesMax: number): readonly Uint8Array[] {
    const value = this.#value(key);
    const isPlain =
      Array.isArray(value) &&
      value.length <= max &&
      value.every((item) => item instanceof Uint8Array && item.length <= bytesMax);
    // The reader of each item says which one is wrong.
    if (!isPlain) return this.list(key, max, (item) => item.bytes(0, bytesMax));
    this.#markRead(key);
    return value;
  }

  /** A list of digests. */
  digests(key: number, max: number): readonly Digest[] {
    const strings = this.byteStrings(key, max, 32);
    if (strings.every(({ length }) => length === 32)) return strings.map(mint<Digest>);
    return this.list(key, max, (item) => item.digest(0));
  }

  /** The raw value, for a union that the caller tells apart. */
  raw(key: number): CborValue | undefined {
    return this.#take(key);
  }

  /** Marks a field as wrong from outside, e.g. for a rule between two fields. */
  refuse(key: number): void {
    this.#fail("FIELD_BAD", String(key));
  }

  #take(key: number): CborValue | undefined {
    this.#markRead(key);
    const value = this.#value(key);
    if (value === undefined) this.#fail("FIELD_MISSING", String(key));
    return value;
  }

  #value(key: number): CborValue | undefined {
    return this.#map === undefined ? this.#items[key] : this.#map.get(key);
  }

  #markRead(key: number): void {
    if (key >= 0 && key < 31) this.#readBits |= 1 << key;
    else {
      this.#readMore ??= new Set();
      this.#readMore.add(key);
    }
  }

  #isRead(key: number): boolean {
    if (key >= 0 && key < 31) return (this.#readBits & (1 << key)) !== 0;
    return this.#readMore?.has(key) === true;
  }

  #bad<T>(key: number, fallback: T): T {
    this.#fail("FIELD_BAD", String(key));
    return fallback;
  }

  #fail(code: FieldFault["code"], key: string): void {
    this.#root.fault ??= { code, field: this.#name(key) };
  }

  #name(key: string): string {
    return this.#path === "" ? key : key === "" ? this.#path : `${this.#path}.${key}`;
  }
}

function isMap(value: CborValue | undefined): value is CborMap {
  return value instanceof Map;
}
