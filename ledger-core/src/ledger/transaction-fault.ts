/** Why a ledger refuses a transaction: one stable code a reason. */

import type { ConsistencyFault } from "../log/consistency-proof.ts";
import type { GatewayFault } from "../receipt/verify-gateway.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { SignatureFault, StatementFault, StatementType } from "../wire/statement.ts";

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
  | { readonly code: "ORGANISATION_UNKNOWN"; readonly name: string }
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
  | { readonly code: "LANE_FROZEN" }
  | { readonly code: "LANES_FULL"; readonly limit: number }
  | { readonly code: "LANE_OPENINGS_FULL"; readonly limit: number }
  | { readonly code: "LANE_HEAD_TOO_LARGE"; readonly limit: bigint }
  | { readonly code: "LANE_HEAD_NOT_GROWN"; readonly size: bigint; readonly last: bigint }
  /** Same size, other root, both signed by the gateway: its lane is frozen. */
  | { readonly code: "LANE_HEAD_INCONSISTENT"; readonly head: TreeHead }
  /** The head names another revocation list than `current`; the gateway makes a new one. */
  | { readonly code: "LANE_HEAD_STALE_REVOCATIONS"; readonly current: TreeHead }
  | {
      readonly code: "LANE_HEAD_PROOF_WRONG";
      readonly cause: ConsistencyFault;
      /** The last ordered head, from which the proof has to start. */
      readonly last: TreeHead;
    };
