/** A mutation: one rule of CONSENSUS.md taken out of the engine's text, and the runs in which the oracle notices. */

export type Edit = {
  /** In `ledger-core/src/consensus`. */
  readonly file: string;
  /** Occurs exactly once there; else whoever changed the engine has to look at the mutation again. */
  readonly find: string;
  readonly replace: string;
};

export type Kill = {
  /**
   * `n:seed` of drawn runs, or `schedule:seed` of written ones; the first that breaks the rule kills. Any
   * change of the engine's messages makes another run of a seed: then the first seeds are gone through.
   */
  readonly runs: readonly string[];
  /** Which rule of the oracle is broken there. */
  readonly rule: string;
  /** Where only runs with such a liar lead there. */
  readonly liar?: string;
};

export type Mutation = {
  /** The rule that is missing then, in the words of CONSENSUS.md. */
  readonly name: string;
  /** Where the rule stands in several layers, each of which holds it alone: what they are. */
  readonly layers?: string;
  readonly edits: readonly Edit[];
  readonly kill: Kill;
};

/** The file's text after those of the edits that concern it; throws where a text is not there exactly once. */
export function mutated(file: string, text: string, edits: readonly Edit[]): string {
  return edits
    .filter((edit) => edit.file === file)
    .reduce((before, { find, replace }) => {
      const parts = before.split(find);
      if (parts.length !== 2)
        throw new Error(`${file}: ${parts.length - 1} places, not 1, say: ${find}`);
      return parts.join(replace);
    }, text);
}
