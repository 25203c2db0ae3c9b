/**
 * Verifies a receipt offline, from its own bytes and a trust policy alone: nothing that the gateway
 * claims is believed, every check that it made is made again.
 */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { ConsistencyFault } from "../log/consistency-proof.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import type { InclusionPathFault } from "../log/inclusion-proof.ts";
import { rootFromInclusion } from "../log/inclusion-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { identityOf } from "../wire/cose.ts";
import type { DeviceClaims } from "../wire/device-claims.ts";
import { parseDeviceClaims } from "../wire/device-claims.ts";
import type { EvidenceStatementFault } from "../wire/evidence-statement.ts";
import { openEvidence } from "../wire/evidence-statement.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { GatewayLeafClaims } from "../wire/gateway-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import { laneOrigin } from "../wire/log-origin.ts";
import type { LogHead } from "../wire/log-signature.ts";
import { verifyRootSignature } from "../wire/log-signature.ts";
import type { ParsedStatement, StatementFault } from "../wire/statement.ts";
import { parseStatement } from "../wire/statement.ts";
import type { CheckpointBesideFault } from "./checkpoint-beside.ts";
import { verifyCheckpointBeside } from "./checkpoint-beside.ts";
import type { EpochChain } from "./epoch-chain.ts";
import type { Receipt } from "./receipt.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { DisclosureFault, VerifiedReading } from "./verify-disclosure.ts";
import { verifyDisclosure } from "./verify-disclosure.ts";
import type { VerifiedGateway } from "./verify-gateway.ts";
import type { LaneHeadFault, VerifiedLaneHead } from "./verify-lane-head.ts";
import { verifyLaneHead } from "./verify-lane-head.ts";
import type { MlDsaSeal } from "./verify-ml-dsa.ts";
import type { ResultEarFault } from "./verify-result.ts";
import { verifyEar } from "./verify-result.ts";
import type { RevocationFault } from "./verify-revocation.ts";
import { verifyNotRevoked } from "./verify-revocation.ts";
import type { SignerFault, VerifiedSigner } from "./verify-signer.ts";
import { verifySigner } from "./verify-signer.ts";

/** What stands above the gateway: the sealed checkpoint and what follows from it. */
export type Finality = {
  readonly head: VerifiedLaneHead;
  /** The statement existed no later than this: the (f+1)th lowest cosignature time. */
  readonly notAfter: UnixMillis;
  /** Keys that were revoked at that checkpoint; the signer's was not among them. */
  readonly revokedKeys: bigint;
  /** Out of a checkpoint beside the receipt, where the policy names second keys. */
  readonly mlDsa?: MlDsaSeal;
};

/** A receipt whose every part was checked; only {@link verifyReceipt} makes it. */
export type VerifiedReceipt = Brand<
  {
    readonly policy: TrustPolicy;
    readonly statement: ParsedStatement["header"];
    readonly claims: DeviceClaims | GatewayLeafClaims;
    /** SHA-256 of the statement's Sig_structure. */
    readonly identity: Digest;
    readonly signer: VerifiedSigner;
    readonly reading?: VerifiedReading;
    readonly gateway: VerifiedGateway;
    readonly lane: LogHead & { readonly index: bigint };
    /** Absent in a provisional receipt: then the gateway alone vouches for time and order. */
    readonly final?: Finality;
  },
  "VerifiedReceipt"
>;

export type ReceiptFault =
  | LaneHeadFault
  | CheckpointBesideFault
  | DisclosureFault
  | RevocationFault
  | { readonly code: "RECEIPT_NOT_FINAL" }
  | {
      readonly code: "RECEIPT_STATEMENT_MALFORMED";
      readonly cause: StatementFault | FieldFault | EvidenceStatementFault;
    }
  | { readonly code: "RECEIPT_STATEMENT_TYPE_WRONG" }
  | { readonly code: "RECEIPT_OTHER_CHANNEL" }
  | { readonly code: "RECEIPT_OTHER_LANE" }
  | { readonly code: "RECEIPT_LANE_PATH_MALFORMED"; readonly cause: InclusionPathFault }
  | { readonly code: "RECEIPT_NOT_IN_LANE" }
  | SignerFault
  | ResultEarFault
  | { readonly code: "RECEIPT_CONSISTENCY_MISSING" }
  | { readonly code: "RECEIPT_CONSISTENCY_UNEXPECTED" }
  | { readonly code: "RECEIPT_CONSISTENCY_WRONG"; readonly cause: ConsistencyFault };

