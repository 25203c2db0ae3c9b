/** Makes the other files of a device follow `rotation.json`, at once or after a power cut. */

import { equal } from "@tamga/ledger-core/base/bytes";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { readChain, writeDeviceFile } from "../identity/device-files.ts";
import { readDeviceRecord, writeDeviceRecord } from "../identity/device-identity.ts";
import { encodeCertificatesPem } from "../identity/pem.ts";
import { kidOf } from "./make-request.ts";
import type { RotationRecord } from "./rotation-file.ts";

/**
 * Writes the new key's certificates and its URI where they are not there yet. `signing.crt` comes last: once it is the
 * new key's, all is done, and a certificate that was renewed since stays.
 */
export function settleFiles(dataDir: string, { key, step }: RotationRecord): void {
  if (step?.phase !== "proving") return;
  const leaf = parseCertificate(readChain(dataDir, "signing")[0]);
  if (leaf.ok && equal(kidOf(leaf.value.publicKey), step.toKid)) return;
  writeDeviceFile(dataDir, "tls", encodeCertificatesPem(step.tls));
  writeDeviceRecord(dataDir, { ...readDeviceRecord(dataDir), key });
  writeDeviceFile(dataDir, "signing", encodeCertificatesPem(step.signing));
}
