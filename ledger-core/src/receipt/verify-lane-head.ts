/**
 * Verifies a lane head: a gateway's lane at one size, in the channel's log, under a sealed checkpoint. The
 * agent does it for `down/head`, the receipt verifier for a file; both believe nobody.
 */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { ConsistencyFault } from "../log/consistency-proof.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import type { InclusionPathFault } from "../log/inclusion-proof.ts";
import { rootFromInclusion } from "../log/inclusion-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { ChannelEvidence, HeadMessage } from "../wire/downlink-message.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import { laneOrigin } from "../wire/log-origin.ts";
import type { LogHead, RootSignatureFault } from "../wire/log-signature.ts";
import { verifyRootSignature } from "../wire/log-signature.ts";
import type { SignatureFault, StatementFault } from "../wire/statement.ts";
import { parseStatement, verifyStatement } from "../wire/statement.ts";
import type { EpochChain } from "./epoch-chain.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { GatewayFault, VerifiedGateway } from "./verify-gateway.ts";
import { verifyGateway } from "./verify-gateway.ts";
import type { SealFault, VerifiedSeal } from "./verify-seal.ts";
import { verifySeal } from "./verify-seal.ts";

/** What travels with a lane head; a `HeadMessage` is one. */
export type LaneHeadEvidence = {
  /** Exact bytes of the lane-head statement. */
  readonly laneHead: Uint8Array;
  /** DER, leaf first, up to below the organisation's CA. */
  readonly gatewayChain: readonly Uint8Array[];
  /** The gateway's own signature over the lane's root at that size. */
  readonly laneSignature: Uint8Array;
  readonly channel: ChannelEvidence;
};

/** A lane head that q validators have sealed; only {@link verifyLaneHead} makes it. */
export type VerifiedLaneHead = Brand<
  {
    readonly gateway: VerifiedGateway;
    /** 16 bytes. */
    readonly incarnation: Uint8Array;
    /** The lane: origin, size and root. */
    readonly lane: LogHead;
    /** The sealed checkpoint of the channel's log, its cosigners and its time. */
    readonly seal: VerifiedSeal;
    /** Where the lane-head statement stands in the channel's log. */
    readonly leafIndex: bigint;
    /** The channel's list of revoked keys when the head was ordered. */
    readonly revocations: TreeHead;
  },
  "VerifiedLaneHead"
>;

export type LaneHeadFault =
  | SealFault
  | GatewayFault
  | { readonly code: "LANE_HEAD_MALFORMED"; readonly cause: StatementFault | FieldFault }
  | { readonly code: "LANE_HEAD_TYPE_WRONG" }
  | { readonly code: "LANE_HEAD_OTHER_CHANNEL" }
  | { readonly code: "LANE_HEAD_SIGNATURE_WRONG"; readonly cause: SignatureFault }
  | { readonly code: "LANE_SIGNATURE_WRONG"; readonly cause: RootSignatureFault }
  | { readonly code: "LANE_HEAD_PATH_MALFORMED"; readonly cause: InclusionPathFault };

/**
 * Repeats every check of a lane head, the seal first since its time judges the certificates.
 *
 * @param epochs the channel's later validators; without them the policy's alone are known.
 * Faults: SEAL_* (the checkpoint that path and lane head lead to), LANE_HEAD_* (the statement and its path),
 *   GATEWAY_* (the certificate), LANE_SIGNATURE_WRONG (the lane's root).
 */
export function verifyLaneHead(
  crypto: CryptoPort,
  policy: TrustPolicy,
  evidence: LaneHeadEvidence,
  epochs?: EpochChain,
): Result<VerifiedLaneHead, LaneHeadFault> {
  const { laneHead, gatewayChain, laneSignature, channel } = evidence;
  const statement = parseStatement(laneHead);
  if (!statement.ok) return err({ code: "LANE_HEAD_MALFORMED", cause: statement.fault });
  const { header } = statement.value;
  if (header.type !== "lane-head") return err({ code: "LANE_HEAD_TYPE_WRONG" });
  const claims = parseGatewayClaims("lane-head", statement.value.claims);
  if (!claims.ok) return err({ code: "LANE_HEAD_MALFORMED", cause: claims.fault });
  if (header.channel !== policy.channel) return err({ code: "LANE_HEAD_OTHER_CHANNEL" });

  const hasher = treeHasher((bytes) => crypto.sha256(bytes));
  const { index: leafIndex, size, path, seals } = channel;
  const leafHash = hasher.leaf(laneHead);
  const root = rootFromInclusion(hasher, { leafIndex, treeSize: size, leafHash, path });
  if (!root.ok) return err({ code: "LANE_HEAD_PATH_MALFORMED", cause: root.fault });
  // A wrong path, index or lane head leads to another root, which nobody has signed.
  const sealed = verifySeal(crypto, policy, { size, root: root.value, seals }, epochs);
  if (!sealed.ok) return sealed;
  const seal = sealed.value;

  const gateway = verifyGateway(crypto, policy, {
    gateway: header.issuer,
    chain: gatewayChain,
    at: seal.notAfter,
  });
  if (!gateway.ok) return gateway;
  const { key } = gateway.value;
  const signed = verifyStatement(crypto, statement.value, key);
  if (!signed.ok) return err({ code: "LANE_HEAD_SIGNATURE_WRONG", cause: signed.fault });
  const { incarnation, head, revocations } = claims.value;
  const { consortium, channel: channelName } = policy;
  const origin = laneOrigin({
    consortium,
    channel: channelName,
    gateway: header.issuer,
    incarnation,
  });
  const lane = verifyRootSignature(crypto, laneSignature, { origin, ...head, key });
  if (!lane.ok) return err({ code: "LANE_SIGNATURE_WRONG", cause: lane.fault });
  return ok(
    mint<VerifiedLaneHead>({
      gateway: gateway.value,
      incarnation,
      lane: lane.value,
      seal,
      leafIndex,
      revocations,
    }),
  );
}

export type HeadConsistencyFault =
  | { readonly code: "HEAD_CONSISTENCY_MISSING" }
  | { readonly code: "HEAD_CONSISTENCY_OTHER_SIZE" }
  | { readonly code: "HEAD_CONSISTENCY_WRONG"; readonly cause: ConsistencyFault };

/**
 * Verifies that the channel's log only grew since a checkpoint that the caller has verified before. A head
 * of the very same size and root needs no path.
 *
 * @returns the head's own checkpoint, the next one to remember. Faults: HEAD_CONSISTENCY_*.
 */
export function verifyConsistencyFrom(
  crypto: CryptoPort,
  checkpoint: TreeHead,
  {
    head,
    consistency,
  }: {
    readonly head: VerifiedLaneHead;
    readonly consistency: HeadMessage["consistency"] | undefined;
  },
): Result<TreeHead, HeadConsistencyFault> {
  const { size, root } = head.seal.head;
  if (checkpoint.size === size && equal(checkpoint.root, root)) return ok({ size, root });
  if (consistency === undefined) return err({ code: "HEAD_CONSISTENCY_MISSING" });
  if (consistency.fromSize !== checkpoint.size) return err({ code: "HEAD_CONSISTENCY_OTHER_SIZE" });
  const verified = verifyConsistency(
    treeHasher((bytes) => crypto.sha256(bytes)),
    {
      size1: checkpoint.size,
      size2: size,
      root1: checkpoint.root,
      root2: root,
      path: consistency.path,
    },
  );
  if (!verified.ok) return err({ code: "HEAD_CONSISTENCY_WRONG", cause: verified.fault });
  return ok({ size, root });
}
