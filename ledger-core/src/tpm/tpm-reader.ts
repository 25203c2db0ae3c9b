/** Reads TPM 2.0 structures (TCG TPM 2.0 Library, Part 2): big-endian integers and sized buffers. */

const nothing = new Uint8Array(0);

/**
 * Every getter gives a harmless default once something was wrong, and `finish` tells: so a parser reads
 * like the structure that it implements. Buffers are views.
 */
export class TpmReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get offset(): number {
    return this.#offset;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Marks the whole input as malformed. */
  refuse(): void {
    this.#failed = true;
  }

  u8(): number {
    const at = this.#take(1);
    return at === undefined ? 0 : this.#view.getUint8(at);
  }

  u16(): number {
    const at = this.#take(2);
    return at === undefined ? 0 : this.#view.getUint16(at);
  }

  u32(): number {
    const at = this.#take(4);
    return at === undefined ? 0 : this.#view.getUint32(at);
  }

  u64(): bigint {
    const at = this.#take(8);
    return at === undefined ? 0n : this.#view.getBigUint64(at);
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at === undefined ? nothing : this.#bytes.subarray(at, at + length);
  }

  /** A TPM2B_…: two bytes of length, then at most `lengthMax` bytes. */
  sized(lengthMax: number): Uint8Array {
    const length = this.u16();
    if (length > lengthMax) this.refuse();
    return this.bytes(length);
  }

  /** What is left. */
  rest(): Uint8Array {
    return this.bytes(this.#failed ? 0 : this.#bytes.length - this.#offset);
  }

  /** True when all was well formed and read to its end. */
  finish(): boolean {
    return !this.#failed && this.#offset === this.#bytes.length;
  }

  #take(length: number): number | undefined {
    const at = this.#offset;
    if (this.#failed || at + length > this.#bytes.length) {
      this.#failed = true;
      return undefined;
    }
    this.#offset = at + length;
    return at;
  }
}
