/** Compresses a bundle's body for its way, off the event loop. */

import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import { bodyEncodings } from "@tamga/ledger-core/wire/uplink-message";

const compress = promisify(brotliCompress);

/** @returns the shorter of Brotli (quality 5) and the body as it is; `length` is before compression. */
export function encodeStoredBody(body: {
  readonly seed: Uint8Array;
  readonly readings: readonly Uint8Array[];
}): Promise<StoredBody> {
  return packStored(encodeBody(body));
}

/** As it stands in the outbox and travels. */
export type StoredBody = {
  readonly encoding: number;
  readonly length: number;
  readonly bytes: Uint8Array;
};

/** The same for bytes that are no readings: a boot event log, at most 1 MiB. */
export async function packStored(plain: Uint8Array): Promise<StoredBody> {
  const brotli = await compress(plain, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 5,
      [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
    },
  });
  const shorter = brotli.length < plain.length;
  return {
    encoding: bodyEncodings.indexOf(shorter ? "brotli" : "identity"),
    length: plain.length,
    bytes: shorter ? brotli : plain,
  };
}
