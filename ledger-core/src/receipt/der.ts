/**
 * Reads DER (ITU-T X.690 §10) strictly: definite, shortest lengths and one form of each value. Nested
 * values are opened by the caller's code alone, so no input decides how deep it goes.
 */

import { fromUtf8 } from "../base/bytes.ts";

/** Universal tags that certificates use, with the constructed bit where it belongs. */
export const derTags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One value: `whole` with its head, `content` without. Both are views. */
export type DerElement = {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
};

const nothing = new Uint8Array(0);

/**
 * Every getter gives a harmless default once something was wrong, and `finish` tells: so a parser reads
 * like the ASN.1 that it implements. After a fault `more` is false, which ends every loop.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #root: { failed: boolean };
  #offset = 0;

  constructor(bytes: Uint8Array, root: { failed: boolean } = { failed: false }) {
    this.#bytes = bytes;
    this.#root = root;
  }

  /** Whether a further value stands here. */
  get more(): boolean {
    return !this.#root.failed && this.#offset < this.#bytes.length;
  }

  /** Marks the whole input as malformed. */
  refuse(): void {
    this.#root.failed = true;
  }

  /** Faults on bytes that nobody read; for nested readers. */
  close(): void {
    if (this.#offset !== this.#bytes.length) this.refuse();
  }

  /** True when all was well formed and read to its end. */
  finish(): boolean {
    this.close();
    return !this.#root.failed;
  }

  /** The next value, whatever its tag. */
  any(): DerElement {
    const start = this.#offset;
    const tag = this.#bytes[start];
    const length = this.#lengthAt(start + 1);
    // Tag numbers over 30 take more bytes; no certificate has one.
    if (tag === undefined || (tag & 0x1f) === 0x1f || length === undefined) return this.#bad();
    const end = length.end + length.value;
    if (this.#root.failed || end > this.#bytes.length) return this.#bad();
    this.#offset = end;
    const content = this.#bytes.subarray(length.end, end);
    return { tag, content, whole: this.#bytes.subarray(start, end) };
  }

  /** The next value, which must have this tag. */
  take(tag: number): DerElement {
    return this.#bytes[this.#offset] === tag ? this.any() : this.#bad();
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.more && this.#bytes[this.#offset] === tag ? this.any() : undefined;
  }

  /** A reader of the next value's content; the caller closes it. */
  nested(tag: number): DerReader {
    return new DerReader(this.take(tag).content, this.#root);
  }

  /** A reader of other bytes that faults together with this one, e.g. an OCTET STRING's content. */
  within(bytes: Uint8Array): DerReader {
    return new DerReader(bytes, this.#root);
  }

  /** The bytes of a non-negative INTEGER, without the sign byte. */
  unsigned(): Uint8Array {
    const { content } = this.take(derTags.integer);
    const [first, second] = content;
    if (first === undefined || first > 0x7f) return this.#bad().content;
    if (first !== 0 || second === undefined) return content;
    return second > 0x7f ? content.subarray(1) : this.#bad().content;
  }

  /** An INTEGER in 0 … 127. */
  small(): number {
    const content = this.unsigned();
    if (content.length !== 1) this.refuse();
    return content[0] ?? 0;
  }

  /** `BOOLEAN DEFAULT FALSE`: DER leaves the default out, so only true may stand here. */
  flag(): boolean {
    const element = this.optional(derTags.boolean);
    if (element === undefined) return false;
    if (element.content.length !== 1 || element.content[0] !== 0xff) this.refuse();
    return true;
  }

  /** An OBJECT IDENTIFIER in dotted form. */
  oid(): string {
    return this.#dotted(this.take(derTags.oid).content);
  }

  /** A BIT STRING that is whole bytes. */
  bytesOfBits(): Uint8Array {
    const { content } = this.take(derTags.bitString);
    return content[0] === 0 ? content.subarray(1) : this.#bad().content;
  }

  /** A BIT STRING of named bits (X.690 §11.2.2): those that are set, trailing zeroes left out. */
  namedBits(): readonly number[] {
    const { content } = this.take(derTags.bitString);
    const unused = content[0];
    const last = content.at(-1) ?? 0;
    if (unused === undefined || unused > 7 || (content.length === 1 && unused !== 0)) this.refuse();
    else if (content.length > 1 && (last & ((2 << unused) - 1)) !== 1 << unused) this.refuse();
    const set: number[] = [];
    for (let bit = 0; bit < 8 * (content.length - 1); bit++)
      if (((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0) set.push(bit);
    return set;
  }

  /** Text of the three string types that names are written in. */
  text(element: DerElement): string {
    const { tag, content } = element;
    const known =
      tag === derTags.utf8String || tag === derTags.printableString || tag === derTags.ia5String;
    const text = known ? fromUtf8(content) : undefined;
    const ascii = tag === derTags.utf8String || content.every((byte) => byte < 0x80);
    if (text === undefined || !ascii) this.refuse();
    return text ?? "";
  }

  #dotted(content: Uint8Array): string {
    const arcs: number[] = [];
    let arc = 0;
    let fresh = true;
    for (const byte of content) {
      if (fresh && byte === 0x80) this.refuse();
      arc = arc * 128 + (byte & 0x7f);
      if (arc > 0xffff_ffff) this.refuse();
      fresh = byte < 0x80;
      if (!fresh) continue;
      if (arcs.length === 0) {
        const root = Math.min(2, Math.floor(arc / 40));
        arcs.push(root, arc - 40 * root);
      } else {
        arcs.push(arc);
      }
      arc = 0;
    }
    if (arcs.length === 0 || !fresh) this.refuse();
    return arcs.join(".");
  }

  #lengthAt(offset: number): { readonly value: number; readonly end: number } | undefined {
    const first = this.#bytes[offset];
    if (first === undefined) return undefined;
    if (first < 0x80) return { value: first, end: offset + 1 };
    const size = first & 0x7f;
    if (size < 1 || size > 3) return undefined;
    let value = 0;
    for (let i = 1; i <= size; i++) value = value * 256 + (this.#bytes[offset + i] ?? 0);
    const minimal = value >= 0x80 && value >= 2 ** (8 * (size - 1));
    return minimal ? { value, end: offset + 1 + size } : undefined;
  }

  #bad(): DerElement {
    this.refuse();
    return { tag: 0, content: nothing, whole: nothing };
  }
}
