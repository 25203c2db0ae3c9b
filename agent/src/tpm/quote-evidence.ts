/** Makes evidence in a TPM: the claims first, then the quote over PCRs that binds them. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { tpmAlgorithms } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { AttesterState } from "../attestation/attester.ts";
import { closeEvidence, prepareEvidence } from "../attestation/attester.ts";
import { attestationKey } from "../identity/tpm-claim.ts";
import type { TpmUse } from "./tpm.ts";
import { Tpm } from "./tpm.ts";
import { quote, readPcrs } from "./tpm-attesting.ts";
import { isEmulated } from "./tpm-identity.ts";
import type { TpmTransport } from "./tpm-transport.ts";

/** What firmware, boot loader and kernel loader extend; the running system extends those above. */
export const bootPcrs: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/** Something may extend a PCR between the reading of the values and the quote. */
const attemptsMax = 5;

/**
 * @param log the boot event log; its digest goes into the evidence.
 * @param pcrs of the SHA-256 bank, ascending, 0 to 23.
 * @throws OperationalError ATTEST_TOO_MANY_STREAMS, ATTEST_LOG_TOO_LONG, ATTEST_PCRS_MOVED where PCRs changed five
 *   times in a row, TPM_PCR_BANK_MISSING, and what {@link Tpm.use} throws.
 */
export function quoteEvidence(
  transport: TpmTransport,
  part: {
    readonly state: AttesterState;
    readonly pcrs: readonly number[];
    readonly log?: Uint8Array | undefined;
  },
  options: TpmUse,
): Promise<{ readonly evidence: Uint8Array; readonly isEmulated: boolean }> {
  const { state, pcrs, log } = part;
  const prepared = prepareEvidence(nodeCrypto, state, log);
  if (!prepared.ok) throw cannot(prepared.fault.code);
  const hash = tpmAlgorithms.sha256;
  const selection = { hash, indices: pcrs };
  return Tpm.use(transport, options, async (tpm) => {
    const key = await attestationKey(tpm);
    const { qualifying } = prepared.value;
    for (let attempt = 1; ; attempt++) {
      const { values } = await readPcrs(tpm, selection);
      const quoted = await quote(tpm, key.handle, { pcrs: [selection], qualifying });
      const closed = closeEvidence(nodeCrypto, prepared.value, {
        quote: { attest: quoted.attest, signature: quoted.signatureBytes },
        banks: [{ hash, values: values.toSorted((a, b) => a.index - b.index) }],
      });
      if (closed.ok) return { evidence: closed.value, isEmulated: await isEmulated(tpm) };
      if (closed.fault.code !== "ATTEST_PCRS_MOVED" || attempt === attemptsMax)
        throw cannot(closed.fault.code);
    }
  });
}

const sentences: Readonly<Record<string, string>> = {
  ATTEST_TOO_MANY_STREAMS: "there are more streams than evidence can name",
  ATTEST_LOG_TOO_LONG: "the boot event log is longer than 1 MiB",
  ATTEST_PCRS_MOVED:
    "PCRs change faster than they can be quoted: leave out those of running software",
};

function cannot(code: string): OperationalError {
  const sentence = sentences[code] ?? "the TPM's quote is not what was asked for";
  return new OperationalError(code, `The device cannot attest: ${sentence}.`);
}
