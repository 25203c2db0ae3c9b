/** Judges votes: S1 to S5 from the durable rows, and quorums over all votes that exist anywhere. */

import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { VoteFloor, VoteRow } from "@tamga/ledger-core/consensus/replica-io";
import type { Ballot, SignedVote } from "@tamga/ledger-core/consensus/vote";
import type { EpochBook } from "./epoch-book.ts";
import { ballotKey, digestKey, isAtOrBelow } from "./keys-of.ts";
import { require } from "./oracle-violation.ts";

type ViewTally = {
  readonly notarize: Map<string, Set<number>>;
  readonly finalize: Map<string, Set<number>>;
  readonly nullify: Set<number>;
};
/** What one honest validator has ever made durable, by (epoch, view); a disk may lose it, this does not. */
type Held = {
  readonly notarized?: string;
  readonly finalized?: string;
  readonly nullified: boolean;
};

export class VoteOracle {
  readonly #book: EpochBook;
  readonly #tallies = new Map<string, ViewTally>();
  readonly #held = new Map<string, Map<string, Held>>();
  readonly #durable = new Map<string, Set<string>>();
  readonly #floors = new Map<string, VoteFloor>();
  /** The last final view that was ever committed. */
  readonly #finals = new Map<string, VoteFloor>();
  /** The highest view voted in, by validator and epoch: NOTARIZE belongs to the current view. */
  readonly #highest = new Map<string, number>();
  /** Whose votes prove nothing: liars, and who lost its votes without a word. */
  readonly #unbound = new Set<string>();
  /** Who knows that its votes may be lost, from the disk. */
  readonly #forgetful = new Set<string>();
  /** By epoch: the highest view with a quorum of FINALIZE. */
  readonly #lastFinal = new Map<number, number>();
  /** NULLIFY votes of bound validators. */
  nullifyCount = 0;

  constructor(book: EpochBook) {
    this.#book = book;
  }

  unbind(name: string): void {
    this.#unbound.add(name);
  }

  isBound(name: string): boolean {
    return !this.#unbound.has(name);
  }

  /** A row of `name` is on its disk. */
  rowDurable(name: string, row: VoteRow): void {
    const place = `${row.epoch}/${row.view}`;
    const who = () => `${name} in view ${row.view} of epoch ${row.epoch}`;
    if (this.isBound(name)) this.#judgeRow(name, row, who);
    const held = this.#held.get(name) ?? new Map<string, Held>();
    this.#held.set(name, held);
    held.set(place, {
      ...held.get(place),
      ...(row.notarized === undefined ? {} : { notarized: contentOf(row.notarized) }),
      ...(row.finalized === undefined ? {} : { finalized: contentOf(row.finalized) }),
      nullified: row.nullified !== undefined || (held.get(place)?.nullified ?? false),
    });
    const voter = this.#voterOf(row.epoch, name);
    for (const ballot of ballotsOf(row)) {
      const durable = this.#durable.get(name) ?? new Set<string>();
      this.#durable.set(name, durable);
      if (durable.has(ballotKey(row.epoch, ballot))) continue;
      durable.add(ballotKey(row.epoch, ballot));
      if (ballot.kind === "nullify" && this.isBound(name)) this.nullifyCount++;
      if (voter >= 0) this.#count(row.epoch, ballot, voter);
    }
  }

