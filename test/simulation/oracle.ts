/** Watches a whole simulation: every write that became durable, every message, every commit and seal. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromHex } from "@tamga/ledger-core/base/bytes";
import type { Application } from "@tamga/ledger-core/consensus/application";
import type { EngineEffect } from "@tamga/ledger-core/consensus/engine-io";
import { conflict } from "@tamga/ledger-core/consensus/equivocation-proof";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { VoteFloor } from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import { ChainOracle } from "./chain-oracle.ts";
import { EpochBook } from "./epoch-book.ts";
import type { FakeState } from "./fake-application.ts";
import { GroundsOracle } from "./grounds-oracle.ts";
import { isAtOrBelow } from "./keys-of.ts";
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
  readonly grounds: GroundsOracle;
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
    this.grounds = new GroundsOracle(this.votes, this.chain);
  }

  /** `name` starts from what its disk held. */
  started(name: string, { floor, amnesia }: Pick<VotesTables, "floor" | "amnesia">): void {
    this.votes.floorRead(name, floor);
    this.votes.flagDurable(name, amnesia);
    this.grounds.started(name);
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
      if (write.type === "amnesia") this.votes.flagDurable(name, write.set);
      if (write.type === "floor") this.votes.abstained(name, write.floor, final);
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
        this.grounds.written(name, write.row, tables);
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
