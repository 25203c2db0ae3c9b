/**
 * The boot event log (TCG PC Client Platform Firmware Profile, §10: crypto agile log), and the PCR values
 * that it replays to. Little-endian, unlike everything that the TPM itself says.
 */

import { concat } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { tpmAlgorithms, tpmDigestLengths } from "./tpm-numbers.ts";

/** Of a firmware that logs every module, with room; the file is a few dozen kilobytes as a rule. */
export const eventLogBytesMax = 1_048_576;
export const eventLogEventsMax = 8_192;
const banksMax = 8;
const pcrCount = 24;

export type BootEvent = {
  readonly pcr: number;
  /** TCG_EVENTTYPE (§10.4.1). */
  readonly type: number;
  /** By hash algorithm. */
  readonly digests: ReadonlyMap<number, Uint8Array>;
  readonly content: Uint8Array;
};

export type EventLogFault =
  | { readonly code: "EVENT_LOG_TOO_LONG"; readonly limit: number }
  /** `offset` is where the event begins that cannot be read. */
  | { readonly code: "EVENT_LOG_MALFORMED"; readonly offset: number }
  /** A log of TPM 1.2 times, with SHA-1 digests alone. */
  | { readonly code: "EVENT_LOG_SHA1_ONLY" };

/** EV_NO_ACTION: informs, and is not extended. */
const noAction = 3;
const specification = "Spec ID Event03\0";
const locality = "StartupLocality\0";

/** @param bytes a whole log as the kernel shows it (`binary_bios_measurements`). */
export function parseEventLog(bytes: Uint8Array): Result<readonly BootEvent[], EventLogFault> {
  if (bytes.length > eventLogBytesMax)
    return err({ code: "EVENT_LOG_TOO_LONG", limit: eventLogBytesMax });
  const reader = new LittleReader(bytes);
  const lengths = readSpecification(reader);
  if (lengths === undefined)
    return err(
      reader.failed ? { code: "EVENT_LOG_MALFORMED", offset: 0 } : { code: "EVENT_LOG_SHA1_ONLY" },
    );
  const events: BootEvent[] = [];
  while (reader.offset < bytes.length) {
    const { offset } = reader;
    const event = readEvent(reader, lengths);
    if (event === undefined) return err({ code: "EVENT_LOG_MALFORMED", offset });
    if (events.length === eventLogEventsMax)
      return err({ code: "EVENT_LOG_TOO_LONG", limit: eventLogEventsMax });
    events.push(event);
  }
  return ok(events);
}

/**
 * Values of PCR 0 to 23 of a bank after these events, from the reset on (Part 1, §17.3).
 *
 * @param hash of the bank: `digest` computes it.
 */
export function replayEventLog(
  events: readonly BootEvent[],
  { hash, digest }: { readonly hash: number; readonly digest: (bytes: Uint8Array) => Uint8Array },
): readonly Uint8Array[] {
  const length = tpmDigestLengths.get(hash) ?? 0;
  const values = Array.from({ length: pcrCount }, (_, pcr): Uint8Array => {
    // PCR 17 to 22 start as ones and become zeros by a dynamic launch, which a firmware log has none of.
    const value = new Uint8Array(length);
    return pcr >= 17 && pcr <= 22 ? value.fill(0xff) : value;
  });
  for (const { pcr, type, digests, content } of events) {
    const value = values[pcr];
    const extended = digests.get(hash);
    if (value === undefined) continue;
    if (type === noAction) {
      const [at] = pcr === 0 && startsWith(content, locality) ? [content[locality.length]] : [];
      if (at !== undefined) value[length - 1] = at;
      continue;
    }
    if (extended !== undefined) values[pcr] = digest(concat(value, extended));
  }
  return values;
}

/** @returns the digest lengths of the log's banks; undefined for a log without them. */
function readSpecification(reader: LittleReader): ReadonlyMap<number, number> | undefined {
  // The first event alone has the old form: PCR, type, one SHA-1 digest.
  reader.u32();
  const type = reader.u32();
  reader.bytes(20);
  const content = reader.bytes(reader.u32());
  if (reader.failed || type !== noAction || !startsWith(content, specification)) return undefined;
  const inner = new LittleReader(content);
  inner.bytes(specification.length + 8);
  const count = inner.u32();
  const lengths = new Map<number, number>();
  if (count > banksMax) reader.refuse();
  for (let bank = 0; bank < count && bank < banksMax; bank++) lengths.set(inner.u16(), inner.u16());
  for (const [hash, length] of lengths)
    if ((tpmDigestLengths.get(hash) ?? length) !== length || length > 64) reader.refuse();
  if (inner.failed) reader.refuse();
  if (reader.failed) return undefined;
  return [...lengths.keys()].every((hash) => hash === tpmAlgorithms.sha1) ? undefined : lengths;
}

function readEvent(
  reader: LittleReader,
  lengths: ReadonlyMap<number, number>,
): BootEvent | undefined {
  const pcr = reader.u32();
  const type = reader.u32();
  const count = reader.u32();
  if (count > banksMax) reader.refuse();
  const digests = new Map<number, Uint8Array>();
  for (let at = 0; at < count && !reader.failed; at++) {
    const hash = reader.u16();
    const length = lengths.get(hash);
    if (length === undefined || digests.has(hash)) reader.refuse();
    else digests.set(hash, reader.bytes(length));
  }
  const content = reader.bytes(reader.u32());
  return reader.failed ? undefined : { pcr, type, digests, content };
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}

const nothing = new Uint8Array(0);

/** Gives harmless defaults once something was wrong; `failed` tells. */
class LittleReader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  offset = 0;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  refuse(): void {
    this.failed = true;
  }

  u16(): number {
    const at = this.#take(2);
    return at === undefined ? 0 : this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.#take(4);
    return at === undefined ? 0 : this.#view.getUint32(at, true);
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return at === undefined ? nothing : this.#bytes.subarray(at, at + length);
  }

  #take(length: number): number | undefined {
    const at = this.offset;
    if (this.failed || at + length > this.#bytes.length) {
      this.failed = true;
      return undefined;
    }
    this.offset = at + length;
    return at;
  }
}
