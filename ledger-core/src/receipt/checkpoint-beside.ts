/** A checkpoint's note that comes beside a receipt, with what a receipt has no room for: ML-DSA-44 cosignatures. */

import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { EpochChain } from "./epoch-chain.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { MlDsaSeal } from "./verify-ml-dsa.ts";
import type { NoteSealFault } from "./verify-seal.ts";
import { verifySealedNote } from "./verify-seal.ts";

export type CheckpointBesideFault =
  | NoteSealFault
  | { readonly code: "RECEIPT_OTHER_CHECKPOINT"; readonly size: bigint };

/**
 * Verifies that the note is of the very size and root that the receipt rests on.
 *
 * @param beside the receipt's own tree, and the note where there is one.
 * Faults: SEAL_* of the note, RECEIPT_OTHER_CHECKPOINT, SEAL_ML_DSA_MISSING also where the policy requires such
 *   cosignatures and there is no note.
 */
export function verifyCheckpointBeside(
  crypto: CryptoPort,
  policy: TrustPolicy,
  beside: {
    readonly head: TreeHead;
    readonly note: string | undefined;
    readonly epochs: EpochChain | undefined;
  },
): Result<MlDsaSeal | undefined, CheckpointBesideFault> {
  const { head, note, epochs } = beside;
  if (note === undefined)
    return policy.mlDsa44?.required === true
      ? err({ code: "SEAL_ML_DSA_MISSING", have: 0, needed: policy.quorum })
      : ok(undefined);
  const sealed = verifySealedNote(crypto, policy, note, epochs);
  if (!sealed.ok) return sealed;
  const { size, root } = sealed.value.head;
  if (size !== head.size || !equal(root, head.root))
    return err({ code: "RECEIPT_OTHER_CHECKPOINT", size });
  return ok(sealed.value.mlDsa);
}
