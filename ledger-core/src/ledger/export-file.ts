/**
 * The file in which final blocks travel on a USB stick: a CBOR sequence of byte strings, each item followed by
 * a check over all items so far, which says where a file decayed; the last is a digest of all before it. What
 * is in it is believed no more than what a peer says.
 */

import type { Hash } from "node:crypto";
import { createHash } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import { FieldReader } from "../base/field-reader.ts";
import { OperationalError } from "../base/operational-error.ts";
import { messageBytesMax } from "../consensus/limits.ts";
import { fsyncDirectory } from "../daemon/state-dir.ts";

export type ExportItem =
  /** The first item: of which channel, and the height of the first block. */
  | { readonly type: "header"; readonly channel: Digest; readonly from: number }
  /** The channel-open transaction, for a node that has nothing yet. */
  | { readonly type: "opening"; readonly transaction: Uint8Array }
  /** A message between validators as it would come from a peer: `final-blocks`, `blocks` or `sealed`. */
  | { readonly type: "message"; readonly payload: Uint8Array };

const magic = "tamga-ledger-export";
const version = 1;
const kinds = { header: 0, opening: 1, message: 2, end: 3 } as const;
/** Bytes of one item: a message with its head. */
export const exportItemBytesMax = messageBytesMax + 64;

/**
 * Writes a file whole or not at all; durable when it returns. An item is taken when the one before it is
 * written.
 *
 * @throws OperationalError FILE_UNWRITABLE.
 */
export function writeExport(path: string, items: Iterable<ExportItem>): void {
  const file = resolve(path);
  const temporary = `${file}.tmp`;
  try {
    rmSync(temporary, { force: true });
    const descriptor = openSync(temporary, "wx", 0o644);
    try {
      const hash = createHash("sha256");
      for (const item of items) {
        const bytes = encodeCbor(encodeItem(item));
        hash.update(bytes);
        writeAll(descriptor, bytes);
        writeAll(descriptor, checkOf(hash));
      }
      const end = encodeCbor([kinds.end, new Uint8Array(hash.digest())]);
      writeAll(descriptor, encodeCbor(end));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
    fsyncDirectory(dirname(file));
  } catch (cause) {
    removeQuietly(temporary);
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError("FILE_UNWRITABLE", `${file} cannot be written.`, { cause });
  }
}

function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // The failure that brought us here is what the caller is told of.
  }
}

/** A write may take less than it is given, at a full stick for instance. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; )
    offset += writeSync(descriptor, bytes, offset, bytes.length - offset);
}

/**
 * Reads a file's items, the header first. The digest is compared before the first item is given, so that
 * a file that was cut off or decayed on the way is refused whole.
 *
 * @throws OperationalError FILE_UNREADABLE, EXPORT_MALFORMED (cut off, decayed, or another file),
 *   EXPORT_OTHER_VERSION.
 */
export function* readExport(path: string): Generator<ExportItem> {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (cause) {
    throw new OperationalError("FILE_UNREADABLE", `${path} cannot be read.`, { cause });
  }
  try {
    for (const _ of itemsOf(path, descriptor));
    yield* itemsOf(path, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function* itemsOf(path: string, descriptor: number): Generator<ExportItem> {
  const hash = createHash("sha256");
  let position = 0;
  for (let index = 0; ; index++) {
    const start = position;
    const head = headAt(descriptor, start);
    if (head === undefined || head.length > exportItemBytesMax) throw malformed(path, position);
    const bytes = bytesAt(descriptor, position + head.size, head.length);
    if (bytes === undefined) throw malformed(path, position);
    const read = parseItem(path, bytes);
    if (read === undefined || (index === 0) !== (read.type === "header"))
      throw malformed(path, position);
    position += head.size + head.length;
    if (read.type === "end") {
      const isLast = bytesAt(descriptor, position, 1) === undefined;
      if (!isLast || !equal(read.digest, new Uint8Array(hash.digest())))
        throw malformed(path, position);
      return;
    }
    hash.update(encodeCbor(bytes));
    const check = checkOf(hash);
    const found = bytesAt(descriptor, position, check.length);
    if (found === undefined || !equal(found, check)) throw malformed(path, start);
    position += check.length;
    yield read;
  }
}

/** The head of a byte string: its own size, and the length that it says. */
function headAt(
  descriptor: number,
  position: number,
): { readonly size: number; readonly length: number } | undefined {
  const first = bytesAt(descriptor, position, 1)?.[0];
  if (first === undefined || first >> 5 !== 2) return undefined;
  const short = first & 31;
  if (short < 24) return { size: 1, length: short };
  if (short > 26) return undefined;
  const size = 1 << (short - 24);
  const argument = bytesAt(descriptor, position + 1, size);
  if (argument === undefined) return undefined;
  return { size: 1 + size, length: argument.reduce((sum, byte) => sum * 256 + byte, 0) };
}

function bytesAt(descriptor: number, position: number, length: number): Uint8Array | undefined {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const read = readSync(descriptor, bytes, filled, length - filled, position + filled);
    if (read === 0) return undefined;
    filled += read;
  }
  return bytes;
}

/** A byte string of the first 8 bytes of what the digest would be here. */
function checkOf(hash: Hash): Uint8Array {
  return encodeCbor(new Uint8Array(hash.copy().digest().subarray(0, 8)));
}

function encodeItem(item: ExportItem): Uint8Array {
  switch (item.type) {
    case "header":
      return encodeCbor([kinds.header, magic, version, item.channel, item.from]);
    case "opening":
      return encodeCbor([kinds.opening, item.transaction]);
    case "message":
      return encodeCbor([kinds.message, item.payload]);
  }
}

type End = { readonly type: "end"; readonly digest: Digest };

function parseItem(path: string, bytes: Uint8Array): ExportItem | End | undefined {
  const decoded = decodeCbor(bytes, exportItemBytesMax);
  if (!decoded.ok) return undefined;
  const fields = new FieldReader(decoded.value);
  const kind = fields.uint(0, kinds.end);
  const read = fields.finish(readItem(path, kind, fields));
  return read.ok ? read.value : undefined;
}

function readItem(path: string, kind: number, fields: FieldReader): ExportItem | End {
  switch (kind) {
    case kinds.opening:
      return { type: "opening", transaction: fields.bytes(1, exportItemBytesMax) };
    case kinds.message:
      return { type: "message", payload: fields.bytes(1, exportItemBytesMax) };
    case kinds.end:
      return { type: "end", digest: fields.digest(1) };
    default: {
      if (fields.text(1) !== magic) fields.refuse(1);
      else if (fields.uint(2, Number.MAX_SAFE_INTEGER) !== version) throw otherVersion(path);
      const channel = fields.digest(3);
      return { type: "header", channel, from: fields.uint(4, Number.MAX_SAFE_INTEGER) };
    }
  }
}

function malformed(path: string, position: number): OperationalError {
  return new OperationalError(
    "EXPORT_MALFORMED",
    `${path} is no whole ledger export: it is cut off or damaged in what begins at byte ${position}. ` +
      "Copy it again from where it was made.",
    { details: { position } },
  );
}

function otherVersion(path: string): OperationalError {
  return new OperationalError(
    "EXPORT_OTHER_VERSION",
    `${path} is a ledger export of another version of Tamga: use the newer one on both sides.`,
  );
}
