/** Follows the fixed headers of an MQTT byte stream (MQTT 3.1.1 §2.2) to refuse packets that are too long. */

export class PacketLength {
  readonly #bytesMax: number;
  /** Bytes of the present packet that have not come by yet. */
  #left = 0;
  #length = 0;
  /** Factor of the length's next digit; 0 before a packet's first byte. */
  #factor = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @returns false once a packet declares more than the limit, or a length of five digits. */
  push(chunk: Uint8Array): boolean {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - offset);
        this.#left -= taken;
        offset += taken;
        continue;
      }
      const byte = chunk[offset++] ?? 0;
      if (this.#factor === 0) {
        this.#factor = 1;
        this.#length = 0;
        continue;
      }
      this.#length += (byte & 0x7f) * this.#factor;
      this.#factor *= 128;
      if ((byte & 0x80) !== 0) {
        if (this.#factor > 128 ** 3) return false;
        continue;
      }
      if (this.#length > this.#bytesMax) return false;
      this.#left = this.#length;
      this.#factor = 0;
    }
    return true;
  }
}
