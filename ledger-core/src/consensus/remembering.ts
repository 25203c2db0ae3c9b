/** What happens when own votes are found in the world that the rows lack, and how voting resumes. */

import { equal } from "../base/bytes.ts";
import { votesPerStatusMax } from "./limits.ts";
import type { Status } from "./message.ts";
import type { ReplicaCore } from "./replica-core.ts";
import type { SignedVote } from "./vote.ts";
import { voteBytes } from "./vote.ts";

/** Sets the durable flag; from here on nothing is signed, and only answers to a new question count. */
export function loseMemory<State>(core: ReplicaCore<State>): void {
  if (core.book.amnesia || core.self === undefined) return;
  core.amnesia.ask(core.ports.crypto.sha256(core.amnesia.question).slice(0, questionBytes));
  core.out.write(core.book.setAmnesia(true));
  // It is asked with the next keep-alive: two that run with one key would find each other without a rest.
  core.out.emit({ type: "amnesia", state: "found" });
}

const questionBytes = 8;

/** Every vote of a validator that is held here, the newest views first. */
export function votesHeldOf<State>(core: ReplicaCore<State>, voter: number): readonly SignedVote[] {
  const tallies = [...core.history.tallies].sort((a, b) => b.view - a.view);
  return tallies.flatMap((tally) => tally.votesBy(voter)).slice(0, votesPerStatusMax);
}

/**
 * An answer to our question. Only what is proved counts: the view by its certificate, our votes by our
 * own signature.
 */
export function receiveAnswer<State>(core: ReplicaCore<State>, from: number, status: Status): void {
  const { book, amnesia, set, ports, config } = core;
  const { answer, entry, final, epoch } = status;
  if (answer === undefined || epoch !== set.epoch) return;
  if (!book.amnesia) {
    // Also an answer that comes late may hold a vote of ours that the rows lack.
    if (answer.votes.some((vote) => isOwnAndForgotten(core, vote))) loseMemory(core);
    return;
  }
  // The flag is one for all epochs: what was forgotten in the next is not known from answers in this one.
  if (core.ended || !equal(answer.question, amnesia.question)) return;
  let highest = core.history.baseView + 1;
  // Both certificates were taken in before: what is held here was verified.
  for (const certificate of [entry, final]) {
    if (certificate === undefined || certificate.epoch !== set.epoch) continue;
    const { view } = certificate.ballot;
    const tally = core.history.find(view);
    const isProved = tally?.notarization !== undefined || tally?.nullification !== undefined;
    if (isProved) highest = Math.max(highest, view + 1);
  }
  const domain = { channel: config.channel, epoch };
  for (const { ballot, voter, signature } of answer.votes) {
    if (voter !== core.self) continue;
    if (ports.crypto.verify(set.keyOf(voter), voteBytes(domain, ballot), signature))
      highest = Math.max(highest, ballot.view);
  }
  const upTo = amnesia.answer(from, highest);
  if (upTo === undefined) return;
  core.out.write({ type: "floor", floor: book.raiseFloor(upTo) }, book.setAmnesia(false));
  core.out.emit({ type: "amnesia", state: "cleared" });
}

/** Signed by us above the floor, and in no row: somebody else's word for it is our own signature. */
function isOwnAndForgotten<State>(core: ReplicaCore<State>, vote: SignedVote): boolean {
  const { book, set, ports, config, self } = core;
  const { ballot, voter, signature } = vote;
  if (self === undefined || voter !== self) return false;
  if (book.isBelowFloor(ballot.view) || book.has(ballot)) return false;
  const domain = { channel: config.channel, epoch: set.epoch };
  return ports.crypto.verify(set.keyOf(self), voteBytes(domain, ballot), signature);
}
