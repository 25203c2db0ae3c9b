/** What the Quint model is run with: whole instances, and one with each rule taken out. */

import type { Instance } from "./quint.ts";
import { four } from "./quint.ts";

/** What all validators see together. */
export const sharedInvariants = [
  "agreement",
  "neverFinalAndNullified",
  "laterChainsContainFinal",
  "nothingFollowsTheBoundary",
] as const;
export const allInvariants = [...sharedInvariants, "keepsS1", "keepsS2"] as const;

export const wholeInstances: readonly (readonly [string, Instance])[] = [
  ["4 validators, one lies, one loss of votes", four],
  ["4 validators, none lies, three losses", { ...four, liars: [], losses: 3 }],
  ["5 validators, one lies, one loss", { ...four, n: 5, q: 4 }],
];

/** Random steps find these; `directed.qnt` leads to the others. */
export const mutants: readonly (readonly [string, Partial<Instance>])[] = [
  ["S1", { losses: 0, rules: "{ ...sound, s1: false }" }],
  ["S2", { losses: 0, rules: "{ ...sound, s2: false }" }],
  ["a vote of the quorum", { losses: 0, q: 2 }],
  ["the check of skipped views", { losses: 0, rules: "{ ...sound, skippedViews: false }" }],
  ["durable votes", { losses: 0, rules: "{ ...sound, durableVotes: false }" }],
  ["the amnesia rule", { rules: "{ ...sound, amnesia: false }" }],
  ["the boundary rule", { losses: 0, rules: "{ ...sound, boundary: false }" }],
];
