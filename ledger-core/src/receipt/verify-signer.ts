/** Verifies who signed the statement that a receipt is about: a device, or the gateway that refused or judged. */

import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { ParsedStatement, SignatureFault } from "../wire/statement.ts";
import { verifyStatement } from "../wire/statement.ts";
import type { ChainFault, ValidityNote } from "./certificate-chain.ts";
import { verifyChain } from "./certificate-chain.ts";
import type { KeyKind } from "./certificate-names.ts";
import { isCertificateOf, keyKindOf } from "./certificate-names.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { VerifiedGateway } from "./verify-gateway.ts";

/** Who signed the statement, by the certificate chain in the receipt. */
export type VerifiedSigner = {
  readonly role: "device" | "gateway";
  readonly name: Identifier;
  readonly organisation: Identifier;
  /** Where the key lives, as the CA states it; absent where it does not. */
  readonly keyKind?: KeyKind;
  readonly validityNotes: readonly ValidityNote[];
};

export type SignerFault =
  | { readonly code: "RECEIPT_CHAIN_BAD"; readonly cause: ChainFault }
  | { readonly code: "RECEIPT_NAME_MISMATCH" }
  | { readonly code: "RECEIPT_SIGNATURE_WRONG"; readonly cause: SignatureFault };

/**
 * Verifies whose statement it is: the chain, the name in the certificate, and the signature.
 * @param at when certificates are judged; expiry is noted. Faults: RECEIPT_*.
 */
export function verifySigner(
  crypto: CryptoPort,
  policy: TrustPolicy,
  {
    statement,
    chain,
    gateway,
    at,
  }: {
    readonly statement: ParsedStatement;
    readonly chain: readonly Uint8Array[];
    readonly gateway: VerifiedGateway;
    readonly at: UnixMillis | undefined;
  },
): Result<VerifiedSigner, SignerFault> {
  const { channel, issuer: name, type } = statement.header;
  const role = type === "rejection" || type === "result" ? "gateway" : "device";
  const verified = verifyChain(crypto, chain, policy.trustedCas, { at });
  if (!verified.ok) return err({ code: "RECEIPT_CHAIN_BAD", cause: verified.fault });
  const { leaf, organisation, validityNotes } = verified.value;
  // A gateway refuses and judges in its own lane only.
  const foreign = role === "gateway" && name !== gateway.gateway;
  if (foreign || !isCertificateOf(leaf, role, { channel, name }))
    return err({ code: "RECEIPT_NAME_MISMATCH" });
  const signed = verifyStatement(crypto, statement, leaf.publicKey);
  if (!signed.ok) return err({ code: "RECEIPT_SIGNATURE_WRONG", cause: signed.fault });
  const keyKind = keyKindOf(leaf);
  return ok({ role, name, organisation, ...(keyKind && { keyKind }), validityNotes });
}
