/** Watches a whole simulation: every write that became durable, every message, every commit and seal. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromHex } from "@tamga/ledger-core/base/bytes";
import type { Application } from "@tamga/ledger-core/consensus/application";
import type { EngineEffect } from "@tamga/ledger-core/consensus/engine-io";
import { conflict } from "@tamga/ledger-core/consensus/equivocation-proof";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { VoteFloor, VoteRow } from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import { ChainOracle } from "./chain-oracle.ts";
import { EpochBook } from "./epoch-book.ts";
import type { FakeState } from "./fake-application.ts";
import { digestKey, isAtOrBelow } from "./keys-of.ts";
import { require } from "./oracle-violation.ts";
import type { VotesTables, VotesWrite } from "./simulated-disk.ts";
import { VoteOracle } from "./vote-oracle.ts";

type EffectOf<T extends EngineEffect<FakeState>["type"]> = Extract<
  EngineEffect<FakeState>,
  { readonly type: T }
>;

export class Oracle {
  readonly book: EpochBook;
  readonly votes: VoteOracle;
  readonly chain: ChainOracle;
  /** A scenario set a wall clock off by more than a voter tolerates. */
  areClocksWrong = false;
  /** Transactions that an honest node refused for good. */
  readonly refusedIds = new Set<string>();

  constructor(
    channel: Digest,
    genesis: readonly ValidatorEntry[],
    application: Application<FakeState>,
  ) {
    this.book = new EpochBook(channel, genesis);
    this.votes = new VoteOracle(this.book);
    this.chain = new ChainOracle(this.book, application);
  }

  /** Writes of one commit are on the disk of `name`, which now holds `tables`. */
  durable(
    name: string,
    writes: readonly VotesWrite[],
    tables: VotesTables,
    final: VoteFloor,
  ): void {
    for (const write of writes) {
      if (write.type === "block") this.chain.blockSeen(write.block);
      if (write.type === "vote") this.votes.rowDurable(name, write.row);
      if (write.type === "clean-up") this.votes.cleanedUp(name, write.floor, final);
      if (write.type === "floor" || write.type === "clean-up")
        this.votes.floorDurable(name, write.floor);
    }
    // A certificate may hold a vote of the same commit.
    for (const write of writes)
      if (write.type === "certificate") this.votes.certificateSeen(write.certificate);
    if (!this.votes.isBound(name)) return;
    for (const write of writes)
      if (write.type === "vote" && !isAtOrBelow(write.row, tables.floor))
        this.#judgeGrounds(name, write.row, tables);
  }

  /** S3: what a row rests on is on the same disk. */
  #judgeGrounds(name: string, row: VoteRow, { blocks, certificates }: VotesTables): void {
    const who = () => `${name} in view ${row.view} of epoch ${row.epoch}`;
    if (row.notarized !== undefined) {
      const key = digestKey(row.notarized.digest);
      // A boundary proposed again may have become final in an earlier view meanwhile.
      const isKept = blocks.has(key) || this.chain.isFinal(key);
      require(isKept, "S3", () => `${who()} notarized a body that it does not keep`);
      require(this.chain.isExecutable(key), "S3", () => `${who()} notarized what does not execute`);
    }
    if (row.finalized === undefined) return;
    const ballot = { ...row.finalized, kind: "notarize" as const, view: row.view };
    const held = [...certificates.values()].some(
      (certificate) =>
        certificate.epoch === row.epoch &&
        certificate.ballot.kind !== "nullify" &&
        certificate.ballot.view === row.view &&
        digestKey(certificate.ballot.digest) === digestKey(ballot.digest),
    );
    require(held, "S3", () => `${who()} finalized without the notarization on its disk`);
    require(this.votes.isNotarized(row.epoch, ballot), "S3", () => `${who()}: no notarization`);
    require(this.chain.isExecutable(digestKey(ballot.digest)), "S3", () =>
      `${who()} finalized what does not execute`);
  }

  /** A message leaves `name`. */
  sent(name: string, message: Message): void {
    switch (message.type) {
      case "propose": {
        const { epoch, view, parentView, block, signature, parent, nullifications } = message;
        const { digest } = this.chain.blockSeen(block);
        const voter = this.book.has(epoch)
          ? this.book.entriesOf(epoch).findIndex((entry) => entry.name === name)
          : -1;
        if (voter >= 0)
          this.votes.seen(epoch, {
            ballot: { kind: "notarize", view, parentView, digest },
            voter,
            signature,
          });
        if (parent !== undefined) this.votes.certificateSeen(parent);
        for (const nullification of nullifications) this.votes.certificateSeen(nullification);
        return;
      }
      case "vote":
        this.votes.seen(message.epoch, message.vote);
        return;
      case "certificate":
        this.votes.certificateSeen(message.certificate);
        return;
      case "blocks":
      case "final-blocks":
        for (const block of message.blocks) this.chain.blockSeen(block);
        if (message.type === "final-blocks") this.votes.certificateSeen(message.certificate);
        return;
      case "status":
        if (message.entry !== undefined) this.votes.certificateSeen(message.entry);
        if (message.final !== undefined) this.votes.certificateSeen(message.final);
        for (const vote of message.answer?.votes ?? []) this.votes.seen(message.epoch, vote);
        return;
      default:
    }
  }

  committed(name: string, effect: EffectOf<"commit">): void {
    if (this.votes.isBound(name))
      require(effect.certificate.ballot.kind === "finalize", "commit", () => `${name}: not final`);
    this.votes.certificateSeen(effect.certificate);
    this.chain.committed(name, effect.blocks, effect.certificate);
  }

  /** Nobody honest is ever proved guilty. */
  accused(name: string, { proof }: EffectOf<"equivocation">): void {
    const { epoch, voter, first, second } = proof;
    const entry = this.book.entryOf(epoch, voter);
    const isProof =
      conflict(first.ballot, second.ballot) &&
      [first, second].every(({ ballot, signature }) =>
        this.book.isSigned(epoch, ballot, voter, signature),
      );
    require(isProof, "equivocation", () => `${name} accuses without proof`);
    require(entry === undefined || !this.votes.isBound(entry.name), "equivocation", () =>
      `${entry?.name} is honest, and ${name} holds a proof against it`);
  }

  /** A transaction is dropped for good only where the final state does not take it. */
  refused(name: string, { id, fault }: EffectOf<"refused">): void {
    const bytes = fromHex(id);
    require(bytes !== undefined, "refusal", () => `${name} refuses what is no transaction`);
    require(this.chain.isInvalid({ id, bytes }, this.chain.heightOf(name)), "refusal", () =>
      `${name} refuses ${id} (${fault.code}), which is valid`);
    this.refusedIds.add(id);
  }

  /** An honest node is never said to misbehave, unless its clock, or the other's, is far off. */
  blamed(name: string, from: string, code: string): void {
    if (this.areClocksWrong && code === "PROPOSE_NOT_JUSTIFIED") return;
    require(!this.votes.isBound(from), "blame", () => `${name} blames honest ${from}: ${code}`);
  }
}
