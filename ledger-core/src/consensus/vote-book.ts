/**
 * The one place where a validator votes: it knows every vote of its own above the floor, signs by the
 * rules S1, S2, S3 and S5 of CONSENSUS.md, and has what it signed written down before it leaves.
 */

import { equal } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { VoteFloor, VoteRow, VoteWrite } from "./replica-io.ts";
import type { View } from "./validator-set.ts";
import type { Ballot, BlockBallot, SignedVote, VoteDomain } from "./vote.ts";
import { voteBytes } from "./vote.ts";

export type VoteFault = {
  readonly code:
    | "VOTE_NOT_A_VALIDATOR"
    | "VOTE_ABSTAINING"
    | "VOTE_BELOW_FLOOR"
    | "VOTE_CONFLICTS"
    | "VOTE_OTHER_VIEW"
    | "VOTE_NOT_EXECUTED"
    | "VOTE_NOT_NOTARIZED";
};

/** What S3 asks of the moment; facts of the caller, judged here. */
export type VoteGrounds = {
  readonly view: View;
  /** The body is here, was executed, and led to the header's roots. */
  readonly executed: boolean;
  /** A notarization of exactly this ballot's block in this ballot's view is held. */
  readonly notarized: boolean;
};

export class VoteBook {
  readonly #domain: VoteDomain;
  readonly #self: number | undefined;
  readonly #sign: (message: Uint8Array) => Uint8Array;
  readonly #rows = new Map<View, VoteRow>();
  #floor: VoteFloor;
  #amnesia: boolean;

  constructor(
    {
      domain,
      self,
      sign,
    }: {
      readonly domain: VoteDomain;
      readonly self: number | undefined;
      readonly sign: (message: Uint8Array) => Uint8Array;
    },
    stored: {
      readonly floor: VoteFloor;
      readonly amnesia: boolean;
      readonly rows: readonly VoteRow[];
    },
  ) {
    this.#domain = domain;
    this.#self = self;
    this.#sign = sign;
    this.#floor = stored.floor;
    this.#amnesia = stored.amnesia;
    for (const row of stored.rows)
      if (row.epoch === domain.epoch && !this.isBelowFloor(row.view)) this.#rows.set(row.view, row);
  }

  get amnesia(): boolean {
    return this.#amnesia;
  }

  get floor(): VoteFloor {
    return this.#floor;
  }