  #judgeRow(name: string, row: VoteRow, who: () => string): void {
    const held = this.#held.get(name)?.get(`${row.epoch}/${row.view}`);
    const floor = this.#floors.get(name);
    if (held === undefined && floor !== undefined)
      require(!isAtOrBelow(row, floor), "S5", () => `${who()} signed at or below its floor`);
    if (row.notarized !== undefined && held?.notarized !== undefined)
      require(held.notarized === contentOf(row.notarized), "S1", () => `${who()} notarized twice`);
    if (row.finalized !== undefined && held?.finalized !== undefined)
      require(held.finalized === contentOf(row.finalized), "S2", () => `${who()} finalized twice`);
    const nullified = row.nullified !== undefined || held?.nullified === true;
    const finalized = row.finalized !== undefined || held?.finalized !== undefined;
    require(!(nullified && finalized), "S2", () => `${who()} both nullified and finalized`);
    const isNew = ballotsOf(row).some(
      (ballot) => this.#durable.get(name)?.has(ballotKey(row.epoch, ballot)) !== true,
    );
    require(!(isNew && this.#forgetful.has(name)), "amnesia", () =>
      `${who()} signed while its votes may be lost`);
    const key = `${name}/${row.epoch}`;
    const highest = this.#highest.get(key) ?? -1;
    if (row.notarized !== undefined && held?.notarized === undefined)
      require(row.view >= highest, "S3", () => `${who()} notarized, but had voted in ${highest}`);
    if (row.notarized !== undefined || row.nullified !== undefined)
      this.#highest.set(key, Math.max(highest, row.view));
  }

  /** The flag of an amnesiac on the disk of `name`: nothing is signed while it is set. */
  flagDurable(name: string, set: boolean): void {
    if (set) this.#forgetful.add(name);
    else this.#forgetful.delete(name);
  }

  /** A floor without a commit is an abstention: only an amnesiac that was answered has a reason. */
  abstained(name: string, floor: VoteFloor, final: VoteFloor): void {
    const isCalledFor = this.#forgetful.has(name) || isAtOrBelow(floor, final);
    require(isCalledFor || !this.isBound(name), "S4", () =>
      `the floor of ${name} is raised to view ${floor.view}, final is ${final.view}`);
  }

  floorDurable(name: string, floor: VoteFloor): void {
    const before = this.#floors.get(name);
    if (before === undefined || isAtOrBelow(before, floor)) this.#floors.set(name, floor);
  }

  /** The floor that `name` starts from; a disk set back has a lower one, and that is said beforehand. */
  floorRead(name: string, floor: VoteFloor): void {
    const before = this.#floors.get(name);
    if (this.isBound(name) && before !== undefined)
      require(isAtOrBelow(before, floor), "S5", () => `the floor of ${name} was lowered`);
  }

  /** A disk was set back: the floor on it may be lower from now on. */
  setBack(name: string, floor: VoteFloor): void {
    this.#floors.set(name, floor);
  }

  /**
   * Rows up to `floor` are deleted at `name`, whose last committed final view is `final`. Where the floor
   * stood there already, nothing goes that had not gone.
   */
  cleanedUp(name: string, floor: VoteFloor, final: VoteFloor): void {
    const before = this.#finals.get(name);
    const highest = before === undefined || isAtOrBelow(before, final) ? final : before;
    this.#finals.set(name, highest);
    const stood = this.#floors.get(name);
    if (!this.isBound(name) || (stood !== undefined && isAtOrBelow(floor, stood))) return;
    require(isAtOrBelow(floor, highest), "S4", () =>
      `${name} deletes votes up to view ${floor.view}, final is ${highest.view}`);
  }

