/** What an organisation adds to a proposal, and what the channel would say of it now. */

import { present } from "@tamga/ledger-core/base/assert";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { approvalBytes, approvalsNeeded } from "@tamga/ledger-core/consensus/approval";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { ChannelState } from "@tamga/ledger-core/ledger/channel-state";
import type { CaSigner } from "@tamga/ledger-core/ledger/create-channel";
import { channelSubject } from "@tamga/ledger-core/ledger/create-channel";
import { trustWith, unattainableRule } from "@tamga/ledger-core/ledger/governance";
import { judgeTransaction } from "@tamga/ledger-core/ledger/judge-transaction";
import type { TransactionFault } from "@tamga/ledger-core/ledger/transaction-fault";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { DeviceClaims } from "@tamga/ledger-core/wire/channel-claims";
import { encodeChannelClaims } from "@tamga/ledger-core/wire/channel-claims";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import type { GovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import { encodeGovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { ParsedStatement } from "@tamga/ledger-core/wire/statement";
import {
  finishStatement,
  parseStatement,
  prepareStatement,
} from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import type { MembersDraft } from "./proposal-file.ts";

const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);

/** An organisation that signs: its name, its CA's key, and the channel that it speaks of. */
export type Speaker = {
  readonly signer: CaSigner;
  readonly organisation: Identifier;
  readonly channel: Identifier;
  readonly at: UnixMillis;
};

/** Exact bytes of a statement by the organisation's CA key. */
export async function stateAs(
  speaker: Speaker,
  claims: GovernanceClaims | DeviceClaims,
): Promise<Uint8Array> {
  const { signer, organisation, channel, at } = speaker;
  const unsigned = prepareStatement(
    {
      algorithm: signer.publicKey.algorithm,
      kid: thumbprint(sha256, signer.publicKey),
      type: claims.kind,
      channel,
      issuer: organisation,
      subject: channelSubject,
      issuedAt: Math.floor(at / 1_000),
    },
    claims.kind === "device" ? encodeChannelClaims(claims) : encodeGovernanceClaims(claims),
  );
  return finishStatement(unsigned, await signer.sign(unsigned.toBeSigned));
}

/** Adds the signature of a validator of the new set: it is ready. The same again changes nothing. */
export function addReadiness(
  draft: MembersDraft,
  channelId: Parameters<typeof approvalBytes>[1],
  { name, key }: { readonly name: Identifier; readonly key: ValidatorKey },
): MembersDraft | undefined {
  const index = draft.validators.findIndex(
    (validator) => validator.name === name && equal(validator.publicKey, key.publicKey),
  );
  if (index < 0) return undefined;
  if (draft.readiness.some((one) => one.index === index)) return draft;
  const signature = key.sign(approvalBytes(nodeCrypto, channelId, draft));
  const readiness = [...draft.readiness, { index, signature }].sort((a, b) => a.index - b.index);
  return { ...draft, readiness };
}

export function isReady({ validators, readiness }: MembersDraft): boolean {
  return readiness.length >= approvalsNeeded(validators.length);
}

/** Signs a draft that is ready: the transaction that the others approve. */
export async function signDraft(
  speaker: Speaker,
  state: ChannelState,
  { epoch, validators, organisations, readiness }: MembersDraft,
): Promise<Transaction> {
  const { at } = speaker;
  const named = organisations.map(({ name, ca }) => ({ name, ca: sha256(ca) }));
  const statement = await stateAs(speaker, {
    kind: "validators",
    epoch,
    validators,
    organisations: named,
    readiness,
    at,
  });
  const held = (name: string, ca: Uint8Array) =>
    state.trust.organisations.some((known) => known.name === name && equal(known.ca, ca));
  const certificates = organisations.filter(({ name, ca }) => !held(name, ca)).map(({ ca }) => ca);
  return { statement, consistency: [], certificates };
}

/** What the channel would refuse in a draft, whoever signs it. */
export function judgeDraft(
  state: ChannelState,
  { epoch, validators, organisations, readiness }: MembersDraft,
): TransactionFault | undefined {
  const { governance, trust, context } = state;
  if (governance.pending !== undefined) return { code: "MEMBERS_CHANGE_PENDING" };
  if (epoch !== governance.epoch + 1) return { code: "EPOCH_NOT_NEXT", next: governance.epoch + 1 };
  const next = trustWith(trust, { organisations, validators });
  if (!next.ok) return { code: "MEMBERS_WRONG", cause: next.fault };
  const hopeless = unattainableRule(governance.rules, next.value);
  if (hopeless !== undefined) return { code: "POLICY_UNATTAINABLE", governed: hopeless.governed };
  const { id } = context.genesis.identity;
  const message = approvalBytes(nodeCrypto, id, { epoch, validators });
  const position = readiness.findIndex(({ index, signature }) => {
    const point = validators[index]?.publicKey;
    return (
      point === undefined || !nodeCrypto.verify({ algorithm: "EdDSA", point }, message, signature)
    );
  });
  return position < 0 ? undefined : { code: "READINESS_WRONG", position };
}

/** Adds an organisation's approval; the same again, or by who signed the statement, changes nothing. */
export async function addApproval(
  speaker: Speaker,
  transaction: Transaction,
): Promise<Transaction> {
  const { approvals = [] } = transaction;
  const parsed = parsedStatement(transaction);
  const isThere = [transaction.statement, ...approvals.map(({ statement }) => statement)].some(
    (statement) => issuerOf(statement) === speaker.organisation,
  );
  if (isThere) return transaction;
  const approved = identityOf(sha256, parsed.part);
  const statement = await stateAs(speaker, { kind: "approval", approved, at: speaker.at });
  return { ...transaction, approvals: [...approvals, { statement, certificates: [] }] };
}

/** As the next block would judge it. Faults: those of the ledger, APPROVALS_TOO_FEW while some are missing. */
export function judgeProposed(
  state: ChannelState,
  transaction: Transaction,
  { time, size }: { readonly time: UnixMillis; readonly size: number },
): Result<unknown, TransactionFault> {
  const given = { transaction, time, index: BigInt(size) };
  return judgeTransaction(state, parsedStatement(transaction), given);
}

/** Organisations that have signed: who stated it first. */
export function signersOf({ statement, approvals = [] }: Transaction): readonly string[] {
  return [statement, ...approvals.map((approval) => approval.statement)].map(issuerOf);
}

export function parsedStatement({ statement }: Transaction): ParsedStatement {
  const parsed = parseStatement(statement);
  return present(parsed.ok ? parsed.value : undefined, "statement of a proposal that was judged");
}

/** Hexadecimal of what the statement is known by in the channel. */
export function identityHex(transaction: Transaction): string {
  return toHex(identityOf(sha256, parsedStatement(transaction).part));
}

function issuerOf(statement: Uint8Array): string {
  const parsed = parseStatement(statement);
  return parsed.ok ? parsed.value.header.issuer : "?";
}