  get rows(): readonly VoteRow[] {
    return [...this.#rows.values()];
  }

  row(view: View): VoteRow | undefined {
    return this.#rows.get(view);
  }

  /** The highest view of an own vote; 0 without any. */
  get highestView(): View {
    let highest = 0;
    for (const view of this.#rows.keys()) if (view > highest) highest = view;
    return highest;
  }

  isBelowFloor(view: View): boolean {
    const { epoch } = this.#domain;
    return epoch < this.#floor.epoch || (epoch === this.#floor.epoch && view <= this.#floor.view);
  }

  /** Whether this very ballot was signed; the same vote again may be sent again. */
  has(ballot: Ballot): boolean {
    return signatureIn(this.#rows.get(ballot.view), ballot) !== undefined;
  }

  /** Own votes of a view as they were sent. */
  votesOf(view: View): readonly SignedVote[] {
    const row = this.#rows.get(view);
    const voter = this.#self;
    if (row === undefined || voter === undefined) return [];
    const votes: SignedVote[] = [];
    const block = (kind: BlockBallot["kind"], vote: VoteRow["notarized"]) => {
      if (vote === undefined) return;
      const { parentView, digest, signature } = vote;
      votes.push({ ballot: { kind, view, parentView, digest }, voter, signature });
    };
    block("notarize", row.notarized);
    if (row.nullified !== undefined)
      votes.push({ ballot: { kind: "nullify", view }, voter, signature: row.nullified.signature });
    block("finalize", row.finalized);
    return votes;
  }

  /**
   * Signs a ballot, or gives the stored signature of the same ballot.
   *
   * @returns the vote, and the row to write down before it leaves: absent where it stood already.
   * Faults: VOTE_*; an equivocating leader can bring VOTE_CONFLICTS about, so it is no assertion.
   */
  sign(
    ballot: Ballot,
    grounds: VoteGrounds,
  ): Result<{ readonly vote: SignedVote; readonly write?: VoteWrite }, VoteFault> {
    const voter = this.#self;
    if (voter === undefined) return err({ code: "VOTE_NOT_A_VALIDATOR" });
    if (this.#amnesia) return err({ code: "VOTE_ABSTAINING" });
    if (this.isBelowFloor(ballot.view)) return err({ code: "VOTE_BELOW_FLOOR" });
    const row = this.#rows.get(ballot.view);
    const stored = signatureIn(row, ballot);
    if (stored !== undefined) return ok({ vote: { ballot, voter, signature: stored } });
    if (conflicts(row, ballot)) return err({ code: "VOTE_CONFLICTS" });
    const refused = refusedBy(ballot, grounds);
    if (refused !== undefined) return err({ code: refused });
    const signature = this.#sign(voteBytes(this.#domain, ballot));
    const next = withVote(row ?? { epoch: this.#domain.epoch, view: ballot.view }, {
      ballot,
      signature,
    });
    this.#rows.set(ballot.view, next);
    return ok({ vote: { ballot, voter, signature }, write: { type: "vote", row: next } });
  }

  /** After a commit, or for abstention: nothing at or below is signed any more. Never lowers. */
  raiseFloor(view: View): VoteFloor {
    if (!this.isBelowFloor(view)) this.#floor = { epoch: this.#domain.epoch, view };
    for (const voted of this.#rows.keys()) if (this.isBelowFloor(voted)) this.#rows.delete(voted);
    return this.#floor;
  }

  setAmnesia(set: boolean): VoteWrite {
    this.#amnesia = set;
    return { type: "amnesia", set };
  }
}

/** S1 and S2: what no later vote of the view may contradict. */
function conflicts(row: VoteRow | undefined, ballot: Ballot): boolean {
  if (row === undefined) return false;
  switch (ballot.kind) {
    case "notarize":
      return row.notarized !== undefined;
    case "nullify":
      return row.finalized !== undefined;
    case "finalize":
      return row.finalized !== undefined || row.nullified !== undefined;
  }
}

/** S3. */
function refusedBy(ballot: Ballot, grounds: VoteGrounds): VoteFault["code"] | undefined {
  if (ballot.kind === "finalize") {
    if (!grounds.notarized) return "VOTE_NOT_NOTARIZED";
    return grounds.executed ? undefined : "VOTE_NOT_EXECUTED";
  }
  if (ballot.view !== grounds.view) return "VOTE_OTHER_VIEW";
  if (ballot.kind === "notarize" && !grounds.executed) return "VOTE_NOT_EXECUTED";
  return undefined;
}

function signatureIn(row: VoteRow | undefined, ballot: Ballot): Uint8Array | undefined {
  if (row === undefined) return undefined;
  if (ballot.kind === "nullify") return row.nullified?.signature;
  const vote = ballot.kind === "notarize" ? row.notarized : row.finalized;
  if (vote === undefined || vote.parentView !== ballot.parentView) return undefined;
  return equal(vote.digest, ballot.digest) ? vote.signature : undefined;
}

function withVote(
  row: VoteRow,
  { ballot, signature }: { readonly ballot: Ballot; readonly signature: Uint8Array },
): VoteRow {
  if (ballot.kind === "nullify") return { ...row, nullified: { signature } };
  const { parentView, digest } = ballot;
  const vote = { parentView, digest, signature };
  return ballot.kind === "notarize" ? { ...row, notarized: vote } : { ...row, finalized: vote };
}
