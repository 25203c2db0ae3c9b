/** A signature as a TPM gives it (TPMT_SIGNATURE, TPM 2.0 Library, Part 2, §11.3.4). */

import { concat } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { tpmAlgorithms, tpmModulusBytesMax, tpmSignatureBytesMax } from "./tpm-numbers.ts";
import { TpmReader } from "./tpm-reader.ts";

export type TpmSignature = {
  readonly scheme: "ecdsa" | "rsassa" | "rsapss";
  readonly hash: number;
  /** ECDSA: r‖s of 32 bytes each for P-256; RSA: as long as the modulus. */
  readonly signature: Uint8Array;
};

export type TpmSignatureFault =
  | { readonly code: "TPM_SIGNATURE_MALFORMED" }
  | { readonly code: "TPM_SIGNATURE_SCHEME_UNKNOWN"; readonly scheme: number };

/** @param bytes a whole TPMT_SIGNATURE, at most {@link tpmSignatureBytesMax} bytes. */
export function parseTpmSignature(bytes: Uint8Array): Result<TpmSignature, TpmSignatureFault> {
  if (bytes.length > tpmSignatureBytesMax) return err({ code: "TPM_SIGNATURE_MALFORMED" });
  const reader = new TpmReader(bytes);
  const scheme = reader.u16();
  const hash = reader.u16();
  if (reader.failed) return err({ code: "TPM_SIGNATURE_MALFORMED" });
  const name = schemes.get(scheme);
  if (name === undefined) return err({ code: "TPM_SIGNATURE_SCHEME_UNKNOWN", scheme });
  const signature =
    name === "ecdsa"
      ? concat(padded(reader.sized(32)), padded(reader.sized(32)))
      : reader.sized(tpmModulusBytesMax);
  return reader.finish()
    ? ok({ scheme: name, hash, signature })
    : err({ code: "TPM_SIGNATURE_MALFORMED" });
}

const schemes: ReadonlyMap<number, TpmSignature["scheme"]> = new Map([
  [tpmAlgorithms.ecdsa, "ecdsa"],
  [tpmAlgorithms.rsaSsa, "rsassa"],
  [tpmAlgorithms.rsaPss, "rsapss"],
]);

/** Some TPMs leave leading zeros out. */
function padded(coordinate: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set(coordinate, 32 - coordinate.length);
  return bytes;
}
