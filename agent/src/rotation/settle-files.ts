/** Makes the other files of a device follow `rotation.json`, at once or after a power cut. */

import { equal } from "@tamga/ledger-core/base/bytes";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { readChain, writeDeviceFile } from "../identity/device-files.ts";
import { readDeviceRecord, writeDeviceRecord } from "../identity/device-identity.ts";
import { encodeCertificatesPem } from "../identity/pem.ts";
import { kidOf } from "./make-request.ts";
import type { RotationRecord, RotationStep } from "./rotation-file.ts";
import { earlierWith, forgetNextKey, readNextKey, writeRotation } from "./rotation-file.ts";

/**
 * Takes an operator's wish for the key from before, while no statement by the new one has a receipt: also before a
 * start, since the new one may be what keeps the agent from starting.
 *
 * @returns what is in use now, on disk.
 */
export function takeWayBack(
  dataDir: string,
  record: RotationRecord | undefined,
): RotationRecord | undefined {
  const wish = readNextKey(dataDir);
  if (wish === undefined || !("back" in wish)) return record;
  const gone = record?.step?.phase === "proving" ? wayBack(record, record.step) : record;
  if (gone !== undefined && gone !== record) {
    writeRotation(dataDir, gone);
    settleFiles(dataDir, gone);
  }
  forgetNextKey(dataDir);
  return gone;
}

function wayBack(
  record: RotationRecord,
  step: Extract<RotationStep, { phase: "proving" }>,
): RotationRecord {
  const { from: key, fromKid: toKid, toKid: fromKid, oldSigning: signing } = step;
  const { key: from, restKey } = record;
  const earlier = earlierWith(record.earlier, { from, to: key });
  const rest = restKey === undefined ? {} : { restKey };
  return { key, earlier, ...rest, step: { phase: "back", from, fromKid, toKid, signing } };
}

/**
 * Writes the certificates of the key in use and its URI where they are not there yet. `signing.crt` comes last: once it
 * is of that key, all is done, and a certificate that was renewed since stays.
 */
export function settleFiles(dataDir: string, { key, step }: RotationRecord): void {
  if (step?.phase !== "proving" && step?.phase !== "back") return;
  const leaf = parseCertificate(readChain(dataDir, "signing")[0]);
  if (leaf.ok && equal(kidOf(leaf.value.publicKey), step.toKid)) return;
  if (step.phase === "proving") writeDeviceFile(dataDir, "tls", encodeCertificatesPem(step.tls));
  writeDeviceRecord(dataDir, { ...readDeviceRecord(dataDir), key });
  writeDeviceFile(dataDir, "signing", encodeCertificatesPem(step.signing));
}
