/** Verifies who a gateway is, and a statement that it signed: shared by heads, proofs and receipts. */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { RejectionClaims } from "../wire/gateway-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { SignatureFault, StatementFault } from "../wire/statement.ts";
import { parseStatement, verifyStatement } from "../wire/statement.ts";
import type { ChainFault, VerifiedChain } from "./certificate-chain.ts";
import { verifyChain } from "./certificate-chain.ts";
import { isCertificateOf } from "./certificate-names.ts";
import type { TrustPolicy } from "./trust-policy.ts";

/** A gateway of the policy's channel and its signing key; only {@link verifyGateway} makes it. */
export type VerifiedGateway = Brand<
  {
    readonly gateway: Identifier;
    readonly key: PublicKey;
    readonly organisation: Identifier;
    readonly validityNotes: VerifiedChain["validityNotes"];
  },
  "VerifiedGateway"
>;

export type GatewayFault =
  | { readonly code: "GATEWAY_CHAIN_BAD"; readonly cause: ChainFault }
  | { readonly code: "GATEWAY_NAME_MISMATCH" };

/**
 * Verifies that a signing certificate is this gateway's, under an organisation of the policy.
 *
 * @param chain DER, leaf first.
 * @param at when certificates are judged; expiry is noted, never a fault.
 * Faults: GATEWAY_CHAIN_BAD (with the chain's fault), GATEWAY_NAME_MISMATCH.
 */
export function verifyGateway(
  crypto: CryptoPort,
  policy: Pick<TrustPolicy, "channel" | "trustedCas">,
  evidence: {
    readonly gateway: Identifier;
    readonly chain: readonly Uint8Array[];
    readonly at?: UnixMillis | undefined;
  },
): Result<VerifiedGateway, GatewayFault> {
  const { gateway, chain, at } = evidence;
  const verified = verifyChain(crypto, chain, policy.trustedCas, { at });
  if (!verified.ok) return err({ code: "GATEWAY_CHAIN_BAD", cause: verified.fault });
  const { leaf, organisation, validityNotes } = verified.value;
  if (!isCertificateOf(leaf, "gateway", { channel: policy.channel, name: gateway }))
    return err({ code: "GATEWAY_NAME_MISMATCH" });
  const { publicKey: key } = leaf;
  return ok(mint<VerifiedGateway>({ gateway, key, organisation, validityNotes }));
}

export type RejectionFault =
  | { readonly code: "REJECTION_MALFORMED"; readonly cause: StatementFault | FieldFault }
  | { readonly code: "REJECTION_NOT_BY_GATEWAY" }
  | { readonly code: "REJECTION_SIGNATURE_WRONG"; readonly cause: SignatureFault };

/**
 * Verifies a rejection that came inside a proof: that this gateway signed it for this channel. That it
 * stands in the lane is the proof's matter. Faults: REJECTION_*.
 */
export function verifyRejection(
  crypto: CryptoPort,
  policy: TrustPolicy,
  { gateway, rejection }: { readonly gateway: VerifiedGateway; readonly rejection: Uint8Array },
): Result<RejectionClaims, RejectionFault> {
  const statement = parseStatement(rejection);
  if (!statement.ok) return err({ code: "REJECTION_MALFORMED", cause: statement.fault });
  const { header, claims } = statement.value;
  if (
    header.type !== "rejection" ||
    header.channel !== policy.channel ||
    header.issuer !== gateway.gateway
  )
    return err({ code: "REJECTION_NOT_BY_GATEWAY" });
  const signed = verifyStatement(crypto, statement.value, gateway.key);
  if (!signed.ok) return err({ code: "REJECTION_SIGNATURE_WRONG", cause: signed.fault });
  const parsed = parseGatewayClaims("rejection", claims);
  return parsed.ok ? parsed : err({ code: "REJECTION_MALFORMED", cause: parsed.fault });
}
