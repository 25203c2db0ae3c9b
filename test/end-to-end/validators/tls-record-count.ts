/** Finds the records in one direction of a TLS connection by their headers, which are never encrypted. */

/** RFC 8446 §5.1: type, legacy version, length. */
const headerBytes = 5;
/** Of records that carry data, and of those that end a handshake. */
const applicationData = 23;

export class TlsRecordCount {
  #header = new Uint8Array(headerBytes);
  #headerFilled = 0;
  #bodyLeft = 0;

  /** @returns the bytes of each application data record whose header ends in this chunk, with its header. */
  take(chunk: Uint8Array): readonly number[] {
    const sizes: number[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) {
        const step = Math.min(this.#bodyLeft, chunk.length - at);
        this.#bodyLeft -= step;
        at += step;
        continue;
      }
      this.#header[this.#headerFilled++] = chunk[at++] ?? 0;
      if (this.#headerFilled < headerBytes) continue;
      this.#headerFilled = 0;
      const [type = 0, , , high = 0, low = 0] = this.#header;
      this.#bodyLeft = high * 256 + low;
      if (type === applicationData) sizes.push(headerBytes + this.#bodyLeft);
    }
    return sizes;
  }
}
