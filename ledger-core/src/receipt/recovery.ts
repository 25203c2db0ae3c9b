/**
 * A recovery genesis: organisations whose channel lost its quorum for ever begin the next one where it was
 * sealed last. Verified from what the trust policy leads to: the seal, the block, its state, and in that
 * state whose CA keys had to sign.
 */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { quorumOf } from "../base/quorum.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Header } from "../consensus/block.ts";
import { parseHeader } from "../consensus/block.ts";
import type { CertificateFault } from "../consensus/certificate.ts";
import { verifyCertificate } from "../consensus/certificate.ts";
import type { ValidatorSet } from "../consensus/validator-set.ts";
import { identityOf } from "../wire/cose.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { RecoveryClaims } from "../wire/recovery-claims.ts";
import { parseRecoveryClaims } from "../wire/recovery-claims.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { parseTransaction } from "../wire/transaction.ts";
import type { EpochChain } from "./epoch-chain.ts";
import type { RecoveryProof } from "./epochs-file.ts";
import type { RecoveryFault } from "./recovery-fault.ts";
import type { RecoverySigners } from "./recovery-signers.ts";
import { judgeSigners } from "./recovery-signers.ts";
import type { CommittedGovernance } from "./state-commitment.ts";
import { parseStateCommitment } from "./state-commitment.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { judgeTrustPolicy } from "./trust-policy.ts";
import { attributeSeals } from "./verify-seal.ts";

/** A recovery whose every part is good; only {@link verifyRecovery} makes it. */
export type VerifiedRecovery = Brand<
  {
    /** Identity of its statement: the id of the channel that it begins. */
    readonly id: Digest;
    readonly claims: RecoveryClaims;
    readonly transaction: Transaction;
    /** Header's time of the block that it names. */
    readonly blockAt: UnixMillis;
    /** Members and rules of the lost channel after that block. */
    readonly before: CommittedGovernance;
    /** The trust policy of the channel that it begins. */
    readonly policy: TrustPolicy;
    readonly signers: RecoverySigners;
  },
  "VerifiedRecovery"
>;

/** Where the walk over a channel stands when it is lost. */
export type LostChannel = {
  /** Its own: of the file where the walk began, or of the recovery before. */
  readonly policy: TrustPolicy;
  /** Recoveries before. */
  readonly ordinal: number;
  readonly set: ValidatorSet;
  /** Its epochs alone. */
  readonly epochs: EpochChain;
  /** Of the boundary that began the present epoch; the channel's id in epoch 0. */
  readonly previous: Digest;
  readonly height: number;
  readonly from: bigint;
};

/**
 * Verifies a recovery against the channel that it names as lost.
 *
 * Faults: RECOVERY_*, where RECOVERY_SIGNERS_TOO_FEW comes last: all else is good then.
 */
export function verifyRecovery(
  crypto: CryptoPort,
  lost: LostChannel,
  proof: RecoveryProof,
): Result<VerifiedRecovery, RecoveryFault> {
  const read = readRecovery(proof);
  if (!read.ok) return read;
  const { transaction, statement, claims } = read.value;
  const named = judgeNames(lost, statement, claims);
  if (named !== undefined) return err(named);
  const block = judgeBlock(crypto, lost, { claims, proof });
  if (!block.ok) return block;
  const { head, seals } = claims;
  const sealed = attributeSeals(crypto, lost.policy, { ...head, seals }, lost.epochs);
  if (!sealed.ok) return err({ code: "RECOVERY_NOT_SEALED", cause: sealed.fault });
  if (!equal(crypto.sha256(proof.state), claims.block.stateRoot))
    return err({ code: "RECOVERY_STATE_WRONG" });
  const before = parseStateCommitment(proof.state, claims.lost);
  if (!before.ok) return err({ code: "RECOVERY_STATE_MALFORMED", cause: before.fault });
  const id = identityOf((bytes) => crypto.sha256(bytes), statement.part);
  const policy = judgeMembers(crypto, lost.policy, { id, claims, transaction });
  if (!policy.ok) return policy;
  const signers = judgeSigners(crypto, {
    trust: before.value,
    lost: lost.policy,
    id,
    statement,
    transaction,
  });
  if (!signers.ok) return signers;
  return ok(
    mint<VerifiedRecovery>({
      id,
      claims,
      transaction,
      blockAt: block.value.time,
      before: before.value,
      policy: policy.value,
      signers: signers.value,
    }),
  );
}

/** What a recovery states, its signatures not checked. Faults: RECOVERY_STATEMENT_MALFORMED. */
export function readRecovery({ recovery }: Pick<RecoveryProof, "recovery">): Result<
  {
    readonly transaction: Transaction;
    readonly statement: ParsedStatement;
    readonly claims: RecoveryClaims;
  },
  Extract<RecoveryFault, { readonly code: "RECOVERY_STATEMENT_MALFORMED" | "RECOVERY_NOT_ONE" }>
> {
  const transaction = parseTransaction(recovery);
  if (!transaction.ok)
    return err({ code: "RECOVERY_STATEMENT_MALFORMED", cause: transaction.fault });
  const statement = parseStatement(transaction.value.statement);
  if (!statement.ok) return err({ code: "RECOVERY_STATEMENT_MALFORMED", cause: statement.fault });
  const { type, subject } = statement.value.header;
  if (type !== "channel-recovery" || subject !== "channel" || hasPath(transaction.value))
    return err({ code: "RECOVERY_NOT_ONE" });
  const claims = parseRecoveryClaims(statement.value.claims);
  if (!claims.ok) return err({ code: "RECOVERY_STATEMENT_MALFORMED", cause: claims.fault });
  return ok({ transaction: transaction.value, statement: statement.value, claims: claims.value });
}

