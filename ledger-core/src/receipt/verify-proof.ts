/** Verifies `down/proof`: one multiproof for a device's statements in one lane tree. */

import { present } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { MultiproofFault } from "../log/multiproof.ts";
import { rootFromMultiproof } from "../log/multiproof.ts";
import type { ProofEntry, ProofMessage } from "../wire/downlink-message.ts";
import { laneOrigin } from "../wire/log-origin.ts";
import type { LogHead, RootSignatureFault } from "../wire/log-signature.ts";
import { verifyRootSignature } from "../wire/log-signature.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { VerifiedGateway } from "./verify-gateway.ts";
import type { VerifiedLaneHead } from "./verify-lane-head.ts";

/** Statements that are in this lane tree; only the two functions below make it. */
export type VerifiedProof = Brand<
  {
    readonly lane: LogHead;
    /** False: signed by the gateway alone. True: under a sealed checkpoint. */
    readonly final: boolean;
    readonly entries: readonly ProofEntry[];
  },
  "VerifiedProof"
>;

export type ProofFault =
  | { readonly code: "PROOF_NOT_IN_LANE" }
  | { readonly code: "PROOF_MALFORMED"; readonly cause: MultiproofFault };

/** What both kinds are verified from. */
export type ProofEvidence = {
  readonly proof: ProofMessage;
  /**
   * For each entry, in its order, the leaf hash that the caller computed itself: of the statement that it
   * holds, or of the rejection's bytes (which `verifyRejection` judges).
   */
  readonly leafHashes: readonly Digest[];
};

export type FinalProofFault = ProofFault | { readonly code: "PROOF_OTHER_HEAD" };

/**
 * Verifies a proof under a lane head that was verified before.
 * Faults: PROOF_OTHER_HEAD (another lane, size or root), PROOF_MALFORMED, PROOF_NOT_IN_LANE.
 */
export function verifyProofMessage(
  crypto: CryptoPort,
  head: VerifiedLaneHead,
  evidence: ProofEvidence,
): Result<VerifiedProof, FinalProofFault> {
  const { gateway, incarnation, size, root } = evidence.proof;
  const { lane } = head;
  const sameLane = gateway === head.gateway.gateway && equal(incarnation, head.incarnation);
  if (!sameLane || size !== lane.size || !equal(root, lane.root))
    return err({ code: "PROOF_OTHER_HEAD" });
  return verifyEntries(crypto, evidence, { lane, final: true });
}

export type ProvisionalProofFault =
  | ProofFault
  | { readonly code: "PROOF_NOT_SIGNED" }
  | { readonly code: "PROOF_OTHER_GATEWAY" }
  | { readonly code: "PROOF_SIGNATURE_WRONG"; readonly cause: RootSignatureFault };

/**
 * Verifies a provisional proof: nobody but the gateway vouches for it.
 * Faults: PROOF_NOT_SIGNED, PROOF_OTHER_GATEWAY (a lane of another one), PROOF_SIGNATURE_WRONG,
 *   PROOF_MALFORMED, PROOF_NOT_IN_LANE.
 */
export function verifyProvisional(
  crypto: CryptoPort,
  policy: TrustPolicy,
  evidence: ProofEvidence & { readonly gateway: VerifiedGateway },
): Result<VerifiedProof, ProvisionalProofFault> {
  const { proof, gateway } = evidence;
  if (proof.signature === undefined) return err({ code: "PROOF_NOT_SIGNED" });
  if (proof.gateway !== gateway.gateway) return err({ code: "PROOF_OTHER_GATEWAY" });
  const { size, root } = proof;
  const lane = { origin: laneOrigin({ ...policy, ...proof }), size, root };
  const signed = verifyRootSignature(crypto, proof.signature, { ...lane, key: gateway.key });
  if (!signed.ok) return err({ code: "PROOF_SIGNATURE_WRONG", cause: signed.fault });
  return verifyEntries(crypto, evidence, { lane, final: false });
}

function verifyEntries(
  crypto: CryptoPort,
  { proof, leafHashes }: ProofEvidence,
  { lane, final }: { readonly lane: LogHead; readonly final: boolean },
): Result<VerifiedProof, ProofFault> {
  const { size, root, entries, hashes } = proof;
  if (leafHashes.length !== entries.length)
    return err({ code: "PROOF_MALFORMED", cause: { code: "MULTIPROOF_LEAVES_MISCOUNTED" } });
  // Entries stand by incarnation, a multiproof's leaves by index.
  const leaves = entries
    .map((entry, i) => ({
      index: Number(entry.leafIndex),
      hash: present(leafHashes[i], "leaf hash"),
    }))
    .sort((a, b) => a.index - b.index);
  const computed = rootFromMultiproof(
    treeHasher((bytes) => crypto.sha256(bytes)),
    {
      indices: leaves.map(({ index }) => index),
      size: Number(size),
      leafHashes: leaves.map(({ hash }) => hash),
      hashes,
    },
  );
  if (!computed.ok) return err({ code: "PROOF_MALFORMED", cause: computed.fault });
  if (!equal(computed.value, root)) return err({ code: "PROOF_NOT_IN_LANE" });
  return ok(mint<VerifiedProof>({ lane, final, entries }));
}