export type ReceiptOptions = {
  /**
   * Takes also a receipt that no validator has sealed, if this gateway signed its lane: such a receipt
   * does not carry the gateway's certificate. A final receipt ignores it.
   */
  readonly provisionalUnder?: VerifiedGateway;
  /** The channel's later validators; without them only seals of the policy's own are known. */
  readonly epochs?: EpochChain;
  /** The note of the receipt's own checkpoint, for its ML-DSA-44 cosignatures. */
  readonly checkpoint?: string;
};

/**
 * Verifies every step from the disclosed reading to the sealed checkpoint.
 *
 * Faults: RECEIPT_* (the statement and its place), SEAL_*, LANE_*, GATEWAY_* (the lane head),
 *   REVOCATION_*. Each that rests on a part's own fault carries it as `cause`.
 */
export function verifyReceipt(
  crypto: CryptoPort,
  policy: TrustPolicy,
  receipt: Receipt,
  options: ReceiptOptions = {},
): Result<VerifiedReceipt, ReceiptFault> {
  const parsed = parseStatement(receipt.statement);
  if (!parsed.ok) return err({ code: "RECEIPT_STATEMENT_MALFORMED", cause: parsed.fault });
  const statement = parsed.value;
  const claims = parseClaims(statement);
  if (!claims.ok) return claims;
  if (statement.header.channel !== policy.channel) return err({ code: "RECEIPT_OTHER_CHANNEL" });

  const lane = verifyLane(crypto, policy, receipt, options);
  if (!lane.ok) return lane;
  const { gateway, head } = lane.value;
  const signer = verifySigner(crypto, policy, {
    statement,
    chain: receipt.deviceChain,
    gateway,
    at: head?.seal.notAfter,
  });
  if (!signer.ok) return signer;
  if (claims.value.kind === "result") {
    // One key signs both, so the EAR is the signer's as the statement is.
    const ear = verifyEar(crypto, gateway, claims.value);
    if (!ear.ok) return ear;
  }
  const reading = verifyDisclosure(crypto, claims.value, receipt.disclosed);
  if (!reading.ok) return reading;
  const final = verifyFinality(crypto, { receipt, head, statement, claims: claims.value });
  if (!final.ok) return final;
  const second = verifySecondKeys(crypto, policy, head, options);
  if (!second.ok) return second;
  return ok(
    mint<VerifiedReceipt>({
      policy,
      statement: statement.header,
      claims: claims.value,
      identity: identityOf((bytes) => crypto.sha256(bytes), statement.part),
      signer: signer.value,
      ...(reading.value && { reading: reading.value }),
      gateway,
      lane: lane.value.lane,
      ...(final.value && {
        final: { ...final.value, ...(second.value && { mlDsa: second.value }) },
      }),
    }),
  );
}

function verifySecondKeys(
  crypto: CryptoPort,
  policy: TrustPolicy,
  head: VerifiedLaneHead | undefined,
  { checkpoint: note, epochs }: ReceiptOptions,
): Result<MlDsaSeal | undefined, ReceiptFault> {
  if (head === undefined) return ok(undefined);
  return verifyCheckpointBeside(crypto, policy, { head: head.seal.head, note, epochs });
}

/** The kinds of statement that a receipt may be about. */
function parseClaims({
  header,
  claims,
}: ParsedStatement): Result<DeviceClaims | GatewayLeafClaims, ReceiptFault> {
  switch (header.type) {
    case "bundle":
    case "gap":
    case "start":
    case "heartbeat":
    case "sm3-bundle": {
      const parsed = parseDeviceClaims(header.type, claims);
      return parsed.ok ? parsed : err({ code: "RECEIPT_STATEMENT_MALFORMED", cause: parsed.fault });
    }
    case "evidence": {
      const parsed = parseDeviceClaims(header.type, claims);
      if (!parsed.ok) return err({ code: "RECEIPT_STATEMENT_MALFORMED", cause: parsed.fault });
      const opened = openEvidence(header, parsed.value);
      return opened.ok ? parsed : err({ code: "RECEIPT_STATEMENT_MALFORMED", cause: opened.fault });
    }
    case "rejection":
    case "result": {
      const parsed = parseGatewayClaims(header.type, claims);
      return parsed.ok ? parsed : err({ code: "RECEIPT_STATEMENT_MALFORMED", cause: parsed.fault });
    }
    default:
      return err({ code: "RECEIPT_STATEMENT_TYPE_WRONG" });
  }
}

