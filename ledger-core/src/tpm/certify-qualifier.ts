/** What binds TPM2_Certify over a device's key to one enrolment request (WIRE.md §12.1). */

import type { Digest } from "../base/bytes.ts";
import { concat, utf8 } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";

/** The qualifyingData that the attestation key signs beside the key's Name: the request as a whole. */
export function certifyQualifier(
  { sha256 }: Pick<CryptoPort, "sha256">,
  request: { readonly device: string; readonly signing: Uint8Array; readonly tls: Uint8Array },
): Digest {
  const parts = [utf8(request.device), request.signing, request.tls].map(sha256);
  return sha256(concat(utf8("tamga/certify/1"), ...parts));
}
