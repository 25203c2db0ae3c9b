/** The amnesia rule visited in every state, and the same search finding what each weakening breaks. */

import { describe, expect, test } from "vitest";
import type { ProtocolRules, Scenario } from "./amnesia-explore.ts";
import { protocol } from "./amnesia-explore.ts";
import type { AmnesiaRule, Committee } from "./amnesia-views.ts";
import { amnesiaViews, soundRule } from "./amnesia-views.ts";
import { explore } from "./explore.ts";

const statesMax = 400_000;
const weaker: readonly (readonly [string, Partial<AmnesiaRule>, losses: number])[] = [
  ["one answer fewer", { answersMore: -1 }, 1],
  ["abstention without the + 1", { margin: 0 }, 1],
  ["the own answer counted", { countsOwn: true }, 1],
  ["a NULLIFY without its view's certificate on disk", { entryDurable: false }, 1],
  ["answers while abstaining", { abstainingAnswer: true }, 2],
];

describe("votes alone, any number of losses", () => {
  const four: Committee = { n: 4, liars: 1, views: 3, together: true };

  test.each<readonly [string, Committee]>([
    ["4 validators, one lies", four],
    ["4 validators, none lies, one loss", { ...four, liars: 0, together: false, lossesMax: 1 }],
    ["5 validators, one lies, one loss", { ...four, n: 5, together: false, lossesMax: 1 }],
  ])("%s: nobody votes twice in a view", (_, committee) => {
    expect(explore(amnesiaViews(soundRule, committee), statesMax)).toMatchObject({ type: "holds" });
  });

  test.each([
    ...weaker,
    ["answers while the own flag is set", { flaggedAnswer: true }, 2] as const,
  ])("%s: somebody does", (_, change, lossesMax) => {
    const system = amnesiaViews({ ...soundRule, ...change }, { ...four, lossesMax });
    expect(explore(system, statesMax)).toMatchObject({
      type: "broken",
      invariant: "nobody votes twice in a view",
    });
  });
});

describe("the protocol with blocks, one of four lies", () => {
  const rules: ProtocolRules = {
    s1: true,
    s2: true,
    skippedViews: true,
    quorumMore: 0,
    amnesia: soundRule,
  };
  const two: Scenario = {
    n: 4,
    liars: 1,
    views: 2,
    silentViews: 0,
    payloads: 1,
    lossesMax: 0,
    ownVotes: false,
  };
  /** An amnesiac whose rule is too weak needs two views that were left before the one it signs twice in. */
  const three: Scenario = { ...two, views: 3, silentViews: 2 };

  test.each<readonly [string, Scenario]>([
    ["two views, two blocks on each parent", { ...two, payloads: 2 }],
    ["two views, one loss", { ...two, lossesMax: 1, ownVotes: true }],
    ["three views, two losses", { ...three, lossesMax: 2, ownVotes: true }],
  ])("%s: every invariant holds", (_, scenario) => {
    expect(explore(protocol(rules, scenario), statesMax)).toMatchObject({ type: "holds" });
  });

  test.each<readonly [string, Partial<ProtocolRules>, Partial<Scenario>]>([
    ["without S1", { s1: false }, { payloads: 2 }],
    ["without S2", { s2: false }, {}],
    ["with a quorum of one fewer", { quorumMore: -1 }, {}],
    ["with views skipped unproven", { skippedViews: false }, {}],
    ["with lost votes and no amnesia rule", { amnesia: undefined }, { lossesMax: 1 }],
  ])("%s what all see is broken", (_, change, more) => {
    const found = explore(protocol({ ...rules, ...change }, { ...two, ...more }), statesMax);
    expect(found.type).toBe("broken");
  });

  test.each(weaker)("%s: what all see is broken", (_, change, lossesMax) => {
    const amnesia = { ...soundRule, ...change };
    const found = explore(protocol({ ...rules, amnesia }, { ...three, lossesMax }), statesMax);
    expect(found).toMatchObject({ type: "broken", invariant: "never final and nullified" });
  });
});
