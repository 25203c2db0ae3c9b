/** Judges what a vote rests on: the view that it was cast in, the votes of others, and what its voter's disk holds. */

import type { EngineEffect } from "@tamga/ledger-core/consensus/engine-io";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { VoteFloor, VoteRow } from "@tamga/ledger-core/consensus/replica-io";
import type { Ballot, BlockBallot } from "@tamga/ledger-core/consensus/vote";
import type { ChainOracle } from "./chain-oracle.ts";
import type { EngineStatus } from "./engine-port.ts";
import type { FakeState } from "./fake-application.ts";
import { ballotKey, digestKey } from "./keys-of.ts";
import { require } from "./oracle-violation.ts";
import type { VotesTables } from "./simulated-disk.ts";
import type { VoteOracle } from "./vote-oracle.ts";
import { ballotsOf } from "./vote-oracle.ts";

type Place = Pick<EngineStatus, "epoch" | "view">;

export class GroundsOracle {
  readonly #votes: VoteOracle;
  readonly #chain: ChainOracle;
  /** Ballots by voter: signed in some life, and judged in this one. */
  readonly #signed = new Map<string, Set<string>>();
  readonly #judged = new Map<string, Set<string>>();

  constructor(votes: VoteOracle, chain: ChainOracle) {
    this.#votes = votes;
    this.#chain = chain;
  }

  /** What stood on its disk may be gone: it is judged once more. */
  started(name: string): void {
    this.#judged.delete(name);
  }

