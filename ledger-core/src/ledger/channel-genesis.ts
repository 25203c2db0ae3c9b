/** The first leaf of a channel's log: who the channel is, whose CAs it trusts, who seals it. Pure. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { quorumOf } from "../base/quorum.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { VerifiedRecovery } from "../receipt/recovery.ts";
import type { TrustPolicy, TrustPolicyFault } from "../receipt/trust-policy.ts";
import { judgeTrustPolicy } from "../receipt/trust-policy.ts";
import type { ChannelOpenClaims } from "../wire/channel-claims.ts";
import { parseChannelClaims } from "../wire/channel-claims.ts";
import { identityOf } from "../wire/cose.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { StatementFault } from "../wire/statement.ts";
import { parseStatement, verifyStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";

/** Which channel, and which opening of it. */
export type ChannelIdentity = {
  readonly consortium: Identifier;
  readonly channel: Identifier;
  /** 16 random bytes, new when the channel was opened anew. */
  readonly incarnation: Uint8Array;
  /** Identity of the channel-open statement. */
  readonly id: Digest;
  /** The name of the channel's log, in notes and signatures. */
  readonly origin: string;
};

/** A judged channel-open or recovery; only {@link judgeGenesis} and `recoveredGenesis` make it. */
export type ChannelGenesis = {
  readonly identity: ChannelIdentity;
  readonly claims: ChannelOpenClaims;
  /** What a receipt verifier needs to trust this channel: the content of `trust.json`. */
  readonly policy: TrustPolicy;
  /** Of a channel that was begun by its organisations after another had lost its quorum. */
  readonly recovery?: VerifiedRecovery;
};

export type GenesisFault =
  | StatementFault
  | FieldFault
  | TrustPolicyFault
  | { readonly code: "GENESIS_NOT_CHANNEL_OPEN" }
  | { readonly code: "GENESIS_CA_MISSING"; readonly name: string }
  | { readonly code: "GENESIS_CA_MISMATCH"; readonly name: string }
  | { readonly code: "GENESIS_ISSUER_UNKNOWN"; readonly name: string }
  | { readonly code: "GENESIS_SIGNATURE_WRONG" };

/**
 * Judges the transaction that opens a channel. It is signed by the CA key of one of the organisations
 * that it names, and carries all their CA certificates, in its order.
 *
 * Faults: CBOR_*, COSE_*, FIELD_*, STATEMENT_*, TRUST_*, GENESIS_*.
 */
export function judgeGenesis(
  crypto: CryptoPort,
  transaction: Transaction,
): Result<ChannelGenesis, GenesisFault> {
  const parsed = parseStatement(transaction.statement);
  if (!parsed.ok) return parsed;
  const { header, part } = parsed.value;
  if (header.type !== "channel-open" || header.subject !== "channel")
    return err({ code: "GENESIS_NOT_CHANNEL_OPEN" });
  const opened = parseChannelClaims("channel-open", parsed.value.claims);
  if (!opened.ok) return opened;
  const claims = opened.value;
  const organisations = pairWithCas(crypto, claims, transaction.certificates);
  if (!organisations.ok) return organisations;
  const id = identityOf((bytes) => crypto.sha256(bytes), part);
  const policy = judgeTrustPolicy({
    consortium: claims.consortium,
    channel: header.channel,
    channelId: id,
    channelIncarnation: claims.incarnation,
    reopened: claims.predecessor !== undefined,
    organisations: organisations.value,
    validators: claims.validators,
    quorum: quorumOf(claims.validators.length),
    ...(claims.secondKeys === undefined
      ? {}
      : { mlDsa44: { required: false, keys: claims.secondKeys } }),
  });
  if (!policy.ok) return policy;
  const issuers = policy.value.trustedCas.filter((ca) => ca.name === header.issuer);
  if (issuers.length === 0) return err({ code: "GENESIS_ISSUER_UNKNOWN", name: header.issuer });
  if (!issuers.some((ca) => verifyStatement(crypto, parsed.value, ca.certificate.publicKey).ok))
    return err({ code: "GENESIS_SIGNATURE_WRONG" });
  const { consortium, incarnation } = claims;
  const { origin } = policy.value;
  const identity = { consortium, channel: header.channel, incarnation, id, origin };
  return ok({ identity, claims, policy: policy.value });
}

/** The statement names each CA by its digest; the certificates beside it must be exactly those. */
function pairWithCas(
  crypto: CryptoPort,
  claims: ChannelOpenClaims,
  certificates: readonly Uint8Array[],
): Result<readonly { readonly name: Identifier; readonly ca: Uint8Array }[], GenesisFault> {
  const pairs: { readonly name: Identifier; readonly ca: Uint8Array }[] = [];
  for (const [index, { name, ca: digest }] of claims.organisations.entries()) {
    const ca = certificates[index];
    if (ca === undefined) return err({ code: "GENESIS_CA_MISSING", name });
    if (!equal(crypto.sha256(ca), digest)) return err({ code: "GENESIS_CA_MISMATCH", name });
    pairs.push({ name, ca });
  }
  assert(pairs.length === claims.organisations.length, "one CA for each organisation");
  return ok(pairs);
}
