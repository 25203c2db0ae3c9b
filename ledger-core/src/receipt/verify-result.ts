/** Verifies what a gateway says that it concluded of a device: its statement, and the EAR in it (WIRE.md §19.5). */

import type { Digest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { AttestationResult, ResultFault } from "../wire/attestation-result.ts";
import { overallTier, verifyResult } from "../wire/attestation-result.ts";
import { identityOf } from "../wire/cose.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { ResultClaims } from "../wire/gateway-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import type { SignatureFault, StatementFault } from "../wire/statement.ts";
import { parseStatement, verifyStatement } from "../wire/statement.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { VerifiedGateway } from "./verify-gateway.ts";

export type ResultEarFault =
  /** The EAR is not good, or not by the key that signed the statement around it. */
  | { readonly code: "RESULT_EAR_BAD"; readonly cause: ResultFault }
  /** The EAR is of another device, or concludes something else than the statement says. */
  | { readonly code: "RESULT_EAR_OTHER" };

export type ResultStatementFault =
  | ResultEarFault
  | { readonly code: "RESULT_MALFORMED"; readonly cause: StatementFault | FieldFault }
  | { readonly code: "RESULT_NOT_BY_GATEWAY" }
  | { readonly code: "RESULT_STATEMENT_SIGNATURE_WRONG"; readonly cause: SignatureFault };

/**
 * Verifies a result that came by itself: that this gateway signed it for this channel, and its EAR with the
 * same key. That it stands in the lane is a receipt's matter; that the evidence is as good as it says nobody
 * can see from it alone. Faults: RESULT_*.
 */
export function verifyResultStatement(
  crypto: CryptoPort,
  policy: Pick<TrustPolicy, "channel">,
  { gateway, result }: { readonly gateway: VerifiedGateway; readonly result: Uint8Array },
): Result<{ readonly claims: ResultClaims; readonly identity: Digest }, ResultStatementFault> {
  const statement = parseStatement(result);
  if (!statement.ok) return err({ code: "RESULT_MALFORMED", cause: statement.fault });
  const { header, part } = statement.value;
  if (
    header.type !== "result" ||
    header.channel !== policy.channel ||
    header.issuer !== gateway.gateway
  )
    return err({ code: "RESULT_NOT_BY_GATEWAY" });
  const signed = verifyStatement(crypto, statement.value, gateway.key);
  if (!signed.ok) return err({ code: "RESULT_STATEMENT_SIGNATURE_WRONG", cause: signed.fault });
  const claims = parseGatewayClaims("result", statement.value.claims);
  if (!claims.ok) return err({ code: "RESULT_MALFORMED", cause: claims.fault });
  const ear = verifyEar(crypto, gateway, claims.value);
  if (!ear.ok) return ear;
  return ok({ claims: claims.value, identity: identityOf((bytes) => crypto.sha256(bytes), part) });
}

/** The EAR of a result whose statement is this gateway's; undefined where its state has none. */
export function verifyEar(
  crypto: CryptoPort,
  gateway: Pick<VerifiedGateway, "key">,
  claims: ResultClaims,
): Result<AttestationResult | undefined, ResultEarFault> {
  if (claims.result === undefined) return ok(undefined);
  const ear = verifyResult(crypto, gateway.key, claims.result);
  if (!ear.ok) return err({ code: "RESULT_EAR_BAD", cause: ear.fault });
  const { device, modules } = ear.value;
  const isSame = device === claims.device && overallTier(modules) === claims.state;
  return isSame ? ear : err({ code: "RESULT_EAR_OTHER" });
}
