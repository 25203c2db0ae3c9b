/** Why a ledger refuses a transaction: one stable code a reason. */

import type { ConsistencyFault } from "../log/consistency-proof.ts";
import type { ChainFault } from "../receipt/certificate-chain.ts";
import type { TrustPolicyFault } from "../receipt/trust-policy.ts";
import type { GatewayFault } from "../receipt/verify-gateway.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { GovernedKind } from "../wire/governance-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { SignatureFault, StatementFault, StatementType } from "../wire/statement.ts";
import type { ApprovalFault, OfficerFault } from "./officer.ts";

/** Which transaction it cannot be, in this state or in any. */
export type TransactionFault =
  | StatementFault
  | FieldFault
  | SignatureFault
  | GatewayFault
  | { readonly code: "TRANSACTION_OTHER_CHANNEL"; readonly channel: string }
  | { readonly code: "TRANSACTION_SUBJECT_WRONG"; readonly subject: string }
  | { readonly code: "TRANSACTION_TYPE_REFUSED"; readonly type: StatementType }
  | { readonly code: "CHANNEL_ALREADY_OPEN" }
  | LaneFault
  | LaneProofFault
  | DeviceFault
  | MembersFault
  | AnchorFault
  | OfficerFault
  | ApprovalFault
  /** The key stands in the list already, and this would not make it worse. */
  | { readonly code: "KEY_REVOKED"; readonly revoked: RevokedKey }
  | { readonly code: "REVOCATIONS_FULL"; readonly limit: number };

export type LaneFault =
  | { readonly code: "LANE_UNKNOWN" }
  | { readonly code: "LANE_OPEN_OTHER_CHANNEL" }
  /** Another organisation's CA vouches for this gateway than when its first lane was opened. */
  | { readonly code: "LANE_OTHER_ORGANISATION" }
  | { readonly code: "LANE_INCARNATION_USED" }
  | { readonly code: "LANE_INCARNATION_NOT_OPEN" }
  /** `head` is what had to be named; absent where no lane had been open. */
  | { readonly code: "LANE_PREDECESSOR_MISMATCH"; readonly head?: TreeHead }
  | { readonly code: "LANE_KEY_REVOKED" }
  /** The gateway's organisation is no member any more. */
  | { readonly code: "LANE_ORGANISATION_LEFT" }
  | { readonly code: "LANE_FROZEN" }
  | { readonly code: "LANES_FULL"; readonly limit: number }
  | { readonly code: "LANE_OPENINGS_FULL"; readonly limit: number }
  | { readonly code: "LANE_HEAD_TOO_LARGE"; readonly limit: bigint }
  | { readonly code: "LANE_HEAD_NOT_GROWN"; readonly size: bigint; readonly last: bigint }
  /** Same size, other root, both signed by the gateway: what a lane-fault proves. */
  | { readonly code: "LANE_HEAD_INCONSISTENT"; readonly head: TreeHead }
  /** The head names another revocation list than `current`; the gateway makes a new one. */
  | { readonly code: "LANE_HEAD_STALE_REVOCATIONS"; readonly current: TreeHead }
  | {
      readonly code: "LANE_HEAD_PROOF_WRONG";
      readonly cause: ConsistencyFault;
      /** The last ordered head, from which the proof has to start. */
      readonly last: TreeHead;
    };

/** Why a lane-fault freezes nothing. */
export type LaneProofFault =
  | {
      readonly code: "LANE_FAULT_STATEMENT_BAD";
      readonly position: number;
      readonly cause: StatementFault | FieldFault;
    }
  /** Of another gateway or channel, of two incarnations, or of one that was never opened. */
  | { readonly code: "LANE_FAULT_OTHER_LANE" }
  /** Of a lane that is closed, and the certificate of its key is not there. */
  | { readonly code: "LANE_FAULT_KEY_MISSING" }
  | {
      readonly code: "LANE_FAULT_SIGNATURE_WRONG";
      readonly position: number;
      readonly cause: SignatureFault;
    }
  | { readonly code: "LANE_FAULT_NOT_PROVEN" };

export type DeviceFault =
  /** The device or the key is another organisation's. */
  | { readonly code: "DEVICE_OTHER_ORGANISATION"; readonly organisation: Identifier }
  | { readonly code: "DEVICE_CHAIN_BAD"; readonly cause: ChainFault }
  /** The certificate is not of this device, key and kind, or is not the one that the statement names. */
  | { readonly code: "DEVICE_CERTIFICATE_MISMATCH" }
  | { readonly code: "DEVICE_KEY_OF_OTHER"; readonly device: Identifier }
  /** The device has this very certificate. */
  | { readonly code: "DEVICE_KEY_KNOWN" }
  | { readonly code: "DEVICES_FULL"; readonly limit: number }
  | { readonly code: "DEVICE_KEYS_FULL"; readonly limit: number };

export type MembersFault =
  | { readonly code: "POLICY_NOT_NEXT"; readonly last: bigint }
  | { readonly code: "POLICY_RULE_REPEATED" }
  /** More organisations would have to approve than there are. */
  | { readonly code: "POLICY_UNATTAINABLE"; readonly governed: GovernedKind }
  /** A change is ordered, and its boundary block comes first. */
  | { readonly code: "MEMBERS_CHANGE_PENDING" }
  | { readonly code: "EPOCH_NOT_NEXT"; readonly next: number }
  | { readonly code: "MEMBERS_CA_MISSING"; readonly name: string }
  | { readonly code: "MEMBERS_WRONG"; readonly cause: TrustPolicyFault }
  /** By no validator of the set, out of order or repeated, or not a signature over the set. */
  | { readonly code: "READINESS_WRONG"; readonly position: number }
  | { readonly code: "READINESS_TOO_FEW"; readonly have: number; readonly needed: number };

export type AnchorFault =
  /** Of more than the log held before it, or of nothing. */
  | { readonly code: "ANCHOR_BEYOND_LOG"; readonly size: bigint }
  | { readonly code: "ANCHOR_NOT_NEWER"; readonly last: bigint }
  | { readonly code: "ANCHOR_TARGETS_FULL"; readonly limit: number };