  /** S3: a step that led from one view to another signs NOTARIZE and NULLIFY in these and between. */
  signed(
    name: string,
    effects: readonly EngineEffect<FakeState>[],
    [before, after]: readonly [Place, Place],
  ): void {
    const signed = setOf(this.#signed, name);
    for (const effect of effects)
      for (const write of effect.type === "persist" ? effect.writes : []) {
        if (write.type !== "vote") continue;
        const { epoch, view } = write.row;
        for (const ballot of ballotsOf(write.row)) {
          const key = ballotKey(epoch, ballot);
          if (signed.has(key)) continue;
          signed.add(key);
          if (ballot.kind === "finalize" || !this.#votes.isBound(name)) continue;
          const isLeft = epoch === before.epoch && view < before.view;
          const isAhead = epoch === after.epoch && view > after.view;
          require(!isLeft && !isAhead, "S3", () =>
            `${name} signs ${ballot.kind} for view ${view}, and is in ${before.view} to ${after.view}`);
        }
      }
  }

  /** S3: what a row rests on exists, and its body is on the same disk. */
  written(name: string, row: VoteRow, tables: VotesTables): void {
    const who = () => `${name} in view ${row.view} of epoch ${row.epoch}`;
    if (row.notarized !== undefined) {
      const key = digestKey(row.notarized.digest);
      // A boundary proposed again may have become final in an earlier view meanwhile.
      const isKept = tables.blocks.has(key) || this.#chain.isFinal(key);
      require(isKept, "S3", () => `${who()} notarized a body that it does not keep`);
      require(this.#chain.isExecutable(key), "S3", () =>
        `${who()} notarized what does not execute`);
      this.#judgeParent(row.epoch, { ...row.notarized, kind: "notarize", view: row.view }, who);
    }
    if (row.finalized === undefined) return;
    const ballot = { ...row.finalized, kind: "notarize" as const, view: row.view };
    const held = certificateOf(tables, row.epoch, row.view, ballot.digest);
    require(held !== undefined, "S3", () =>
      `${who()} finalized without the notarization on its disk`);
    require(this.#votes.isNotarized(row.epoch, ballot), "S3", () => `${who()}: no notarization`);
    require(this.#chain.isExecutable(digestKey(ballot.digest)), "S3", () =>
      `${who()} finalized what does not execute`);
  }

  /** A child builds on a notarized block, and skips a view only with its nullification. */
  #judgeParent(epoch: number, ballot: BlockBallot, who: () => string): void {
    const { view, parentView, digest } = ballot;
    const header = this.#chain.headerOf(digestKey(digest));
    if (header === undefined) return;
    const isRepeated = header.view !== view;
    require(!isRepeated || header.boundary !== undefined, "boundary", () =>
      `${who()} notarized a block of view ${header.view} again`);
    for (let at = parentView + 1; at < view; at++)
      require(this.#votes.isNullified(epoch, at), "skipped views", () =>
        `${who()} notarized over view ${at}, which is not nullified`);
    const parent = isRepeated ? digest : header.parentDigest;
    const isJustified = parentView === 0 || this.#votes.isBlockNotarized(epoch, parentView, parent);
    require(isJustified, "notarized parent", () =>
      `${who()} notarized on what is not notarized in view ${parentView}`);
  }

  /** Before a vote leaves, what justifies it above the last final view is on its voter's disk. */
  leaving(name: string, message: Message, tables: VotesTables, final: VoteFloor): void {
    if (!this.#votes.isBound(name)) return;
    if (message.type === "vote")
      this.#judgeDisk(name, message.epoch, message.vote.ballot, tables, final);
    if (message.type !== "propose") return;
    const { epoch, view } = message;
    const row = tables.rows.get(`${epoch}/${view}`)?.notarized;
    if (row !== undefined)
      this.#judgeDisk(name, epoch, { ...row, kind: "notarize", view }, tables, final);
  }

  #judgeDisk(
    name: string,
    epoch: number,
    ballot: Ballot,
    tables: VotesTables,
    final: VoteFloor,
  ): void {
    const judged = setOf(this.#judged, name);
    const key = ballotKey(epoch, ballot);
    if (judged.has(key)) return;
    judged.add(key);
    // What a quorum finalized stands on its disks, whether this one knows of it or not.
    const base = Math.max(
      viewIn(epoch, tables.floor),
      viewIn(epoch, final),
      this.#votes.lastFinalIn(epoch),
    );
    const lacks = (kind: string, view: number) => (): string =>
      `${name} lets out ${ballot.kind} of view ${ballot.view} without the ${kind} of view ${view} on its disk`;
    if (ballot.kind === "nullify") {
      const isEntered = ballot.view - 1 <= base || hasAny(tables, epoch, ballot.view - 1);
      require(isEntered, "durable votes", lacks("certificate", ballot.view - 1));
      return;
    }
    // A FINALIZE rests on its own view's notarization alone, which `written` asks for.
    if (ballot.kind === "finalize") return;
    const { view, parentView } = ballot;
    for (let at = Math.max(parentView, base) + 1; at < view; at++)
      require(hasNullification(tables, epoch, at), "durable votes", lacks("nullification", at));
    const isParentKept =
      parentView <= base || certificateOf(tables, epoch, parentView) !== undefined;
    require(isParentKept, "durable votes", lacks("notarization", parentView));
  }
}

/** A notarization or finalization of the view on this disk. */
function certificateOf(
  { certificates }: VotesTables,
  epoch: number,
  view: number,
  digest?: Uint8Array,
): BlockBallot | undefined {
  for (const { epoch: of, ballot } of certificates.values())
    if (of === epoch && ballot.kind !== "nullify" && ballot.view === view)
      if (digest === undefined || digestKey(ballot.digest) === digestKey(digest)) return ballot;
  return undefined;
}

function hasNullification({ certificates }: VotesTables, epoch: number, view: number): boolean {
  return certificates.has(ballotKey(epoch, { kind: "nullify", view }));
}

function hasAny(tables: VotesTables, epoch: number, view: number): boolean {
  return hasNullification(tables, epoch, view) || certificateOf(tables, epoch, view) !== undefined;
}

/** A place's view within an epoch: 0 before the epoch has any. */
function viewIn(epoch: number, place: VoteFloor): number {
  if (place.epoch === epoch) return place.view;
  return place.epoch > epoch ? Number.MAX_SAFE_INTEGER : 0;
}

function setOf(sets: Map<string, Set<string>>, name: string): Set<string> {
  const held = sets.get(name) ?? new Set<string>();
  sets.set(name, held);
  return held;
}
