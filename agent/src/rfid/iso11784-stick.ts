/**
 * Driver of ear-tag readers, sticks and panels, that write one ASCII line for each transponder.
 *
 * | line | source |
 * |---|---|
 * | `LA 982 000001088420` | Allflex RS320, RS250 and AFX-100 manuals, default format |
 * | `LA 00000 0 982 000001088420` | the same, "TIRIS S2000" format: reserved field, data block bit |
 * | `LR 0006 0000000018514348` | the same, HDX industrial transponder: no animal's |
 * | `982 000001088420`, `982000001088420` | ISO 24631-6: country or manufacturer, national id |
 * | `0982000001088420` | the same with the country in four digits, as ten bits need |
 *
 * A line may begin with STX (ISO 24631-6 §4.3) and ends with CR LF, LF or CR. It has no checksum.
 * Rejections: ISO11784_BAD_LINE (a start and no such line), ISO11784_OUT_OF_RANGE. Lines with no
 * such start (menus, battery states) are discarded bytes.
 */

import type { Result } from "@tamga/ledger-core/base/result";
import { err } from "@tamga/ledger-core/base/result";
import type { DecodedFrame, Driver, DriverOutput, Rejection, Tag } from "../driver.ts";
import { stickLineBytesMax } from "../limits.ts";
import { animalTag, industrialTag } from "./iso11784.ts";

export class Iso11784StickDriver implements Driver {
  readonly protocol = "iso11784-stick";
  readonly #held = new Uint8Array(stickLineBytesMax);
  #length = 0;
  /** A line that was too long is dropped up to its end. */
  #skipping = false;
  /** The last held byte is a CR: a LF may belong to it. */
  #afterReturn = false;
  /** Lines in a row that ended with CR alone; one may be a line that was cut off there. */
  #bareReturns = 0;

  /** Bytes held of an unfinished line; bounded by `stickLineBytesMax`. */
  get heldBytes(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): DriverOutput {
    const output = new Output();
    for (const byte of chunk) this.#take(byte, output);
    return output.done();
  }

  end(): DriverOutput {
    const output = new Output();
    this.#closeLine(output);
    this.#bareReturns = 0;
    return output.done();
  }

  #take(byte: number, output: Output): void {
    if (this.#afterReturn && byte !== lineFeed) {
      this.#bareReturns++;
      this.#closeLine(output);
    }
    // A line that was cut off is overtaken by the next start; neither stands within a line.
    if (byte === startOfText || byte === letterL) this.#closeLine(output);
    if (this.#length === stickLineBytesMax) {
      output.discardedBytes += this.#length;
      this.#length = 0;
      this.#skipping = true;
    }
    this.#held[this.#length++] = byte;
    // A reader that ends its lines with CR alone is not waited for, once it is known.
    const returnEnds = this.#bareReturns >= bareReturnsKnown;
    this.#afterReturn = byte === carriageReturn && !returnEnds;
    if (byte === lineFeed) this.#bareReturns = 0;
    if (byte === lineFeed || (byte === carriageReturn && returnEnds)) this.#closeLine(output);
  }

  #closeLine(output: Output): void {
    const bytes = this.#held.slice(0, this.#length);
    const skipped = this.#skipping;
    this.#length = 0;
    this.#skipping = false;
    this.#afterReturn = false;
    if (bytes.length === 0) return;
    const line = skipped ? "" : textOf(bytes);
    const tag = parseStickLine(line);
    if (tag === undefined) output.discardedBytes += bytes.length;
    else if (tag.ok) output.frames.push(this.#frame(bytes, tag.value));
    else output.rejections.push({ code: tag.fault.code, bytes: bytes.length });
  }

  #frame(frame: Uint8Array, tag: Tag): DecodedFrame {
    return {
      protocol: this.protocol,
      source: { id: "", maker: "" },
      captureTime: null,
      frame,
      frameStatus: { checksum: "absent", decrypted: false, authenticated: false },
      registers: [],
      tags: [tag],
    };
  }
}

type StickFault = { readonly code: "ISO11784_BAD_LINE" | "ISO11784_OUT_OF_RANGE" };

/** @returns undefined for a line that does not even look like a transponder's. */
function parseStickLine(line: string): Result<Tag, StickFault> | undefined {
  const animal = /^(?:LA (?:(\d{5}) (\d) )?)?(\d{3,4})[ ]?(\d{12})$/.exec(line);
  if (animal !== null) {
    const [, reserved = "0", dataBlock = "0", country = "", nationalId = ""] = animal;
    return animalTag({
      reserved: Number(reserved),
      dataBlock: Number(dataBlock),
      country: Number(country),
      nationalId: BigInt(nationalId),
    });
  }
  const industrial = /^LR (\d{4}) (\d{16})$/.exec(line);
  if (industrial !== null) return industrialTag(industrial[1] ?? "", industrial[2] ?? "");
  return /^L[AR] /.test(line) ? err({ code: "ISO11784_BAD_LINE" }) : undefined;
}

/** The line without its STX and line end; bytes that are no ASCII never match. */
function textOf(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes.subarray(bytes[0] === startOfText ? 1 : 0));
  return text.replace(/\r?\n?$/, "");
}

class Output {
  readonly frames: DecodedFrame[] = [];
  readonly rejections: Rejection[] = [];
  discardedBytes = 0;

  done(): DriverOutput {
    return {
      frames: this.frames,
      rejections: this.rejections,
      discardedBytes: this.discardedBytes,
    };
  }
}

const bareReturnsKnown = 2;
const startOfText = 0x02;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const letterL = 0x4c;
