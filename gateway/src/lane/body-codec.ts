/** Takes the compression off a bundle's body, never giving out more than it declared (DESIGN §4). */

import { brotliDecompress, brotliDecompressSync } from "node:zlib";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { bodyBytesMax } from "@tamga/ledger-core/wire/limits";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";

export type BodyCodecFault = {
  /** BODY_BOMB: more than declared. BODY_LENGTH_WRONG: less. */
  readonly code: "BODY_BOMB" | "BODY_LENGTH_WRONG" | "BODY_TOO_LONG" | "BODY_ENCODING_BAD";
};

/**
 * The body's bytes, exactly as many as it declares; at most 4 MiB. Blocks for the time it takes,
 * about 1 ms a MiB.
 * Faults: BODY_TOO_LONG (declares more than the limit), BODY_BOMB, BODY_LENGTH_WRONG,
 *   BODY_ENCODING_BAD (not brotli, cut off, or with bytes after its end).
 */
export function decodeBodyBounded(body: EncodedBody): Result<Uint8Array, BodyCodecFault> {
  const plain = judgePlain(body);
  if (plain !== undefined) return plain;
  try {
    return judgeDecoded(body, brotliDecompressSync(body.bytes, optionsFor(body)));
  } catch (error) {
    return err(faultOf(error));
  }
}

/** The same on zlib's own threads. */
export function decodeBodyBoundedAsync(
  body: EncodedBody,
): Promise<Result<Uint8Array, BodyCodecFault>> {
  const plain = judgePlain(body);
  if (plain !== undefined) return Promise.resolve(plain);
  return new Promise((resolve) => {
    brotliDecompress(body.bytes, optionsFor(body), (error, decoded) => {
      resolve(error === null ? judgeDecoded(body, decoded) : err(faultOf(error)));
    });
  });
}

/** What can be said without decompressing. */
function judgePlain(body: EncodedBody): Result<Uint8Array, BodyCodecFault> | undefined {
  if (body.length > bodyBytesMax) return err({ code: "BODY_TOO_LONG" });
  if (body.length === 0) return err({ code: "BODY_LENGTH_WRONG" });
  if (body.encoding === "brotli") return undefined;
  if (body.bytes.length > body.length) return err({ code: "BODY_BOMB" });
  return body.bytes.length === body.length ? ok(body.bytes) : err({ code: "BODY_LENGTH_WRONG" });
}

function optionsFor(body: EncodedBody) {
  return { maxOutputLength: body.length, info: true } as const;
}

/** `info` makes zlib return the engine beside the buffer; its types do not say so. */
function judgeDecoded(body: EncodedBody, decoded: unknown): Result<Uint8Array, BodyCodecFault> {
  if (!isWithEngine(decoded)) return err({ code: "BODY_ENCODING_BAD" });
  if (decoded.engine.bytesWritten !== body.bytes.length) return err({ code: "BODY_ENCODING_BAD" });
  const { buffer } = decoded;
  if (buffer.length !== body.length) return err({ code: "BODY_LENGTH_WRONG" });
  return ok(new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length));
}

function isWithEngine(
  value: unknown,
): value is { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } } {
  return (
    typeof value === "object" &&
    value !== null &&
    "buffer" in value &&
    value.buffer instanceof Uint8Array &&
    "engine" in value &&
    typeof value.engine === "object" &&
    value.engine !== null &&
    "bytesWritten" in value.engine
  );
}

function faultOf(error: unknown): BodyCodecFault {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return { code: code === "ERR_BUFFER_TOO_LARGE" ? "BODY_BOMB" : "BODY_ENCODING_BAD" };
}
