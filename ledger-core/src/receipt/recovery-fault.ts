/** Why a recovery genesis does not count. */

import type { CborFault } from "../base/cbor.ts";
import type { FieldFault } from "../base/field-reader.ts";
import type { CertificateFault } from "../consensus/certificate.ts";
import type { StatementFault } from "../wire/statement.ts";
import type { CommitmentFault } from "./state-commitment.ts";
import type { TrustPolicyFault } from "./trust-policy.ts";
import type { SealFault } from "./verify-seal.ts";

export type RecoveryFault =
  | {
      readonly code: "RECOVERY_STATEMENT_MALFORMED";
      readonly cause: StatementFault | CborFault | FieldFault;
    }
  | { readonly code: "RECOVERY_NOT_ONE" }
  | { readonly code: "RECOVERY_OTHER_CHANNEL" }
  | { readonly code: "RECOVERY_OUT_OF_ORDER"; readonly found: number; readonly expected: number }
  | { readonly code: "RECOVERY_INCARNATION_USED" }
  | { readonly code: "RECOVERY_BLOCK_MALFORMED"; readonly cause: CborFault | FieldFault }
  | { readonly code: "RECOVERY_BLOCK_WRONG" }
  | { readonly code: "RECOVERY_BLOCK_NOT_FINAL" }
  | { readonly code: "RECOVERY_CERTIFICATE_WRONG"; readonly cause: CertificateFault }
  | { readonly code: "RECOVERY_WENT_BACK"; readonly size: bigint; readonly last: bigint }
  | { readonly code: "RECOVERY_BEFORE_BLOCK" }
  | { readonly code: "RECOVERY_NOT_SEALED"; readonly cause: SealFault }
  | { readonly code: "RECOVERY_STATE_WRONG" }
  | { readonly code: "RECOVERY_STATE_MALFORMED"; readonly cause: CommitmentFault }
  | { readonly code: "RECOVERY_CA_WRONG"; readonly name: string }
  | { readonly code: "RECOVERY_MEMBERS_WRONG"; readonly cause: TrustPolicyFault }
  /** The lost channel's own members are no policy: its state was never judged. */
  | { readonly code: "RECOVERY_OLD_MEMBERS_WRONG"; readonly cause: TrustPolicyFault }
  | { readonly code: "RECOVERY_SIGNER_UNKNOWN"; readonly name: string }
  | { readonly code: "RECOVERY_SIGNER_REPEATED"; readonly name: string }
  | { readonly code: "RECOVERY_SIGNATURE_WRONG"; readonly name: string }
  | { readonly code: "RECOVERY_APPROVAL_WRONG"; readonly position: number }
  | {
      readonly code: "RECOVERY_SIGNERS_TOO_FEW";
      readonly have: number;
      readonly needed: number;
    }
  /** Another one of the same lost channel is as good: its organisations began two channels. */
  | { readonly code: "RECOVERY_CONFLICT"; readonly size: bigint; readonly other: string };