  /** A vote on the wire, from anybody. */
  seen(
    epoch: number,
    { ballot, voter, signature }: SignedVote,
    key: string = ballotKey(epoch, ballot),
  ): void {
    const entry = this.#book.entryOf(epoch, voter);
    if (entry === undefined) return;
    if (this.#durable.get(entry.name)?.has(key) === true) return;
    if (!this.#book.isSigned(epoch, ballot, voter, signature)) return;
    require(!this.isBound(entry.name), "durable votes", () =>
      `${entry.name} let out a vote that is not on its disk: ${key}`);
    this.#count(epoch, ballot, voter);
  }

  certificateSeen({ epoch, ballot, voters, signatures }: Certificate): void {
    const key = ballotKey(epoch, ballot);
    for (const [at, voter] of voters.entries()) {
      const signature = signatures[at];
      if (signature !== undefined) this.seen(epoch, { ballot, voter, signature }, key);
    }
  }

  /** Whether a quorum's NOTARIZE for this content exists somewhere. */
  isNotarized(epoch: number, ballot: Extract<Ballot, { digest: Uint8Array }>): boolean {
    const voters = this.#tallies.get(`${epoch}/${ballot.view}`)?.notarize.get(contentOf(ballot));
    return (voters?.size ?? 0) >= this.#book.quorumOf(epoch);
  }

  /** Whether a quorum's votes make this block notarized in this view, whatever it builds on. */
  isBlockNotarized(epoch: number, view: number, digest: Uint8Array): boolean {
    const tally = this.#tallies.get(`${epoch}/${view}`);
    const quorum = this.#book.quorumOf(epoch);
    return [...(tally?.notarize ?? []), ...(tally?.finalize ?? [])].some(
      ([content, voters]) => voters.size >= quorum && content.endsWith(`/${digestKey(digest)}`),
    );
  }

  /** The highest view for which a quorum's FINALIZE exist somewhere. */
  lastFinalIn(epoch: number): number {
    return this.#lastFinal.get(epoch) ?? 0;
  }

  /** Whether a quorum's NULLIFY of this view exist somewhere. */
  isNullified(epoch: number, view: number): boolean {
    const voters = this.#tallies.get(`${epoch}/${view}`)?.nullify;
    return (voters?.size ?? 0) >= this.#book.quorumOf(epoch);
  }

  #count(epoch: number, ballot: Ballot, voter: number): void {
    if (!this.#book.has(epoch)) return;
    const place = `${epoch}/${ballot.view}`;
    let tally = this.#tallies.get(place);
    if (tally === undefined) {
      tally = { notarize: new Map(), finalize: new Map(), nullify: new Set() };
      this.#tallies.set(place, tally);
    }
    if (ballot.kind === "nullify") tally.nullify.add(voter);
    else {
      const content = contentOf(ballot);
      const voters = tally[ballot.kind].get(content) ?? new Set<number>();
      voters.add(voter);
      tally[ballot.kind].set(content, voters);
    }
    this.#judgeTally(epoch, tally, place);
    const isFinal = [...tally.finalize.values()].some(
      (voters) => voters.size >= this.#book.quorumOf(epoch),
    );
    if (isFinal) this.#lastFinal.set(epoch, Math.max(this.lastFinalIn(epoch), ballot.view));
  }

  #judgeTally(epoch: number, tally: ViewTally, place: string): void {
    const quorum = this.#book.quorumOf(epoch);
    const reached = (votes: Map<string, Set<number>>) =>
      [...votes.values()].filter((voters) => voters.size >= quorum).length;
    const finalized = reached(tally.finalize);
    require(reached(tally.notarize) <= 1, "one notarization", () => `two in view ${place}`);
    require(finalized <= 1, "one finalization", () => `two in view ${place}`);
    require(finalized === 0 || tally.nullify.size < quorum, "final or null", () =>
      `view ${place} has a finalization and a nullification`);
  }

  #voterOf(epoch: number, name: string): number {
    if (!this.#book.has(epoch)) return -1;
    return this.#book.entriesOf(epoch).findIndex((entry) => entry.name === name);
  }
}

/** The votes that a row holds. */
export function ballotsOf({ view, notarized, nullified, finalized }: VoteRow): Ballot[] {
  const ballots: Ballot[] = [];
  if (notarized !== undefined) ballots.push({ ...notarized, kind: "notarize", view });
  if (nullified !== undefined) ballots.push({ kind: "nullify", view });
  if (finalized !== undefined) ballots.push({ ...finalized, kind: "finalize", view });
  return ballots;
}

function contentOf(vote: { readonly parentView: number; readonly digest: Uint8Array }): string {
  return `${vote.parentView}/${digestKey(vote.digest)}`;
}
