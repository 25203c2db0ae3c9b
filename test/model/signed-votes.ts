/** What one validator has signed, over all its lives, held to S1 and S2. */

import { equal } from "@tamga/ledger-core/base/bytes";
import type { VoteRow } from "@tamga/ledger-core/consensus/replica-io";
import type { Ballot } from "@tamga/ledger-core/consensus/vote";

type Signed = {
  readonly view: number;
  readonly kind: Ballot["kind"];
  readonly digest?: Uint8Array;
};

export class SignedVotes {
  readonly #votes: Signed[] = [];

  /** Takes in a row as it was written down. */
  add({ view, notarized, nullified, finalized }: VoteRow): void {
    if (notarized !== undefined)
      this.#votes.push({ view, kind: "notarize", digest: notarized.digest });
    if (nullified !== undefined) this.#votes.push({ view, kind: "nullify" });
    if (finalized !== undefined)
      this.#votes.push({ view, kind: "finalize", digest: finalized.digest });
  }

  hasFinalized(view: number, digest: Uint8Array): boolean {
    return this.#votes.some(
      (vote) =>
        vote.kind === "finalize" &&
        vote.view === view &&
        vote.digest !== undefined &&
        equal(vote.digest, digest),
    );
  }

  /** @returns the two votes that must not both be, for people. */
  broken(): string | undefined {
    for (const a of this.#votes)
      for (const b of this.#votes) {
        if (a.view !== b.view) continue;
        const isOther =
          a.digest !== undefined && b.digest !== undefined && !equal(a.digest, b.digest);
        if (a.kind === b.kind && isOther) return `two of ${a.kind} in view ${a.view}`;
        if (a.kind === "finalize" && b.kind === "nullify")
          return `finalize and nullify of view ${a.view}`;
      }
    return undefined;
  }
}
