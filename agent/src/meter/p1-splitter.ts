/** Cuts a P1 byte stream into telegrams, `/XXX … !CRC CR LF`, in bounded memory. */

import type { Rejection } from "../driver.ts";
import { p1LineBytesMax, p1TelegramBytesMax } from "../limits.ts";

/**
 * @property bytes the telegram as it came off the line, its last line end included where it has one.
 * @property endOffset where the `!` stands.
 * @property checksum the text after `!`: up to four hexadecimal digits, "" where there is none.
 */
export type P1Telegram = {
  readonly bytes: Uint8Array;
  readonly endOffset: number;
  readonly checksum: string;
};

export type P1Split = {
  readonly telegrams: P1Telegram[];
  readonly rejections: Rejection[];
  discardedBytes: number;
};

const slash = 0x2f;
const exclamationMark = 0x21;
const lineFeed = 0x0a;
/** `/` and the three letters of the maker: with less, a slash is noise. */
const startLength = 4;

/**
 * A telegram starts at `/` and three letters, wherever they stand: a slash cannot occur in a value
 * (IEC 62056-21 §6.5), so it ends what was cut off before it. It ends with the line that `!` opens.
 * A `!` elsewhere is no end: one flipped bit makes it out of `)`.
 */
export class P1Splitter {
  readonly #held = new Uint8Array(p1TelegramBytesMax);
  #length = 0;
  #lineStart = 0;

  /** Bytes held of a telegram that is not complete; at most {@link p1TelegramBytesMax}. */
  get heldBytes(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): P1Split {
    const split: P1Split = { telegrams: [], rejections: [], discardedBytes: 0 };
    for (const byte of chunk) {
      if (this.#length < startLength) this.#seekStart(byte, split);
      else this.#append(byte, split);
    }
    return split;
  }

  /** The line has ended: the last telegram may lack its line end. */
  end(): P1Split {
    const split: P1Split = { telegrams: [], rejections: [], discardedBytes: 0 };
    if (this.#length < startLength) split.discardedBytes = this.#length;
    else if (this.#isEndLine()) this.#closeTelegram(split);
    else split.rejections.push({ code: "P1_TRUNCATED", bytes: this.#length });
    this.#reset();
    return split;
  }

  #seekStart(byte: number, split: P1Split): void {
    if (byte === slash) {
      split.discardedBytes += this.#length;
      this.#held[0] = byte;
      this.#length = 1;
    } else if (this.#length > 0 && isLetter(byte)) {
      this.#held[this.#length++] = byte;
    } else {
      split.discardedBytes += this.#length + 1;
      this.#length = 0;
    }
  }

  #append(byte: number, split: P1Split): void {
    this.#held[this.#length++] = byte;
    const start = this.#length - startLength;
    if (start >= startLength && isStart(this.#held, start)) {
      const restart = this.#held.slice(start, this.#length);
      this.#length = start;
      // A whole checksum proves that only the line end is missing; a bare `!` proves nothing.
      if (this.#isEndLine() && start > this.#lineStart + 1) this.#closeTelegram(split);
      else this.#reject("P1_TRUNCATED", split);
      this.#held.set(restart);
      this.#length = startLength;
    } else if (byte === lineFeed) {
      if (this.#isEndLine()) this.#closeTelegram(split);
      this.#lineStart = this.#length;
    } else if (this.#length - this.#lineStart >= p1LineBytesMax) {
      this.#reject("P1_LINE_TOO_LONG", split);
    }
    if (this.#length >= p1TelegramBytesMax) this.#reject("P1_TOO_LONG", split);
  }

  #isEndLine(): boolean {
    return this.#lineStart > 0 && this.#held[this.#lineStart] === exclamationMark;
  }

  #closeTelegram(split: P1Split): void {
    const bytes = this.#held.slice(0, this.#length);
    const tail = String.fromCharCode(...bytes.subarray(this.#lineStart + 1));
    const match = /^([0-9A-Fa-f]{0,4})\r?\n?$/.exec(tail);
    if (match === null) split.rejections.push({ code: "P1_BAD_END", bytes: bytes.length });
    else split.telegrams.push({ bytes, endOffset: this.#lineStart, checksum: match[1] ?? "" });
    this.#reset();
  }

  #reject(code: string, split: P1Split): void {
    split.rejections.push({ code, bytes: this.#length });
    this.#reset();
  }

  #reset(): void {
    this.#length = 0;
    this.#lineStart = 0;
  }
}

function isStart(held: Uint8Array, offset: number): boolean {
  if (held[offset] !== slash) return false;
  for (let i = 1; i < startLength; i++) if (!isLetter(held[offset + i] ?? 0)) return false;
  return true;
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}
