/** A channel of several organisations in memory: who signs, approves and is ready, and its application. */

import { randomBytes } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { approvalBytes } from "@tamga/ledger-core/consensus/approval";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { ChannelState } from "@tamga/ledger-core/ledger/channel-state";
import { createChannel } from "@tamga/ledger-core/ledger/create-channel";
import { LedgerApplication } from "@tamga/ledger-core/ledger/ledger-application";
import type { LedgerState } from "@tamga/ledger-core/ledger/ledger-state";
import { firstState } from "@tamga/ledger-core/ledger/ledger-state";
import type { LedgerLimits } from "@tamga/ledger-core/ledger/limits";
import { ledgerLimits } from "@tamga/ledger-core/ledger/limits";
import { keyKindUri, roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { Validator } from "@tamga/ledger-core/wire/channel-claims";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import type { GovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import { encodeGovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { Approval, Transaction } from "@tamga/ledger-core/wire/transaction";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import type { TestKey } from "./certificate-builder.ts";
import { createCertificate, createKey } from "./certificate-builder.ts";
import type { Signer } from "./ledger-site.ts";
import { LedgerSite, signStatement, site } from "./ledger-site.ts";
import { name } from "./wire-samples.ts";

export const at = unixMillis(1_750_000_000_000);
const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);

export const kidOf = (key: TestKey): Digest => thumbprint(sha256, key.publicKey);

export function identityOfStatement(statement: Uint8Array): Digest {
  const part = parseSign1(statement);
  if (!part.ok) throw new Error(part.fault.code);
  return identityOf(sha256, part.value);
}

/** An organisation with one validator, and whatever it signs. */
export class Member {
  readonly name: Identifier;
  readonly owner: LedgerSite;
  readonly validatorKey = createKey("EdDSA");
  readonly validator: Validator;

  /** @param algorithm of its CA's key. */
  constructor(text: string, algorithm?: Algorithm) {
    this.name = name(text);
    this.owner = new LedgerSite(undefined, this.name, algorithm);
    const publicKey = this.validatorKey.spki.subarray(-32);
    this.validator = { name: name(`${text}.validator`), organisation: this.name, publicKey };
  }

  get signer(): Signer {
    return { issuer: this.name, key: this.owner.caKey };
  }

  get member() {
    return { name: this.name, ca: this.owner.ca };
  }

  say(claims: GovernanceClaims, more: Partial<Transaction> = {}): Transaction {
    const statement = signStatement(this.signer, claims.kind, encodeGovernanceClaims(claims));
    return { statement, consistency: [], certificates: [], ...more };
  }

  /** @param of the statement's identity where it is not the transaction's own. */
  approve({ statement }: Transaction, of = identityOfStatement(statement)): Approval {
    const approval = this.say({ kind: "approval", approved: of, at });
    return { statement: approval.statement, certificates: [] };
  }

  /** A key that this organisation's CA makes an administrator's. */
  admin(options: { readonly notAfter?: Date; readonly of?: string } = {}) {
    const key = createKey("ES256");
    const certificate = createCertificate({
      subject: "administrator",
      publicKey: key,
      issuer: { subject: this.name, key: this.owner.caKey },
      uris: [roleUri("admin", { channel: site.channel, name: name(options.of ?? this.name) })],
      ...(options.notAfter === undefined ? {} : { notAfter: options.notAfter }),
    });
    return { key, chain: [certificate], signer: { issuer: this.name, key } };
  }

  device(text: string, key = createKey("ES256")) {
    const device = name(text);
    const certificate = createCertificate({
      subject: text,
      publicKey: key,
      issuer: { subject: this.name, key: this.owner.caKey },
      uris: [roleUri("device", { channel: site.channel, name: device }), keyKindUri("tpm")],
    });
    return { device, key, kid: kidOf(key), chain: [certificate], certificate: sha256(certificate) };
  }
}

/** A channel of these members, in epoch 0. */
export class Consortium {
  readonly members: readonly Member[];
  readonly id: Digest;
  readonly opening: Transaction;
  readonly application: LedgerApplication;
  readonly genesis;
  state: LedgerState;

  private constructor(
    members: readonly Member[],
    opening: Transaction,
    limits: Partial<LedgerLimits>,
  ) {
    const judged = judgeGenesis(nodeCrypto, opening);
    if (!judged.ok) throw new Error(judged.fault.code);
    this.members = members;
    this.genesis = judged.value;
    this.id = judged.value.identity.id;
    this.opening = opening;
    const history = { size: 1, isOrdered: () => false };
    this.application = new LedgerApplication({ crypto: nodeCrypto, history });
    const ports = { crypto: nodeCrypto, genesis: judged.value };
    const channel = ChannelState.of(ports, undefined, { ...ledgerLimits, ...limits });
    this.state = firstState(channel, opening.statement);
  }

  static async of(
    texts: readonly string[],
    limits: Partial<LedgerLimits> = {},
    algorithm?: Algorithm,
  ): Promise<Consortium> {
    const members = texts.map((text) => new Member(text, algorithm));
    const [first] = members;
    const owner = present(first, "a member");
    const { transaction } = await createChannel(
      { crypto: nodeCrypto, signer: owner.owner.signer },
      {
        consortium: site.consortium,
        channel: site.channel,
        incarnation: new Uint8Array(randomBytes(16)),
        organisation: owner.name,
        organisations: members.map(({ member }) => member),
        validators: members.map(({ validator }) => validator),
        at,
      },
    );
    return new Consortium(members, transaction, limits);
  }

  /** Orders a block of these, or says why not. */
  order(...transactions: readonly Transaction[]): string {
    const block = { height: 1, time: at, parentDigest: this.id };
    const bytes = transactions.map(encodeTransaction);
    const executed = this.application.execute(this.state, { ...block, transactions: bytes });
    if (executed.ok) {
      this.state = executed.value.state;
      return "OK";
    }
    const { fault } = executed;
    if (!("cause" in fault)) return fault.code;
    const { cause } = fault;
    return "cause" in cause && typeof cause.cause === "object"
      ? `${cause.code} ${cause.cause.code}`
      : cause.code;
  }

  /** The boundary block that the state asks for, whose digest is `digest` then. */
  boundary(digest: Digest): LedgerState {
    const boundary = present(this.application.nextEpoch(this.state), "members to change");
    const block = { height: 2, time: at, parentDigest: this.id, transactions: [], boundary };
    const executed = this.application.execute(this.state, block);
    if (!executed.ok) throw new Error(executed.fault.code);
    this.state = executed.value.state;
    const next = { height: 3, time: at, parentDigest: digest, transactions: [] };
    const after = this.application.execute(this.state, next);
    if (!after.ok) throw new Error(after.fault.code);
    const stored = this.state;
    this.state = after.value.state;
    return stored;
  }

  /** A change to these members, approved by `approvers` and ready by all. */
  change(
    to: readonly Member[],
    approvers: readonly Member[],
    more: { readonly epoch?: number; readonly ready?: readonly number[] } = {},
  ): Transaction {
    const epoch = more.epoch ?? this.state.channel.governance.epoch + 1;
    const validators = to.map(({ validator }) => validator);
    const message = approvalBytes(nodeCrypto, this.id, { epoch, validators });
    const readiness = (more.ready ?? to.map((_, index) => index)).map((index) => ({
      index,
      signature: present(to[index] ?? to[0], "member").validatorKey.sign(message),
    }));
    const [proposer, ...others] = approvers;
    const held = this.state.channel.trust.organisations;
    const transaction = present(proposer, "proposer").say(
      {
        kind: "validators",
        epoch,
        validators,
        organisations: to.map(({ member }) => ({ name: member.name, ca: sha256(member.ca) })),
        readiness,
        at,
      },
      {
        certificates: to
          .filter(({ name: of }) => held.every((known) => known.name !== of))
          .map(({ member }) => member.ca),
      },
    );
    if (others.length === 0) return transaction;
    return { ...transaction, approvals: others.map((other) => other.approve(transaction)) };
  }
}
