/** Evidence by the TPM that holds the signing key, with the boot event log of this machine where there is one. */

import { existsSync } from "node:fs";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { eventLogBytesMax } from "@tamga/ledger-core/tpm/event-log";
import type { EvidenceMaker } from "../evidence-source.ts";
import type { KeyUri } from "../signer/key-uri.ts";
import { transportOf } from "../signer/tpm-signer.ts";
import { quoteEvidence } from "./quote-evidence.ts";

/** Where Linux shows the log of the TPM that firmware measured into. */
export const kernelLog = "/sys/kernel/security/tpm0/binary_bios_measurements";

/**
 * @param part.log the boot event log's file; the kernel's where it is not given and the TPM is a device, since an
 *   emulator's PCRs are not what this machine's firmware logged.
 * @throws OperationalError KEY_NOT_IN_TPM.
 */
export function tpmEvidence(
  uri: KeyUri,
  part: {
    readonly pcrs: readonly number[];
    readonly log: string | undefined;
    readonly clock: Clock;
  },
): EvidenceMaker {
  if (uri.scheme !== "tpm")
    throw new OperationalError(
      "KEY_NOT_IN_TPM",
      "Only a device whose signing key is a tpm: key attests: enrol it with one, or leave out [attestation].",
    );
  const { pcrs, clock } = part;
  const isHardware = uri.at.kind === "device";
  const file = part.log ?? (isHardware && existsSync(kernelLog) ? kernelLog : undefined);
  return {
    make: async (state, { signal }) => {
      const log = file === undefined ? undefined : readBounded(file, eventLogBytesMax);
      const { evidence } = await quoteEvidence(
        transportOf(uri),
        { state, pcrs, log },
        { clock, signal },
      );
      return { evidence, log };
    },
  };
}