function hasPath({ consistency }: Transaction): boolean {
  return consistency.length > 0;
}

function judgeNames(
  { policy, ordinal }: LostChannel,
  { header }: ParsedStatement,
  claims: RecoveryClaims,
): RecoveryFault | undefined {
  const isOfChannel =
    claims.consortium === policy.consortium &&
    header.channel === policy.channel &&
    equal(claims.lost, policy.channelId);
  if (!isOfChannel) return { code: "RECOVERY_OTHER_CHANNEL" };
  const expected = ordinal + 1;
  if (claims.ordinal !== expected)
    return { code: "RECOVERY_OUT_OF_ORDER", found: claims.ordinal, expected };
  if (equal(claims.incarnation, policy.channelIncarnation))
    return { code: "RECOVERY_INCARNATION_USED" };
  return undefined;
}

/** That the block is the lost channel's, final, of the log that was sealed, and not before its last boundary. */
function judgeBlock(
  crypto: CryptoPort,
  lost: LostChannel,
  { claims, proof }: { readonly claims: RecoveryClaims; readonly proof: RecoveryProof },
): Result<Header, RecoveryFault> {
  const headers: Header[] = [];
  let digest: Digest | undefined;
  for (const bytes of proof.headers) {
    const parsed = parseHeader(bytes);
    if (!parsed.ok) return err({ code: "RECOVERY_BLOCK_MALFORMED", cause: parsed.fault });
    const header = parsed.value;
    const follows = digest === undefined || equal(header.parentDigest, digest);
    if (!follows || !equal(header.channel, claims.lost))
      return err({ code: "RECOVERY_BLOCK_WRONG" });
    headers.push(header);
    digest = crypto.sha256(bytes);
  }
  const [first] = headers;
  const last = headers.at(-1);
  if (first === undefined || last === undefined || digest === undefined)
    return err({ code: "RECOVERY_BLOCK_WRONG" });
  const fault =
    judgeNamed(crypto, claims, { header: first, bytes: proof.headers[0] }) ??
    judgeFinality(crypto, lost, { last, digest, proof });
  if (fault !== undefined) return err(fault);
  if (first.height < lost.height || first.logSize < lost.from)
    return err({ code: "RECOVERY_WENT_BACK", size: first.logSize, last: lost.from });
  if (claims.at < first.time) return err({ code: "RECOVERY_BEFORE_BLOCK" });
  return ok(first);
}

function judgeNamed(
  crypto: CryptoPort,
  { head, block }: RecoveryClaims,
  { header, bytes }: { readonly header: Header; readonly bytes: Uint8Array | undefined },
): RecoveryFault | undefined {
  const isNamed =
    bytes !== undefined &&
    equal(crypto.sha256(bytes), block.digest) &&
    header.height === block.height &&
    equal(header.stateRoot, block.stateRoot) &&
    header.logSize === head.size &&
    equal(header.logRoot, head.root);
  return isNamed ? undefined : { code: "RECOVERY_BLOCK_WRONG" };
}

/** By the validators of the epoch that it is of; the boundary that began the present one is final already. */
function judgeFinality(
  crypto: CryptoPort,
  lost: LostChannel,
  {
    last,
    digest,
    proof,
  }: { readonly last: Header; readonly digest: Digest; readonly proof: RecoveryProof },
): RecoveryFault | undefined {
  if (equal(digest, lost.previous)) return undefined;
  const { ballot } = proof.finalization;
  const finalizes = ballot.kind === "finalize" && equal(ballot.digest, digest);
  if (!finalizes || last.epoch !== lost.set.epoch) return { code: "RECOVERY_BLOCK_NOT_FINAL" };
  const at = { channel: lost.policy.channelId, validators: lost.set };
  const verified = verifyCertificate(crypto, at, proof.finalization);
  const wrong = (cause: CertificateFault) =>
    ({ code: "RECOVERY_CERTIFICATE_WRONG", cause }) as const;
  return verified.ok ? undefined : wrong(verified.fault);
}

/** The new members, with exactly the CA certificates that the statement names, as a trust policy. */
function judgeMembers(
  crypto: CryptoPort,
  { consortium, channel }: TrustPolicy,
  given: {
    readonly id: Digest;
    readonly claims: RecoveryClaims;
    readonly transaction: Transaction;
  },
): Result<TrustPolicy, RecoveryFault> {
  const { id, claims, transaction } = given;
  const { certificates } = transaction;
  const pairs: { readonly name: Identifier; readonly ca: Uint8Array }[] = [];
  for (const [index, { name, ca: digest }] of claims.organisations.entries()) {
    const ca = certificates[index];
    if (ca === undefined || !equal(crypto.sha256(ca), digest))
      return err({ code: "RECOVERY_CA_WRONG", name });
    pairs.push({ name, ca });
  }
  if (certificates.length > pairs.length) return err({ code: "RECOVERY_CA_WRONG", name: "" });
  const policy = judgeTrustPolicy({
    consortium,
    channel,
    channelId: id,
    channelIncarnation: claims.incarnation,
    reopened: true,
    organisations: pairs,
    validators: claims.validators,
    quorum: quorumOf(claims.validators.length),
  });
  return policy.ok ? policy : err({ code: "RECOVERY_MEMBERS_WRONG", cause: policy.fault });
}
