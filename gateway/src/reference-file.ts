/** Reads reference values for attestation from a TOML file (RFC 9334 §8.3). */

import { readFileSync } from "node:fs";
import { equal } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { duration, loadConfig } from "@tamga/ledger-core/daemon/config-file";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { z } from "zod";
import type { ReferenceValues } from "./attestation/reference-values.ts";
import { referenceListMax } from "./limits.ts";

const digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: "must be 64 lower-case hexadecimal digits" });
const digests = z.array(digest).max(referenceListMax);

const referenceSchema = z.strictObject({
  max_age: duration({ min: "1s", max: "3650d" }),
  agent_versions: z.array(z.string().min(1).max(64)).max(referenceListMax).optional(),
  pcr_digests: digests.optional(),
  events: digests.optional(),
  pcrs: z
    .record(
      z.string().regex(/^(?:\d|1\d|2[0-3])$/, { error: "must be a PCR from 0 to 23" }),
      digests.min(1),
    )
    .default({}),
});

/**
 * Throws CONFIG_UNREADABLE, CONFIG_INVALID with each wrong key, REFERENCE_FILE_CHANGED.
 *
 * @returns values whose digest is SHA-256 of the file, as `sha256sum` prints it.
 */
export function readReferenceFile(path: string): ReferenceValues {
  const digestNow = () => nodeCrypto.sha256(readFileSync(path));
  const file = loadConfig(path, () => referenceSchema);
  const before = digestNow();
  // The digest has to be of what was judged, and those are two reads.
  const again = loadConfig(path, () => referenceSchema);
  if (JSON.stringify(file) !== JSON.stringify(again) || !equal(before, digestNow()))
    throw new OperationalError(
      "REFERENCE_FILE_CHANGED",
      `${path} was changed while it was read: read it again.`,
    );
  const { agent_versions: versions, pcr_digests: pcrDigests, events } = file;
  return {
    digest: before,
    pcrs: new Map(Object.entries(file.pcrs).map(([pcr, list]) => [Number(pcr), new Set(list)])),
    ...(pcrDigests === undefined ? {} : { pcrDigests: new Set(pcrDigests) }),
    ...(events === undefined ? {} : { events: new Set(events) }),
    ...(versions === undefined ? {} : { agentVersions: new Set(versions) }),
    ageMax: Math.floor(file.max_age / 1_000),
  };
}

/** Throws REFERENCES_EMPTY: values that hold nothing to anything would affirm every boot. */
export function requirePcrs({ pcrs, pcrDigests }: ReferenceValues): void {
  if (pcrs.size > 0 || pcrDigests !== undefined) return;
  throw new OperationalError(
    "REFERENCES_EMPTY",
    "The file of reference values names no PCRs: write it with tamga-gateway attest values.",
  );
}