type VerifiedLane = {
  readonly gateway: VerifiedGateway;
  readonly lane: LogHead & { readonly index: bigint };
  readonly head?: VerifiedLaneHead;
};

/** The statement's place in the lane, and the lane's under a seal or, provisionally, the gateway. */
function verifyLane(
  crypto: CryptoPort,
  policy: TrustPolicy,
  receipt: Receipt,
  options: ReceiptOptions,
): Result<VerifiedLane, ReceiptFault> {
  const { index, size, path, signature } = receipt.lane;
  const origin = laneOrigin({ ...policy, ...receipt.lane });
  const hasher = treeHasher((bytes) => crypto.sha256(bytes));
  const leafHash = hasher.leaf(receipt.statement);
  const computed = rootFromInclusion(hasher, { leafIndex: index, treeSize: size, leafHash, path });
  if (!computed.ok) return err({ code: "RECEIPT_LANE_PATH_MALFORMED", cause: computed.fault });
  const root = computed.value;
  if (receipt.final === undefined) {
    const gateway = options.provisionalUnder;
    if (gateway === undefined) return err({ code: "RECEIPT_NOT_FINAL" });
    if (receipt.lane.gateway !== gateway.gateway) return err({ code: "RECEIPT_OTHER_LANE" });
    const head = { origin, size, root, key: gateway.key };
    const signed = verifyRootSignature(crypto, signature, head);
    if (!signed.ok) return err({ code: "LANE_SIGNATURE_WRONG", cause: signed.fault });
    return ok({ gateway, lane: { origin, size, root, index } });
  }
  const evidence = { ...receipt.final, laneSignature: signature };
  const verified = verifyLaneHead(crypto, policy, evidence, options.epochs);
  if (!verified.ok) return verified;
  const head = verified.value;
  if (origin !== head.lane.origin || size !== head.lane.size)
    return err({ code: "RECEIPT_OTHER_LANE" });
  if (!equal(root, head.lane.root)) return err({ code: "RECEIPT_NOT_IN_LANE" });
  return ok({ gateway: head.gateway, lane: { origin, size, root, index }, head });
}

/** That the key was not revoked, and that the statement was made after the checkpoint it names. */
function verifyFinality(
  crypto: CryptoPort,
  {
    receipt,
    head,
    statement,
    claims,
  }: {
    readonly receipt: Receipt;
    readonly head: VerifiedLaneHead | undefined;
    readonly statement: ParsedStatement;
    readonly claims: DeviceClaims | GatewayLeafClaims;
  },
): Result<Finality | undefined, ReceiptFault> {
  if (receipt.final === undefined || head === undefined) return ok(undefined);
  const { revocation: evidence, consistency } = receipt.final;
  const list = head.revocations;
  const unrevoked = verifyNotRevoked(crypto, statement.header.kid, { list, evidence });
  if (!unrevoked.ok) {
    const { fault } = unrevoked;
    if (fault.code !== "REVOCATION_KEY_REVOKED") return unrevoked;
    return err({ ...fault, sealed: head.seal.notAfter });
  }
  const checkpoint =
    "position" in claims && "checkpoint" in claims.position
      ? claims.position.checkpoint
      : undefined;
  if (checkpoint === undefined && consistency !== undefined)
    return err({ code: "RECEIPT_CONSISTENCY_UNEXPECTED" });
  if (checkpoint !== undefined) {
    if (consistency === undefined) return err({ code: "RECEIPT_CONSISTENCY_MISSING" });
    const grown = verifyConsistency(
      treeHasher((bytes) => crypto.sha256(bytes)),
      {
        size1: checkpoint.size,
        root1: checkpoint.root,
        size2: head.seal.head.size,
        root2: head.seal.head.root,
        path: consistency,
      },
    );
    if (!grown.ok) return err({ code: "RECEIPT_CONSISTENCY_WRONG", cause: grown.fault });
  }
  const { revokedKeys } = unrevoked.value;
  return ok({ head, notAfter: head.seal.notAfter, revokedKeys });
}
