/** The tallies of all views above the last final one, and what they justify. */

import { equal } from "../base/bytes.ts";
import type { Certificate } from "./certificate.ts";
import type { ValidatorSet, View } from "./validator-set.ts";
import { ViewTally } from "./view-tally.ts";
import type { BlockBallot, NullifyBallot } from "./vote.ts";

/** Where a block stands that a proposal may build on. */
export type ParentChoice = {
  readonly view: View;
  readonly digest: Uint8Array;
  /** Absent for the last final block. */
  readonly certificate?: Certificate<BlockBallot>;
};

export class ViewHistory {
  readonly #validators: ValidatorSet;
  readonly #tallies = new Map<View, ViewTally>();
  /** View and digest of the last final block. */
  #base: { readonly view: View; readonly digest: Uint8Array };

  constructor(
    validators: ValidatorSet,
    base: { readonly view: View; readonly digest: Uint8Array },
  ) {
    this.#validators = validators;
    this.#base = base;
  }

  get baseView(): View {
    return this.#base.view;
  }

  /** The tally of a view above the base; made where there is none yet. */
  tally(view: View): ViewTally {
    const held = this.#tallies.get(view);
    if (held !== undefined) return held;
    const made = new ViewTally(this.#validators, view);
    this.#tallies.set(view, made);
    return made;
  }

  find(view: View): ViewTally | undefined {
    return this.#tallies.get(view);
  }

  get tallies(): Iterable<ViewTally> {
    return this.#tallies.values();
  }

  /** The highest view that has a certificate of any kind; the base without any. */
  get highestCertified(): View {
    let highest = this.#base.view;
    for (const { view, notarization, nullification } of this.#tallies.values())
      if (view > highest && (notarization !== undefined || nullification !== undefined))
        highest = view;
    return highest;
  }

  /** The certificate that lets a peer enter `view`: of the view before it. */
  entryOf(view: View): Certificate | undefined {
    const tally = this.#tallies.get(view - 1);
    return tally?.finalization ?? tally?.notarization ?? tally?.nullification;
  }

  /** Whether this block is notarized in this view, or is the last final one. */
  isNotarized(view: View, digest: Uint8Array): boolean {
    if (view === this.#base.view) return equal(digest, this.#base.digest);
    const certificate = this.#tallies.get(view)?.notarization;
    return certificate !== undefined && equal(certificate.ballot.digest, digest);
  }

  /** Views strictly between `parent` and `view` whose nullification is not held, at most `max`. */
  notNullified(parent: View, view: View, max: number): readonly View[] {
    const missing: View[] = [];
    for (let at = view - 1; at > parent && missing.length < max; at--)
      if (this.#tallies.get(at)?.nullification === undefined) missing.push(at);
    return missing;
  }

  /** The newest nullifications strictly between, at most `max`. */
  nullifications(parent: View, view: View, max: number): readonly Certificate<NullifyBallot>[] {
    const found: Certificate<NullifyBallot>[] = [];
    for (let at = view - 1; at > parent && found.length < max; at--) {
      const certificate = this.#tallies.get(at)?.nullification;
      if (certificate !== undefined) found.push(certificate);
    }
    return found;
  }

  /**
   * The highest notarized block below `view` with every view in between nullified. A notarized block
   * whose body is not here is passed over where its view is nullified too.
   *
   * @returns the view whose certificates are missing, where there is a hole.
   */
  chooseParent(
    view: View,
    isHere: (digest: Uint8Array) => boolean,
  ): ParentChoice | { readonly hole: View } {
    for (let at = view - 1; at > this.#base.view; at--) {
      const tally = this.#tallies.get(at);
      const certificate = tally?.notarization;
      if (certificate !== undefined && isHere(certificate.ballot.digest))
        return { view: at, digest: certificate.ballot.digest, certificate };
      if (tally?.nullification === undefined) return { hole: at };
    }
    return { ...this.#base };
  }

  /** A later block is final: what is at or below its view decides nothing any more. */
  advance(base: { readonly view: View; readonly digest: Uint8Array }): void {
    this.#base = base;
    for (const view of this.#tallies.keys()) if (view <= base.view) this.#tallies.delete(view);
  }
}
