/**
 * The whole protocol with blocks, small enough to visit every state: votes, certificates, losses.
 *
 * Steps that can only help the rules are taken out: a view is entered where something is signed in it,
 * and an amnesiac's answers come at one moment (`amnesia-views.ts` has them come one by one). A liar's
 * signature is there for whoever can use it, so its q − 1 honest companions make a certificate.
 */

import type { AmnesiaRule } from "./amnesia-views.ts";
import type { System } from "./explore.ts";
import { subsets } from "./explore.ts";

export type ProtocolRules = {
  readonly s1: boolean;
  readonly s2: boolean;
  /** A child may skip a view only with its nullification. */
  readonly skippedViews: boolean;
  /** Added to the quorum. */
  readonly quorumMore: number;
  /** Absent: votes are lost, and the validator goes on as if it had signed nothing. */
  readonly amnesia: AmnesiaRule | undefined;
};

export type Scenario = {
  readonly n: number;
  readonly liars: number;
  readonly views: number;
  /** The leaders of so many first views propose nothing. */
  readonly silentViews: number;
  /** Blocks that a leader may propose on one parent. */
  readonly payloads: number;
  readonly lossesMax: number;
  /** Whether S1 and S2 are looked at too, over all lives of a validator; else what all see together. */
  readonly ownVotes: boolean;
};

type Block = {
  readonly name: string;
  readonly view: number;
  readonly parent: number;
  /** The block and all before it, as bits. */
  readonly chain: number;
};

/** Notarized and finalized blocks, and nullified views, as bits. */
type Votes = { readonly notarized: number; readonly nullified: number; readonly finalized: number };
type Node = {
  readonly ever: Votes;
  /** Since the votes were lost: what the signing function looks at. */
  readonly rows: Votes;
  readonly view: number;
  /** What a certificate on disk justifies; a restart falls back to it. */
  readonly kept: number;
  readonly proved: number;
  readonly floor: number;
  readonly flag: boolean;
};
type State = { readonly nodes: readonly Node[]; readonly losses: number };

const noVotes: Votes = { notarized: 0, nullified: 0, finalized: 0 };
const fresh: Node = {
  ever: noVotes,
  rows: noVotes,
  view: 1,
  kept: 1,
  proved: 1,
  floor: 0,
  flag: false,
};

/** The system to search. */
export function protocol(rules: ProtocolRules, scenario: Scenario): System<State> {
  const { n, liars, views } = scenario;
  const blocks = blockTree(scenario);
  const inView = Array.from({ length: views + 1 }, (_, view) =>
    blocks.reduce((mask, block, at) => (block.view === view ? mask | (1 << at) : mask), 0),
  );
  const f = Math.floor((n - 1) / 3);
  const q = Math.floor((n + f) / 2) + 1 + rules.quorumMore;
  const amnesia = rules.amnesia;
  const answersNeeded =
    amnesia === undefined
      ? 0
      : n - q + f + 1 + amnesia.answersMore - (amnesia.countsOwn ? 1 : 0) - liars;

  const certified = (nodes: readonly Node[], kind: keyof Votes, bit: number) => {
    let count = liars;
    for (const node of nodes) if ((node.ever[kind] & (1 << bit)) !== 0) count++;
    return count >= q;
  };
  const certificates = (nodes: readonly Node[]): Votes => {
    const all = { notarized: 0, nullified: 0, finalized: 0 };
    for (const [at] of blocks.entries()) {
      if (certified(nodes, "notarized", at)) all.notarized |= 1 << at;
      if (certified(nodes, "finalized", at)) all.finalized |= 1 << at;
    }
    for (let view = 1; view <= views; view++)
      if (certified(nodes, "nullified", view)) all.nullified |= 1 << view;
    return all;
  };

  const mayEnter = (held: Votes, view: number) =>
    view === 1 ||
    (held.nullified & (1 << (view - 1))) !== 0 ||
    ((held.notarized | held.finalized) & (inView[view - 1] ?? 0)) !== 0;

  function* votesOf(node: Node, held: Votes): Generator<readonly [string, Node]> {
    for (const [at, block] of blocks.entries()) {
      const { view } = block;
      const own = inView[view] ?? 0;
      const bit = 1 << at;
      if (view <= node.floor) continue;
      if (
        view >= node.view &&
        (node.rows.notarized & (rules.s1 ? own : bit)) === 0 &&
        isJustified(block, held, blocks, rules.skippedViews) &&
        mayEnter(held, view)
      )
        yield [`NOTARIZE ${block.name}`, signed(node, "notarized", at, view, view)];
      if (
        (held.notarized & bit) !== 0 &&
        (node.rows.finalized & own) === 0 &&
        (!rules.s2 || (node.rows.nullified & (1 << view)) === 0)
      )
        yield [`FINALIZE ${block.name}`, signed(node, "finalized", at, view + 1, view + 1)];
    }
    for (let view = node.floor + 1; view <= views; view++) {
      if ((node.rows.nullified & (1 << view)) !== 0) continue;
      if (view > node.view && !mayEnter(held, view)) continue;
      if (rules.s2 && (node.rows.finalized & (inView[view] ?? 0)) !== 0) continue;
      const kept = amnesia?.entryDurable === false ? 1 : view;
      yield [`NULLIFY ${view}`, signed(node, "nullified", view, view, kept)];
    }
  }

  function* steps(state: State): Generator<readonly [string, State]> {
    const held = certificates(state.nodes);
    for (const [at, node] of state.nodes.entries()) {
      const become = (label: string, next: Node, losses = state.losses) =>
        [`${at}: ${label}`, { nodes: state.nodes.with(at, next), losses }] as const;
      if (node.flag) {
        if (amnesia === undefined) yield become("go on", { ...fresh, ever: node.ever });
        else
          for (const heard of answers(state.nodes, at, amnesia, answersNeeded))
            yield become(`abstain to ${heard + amnesia.margin}`, {
              ...fresh,
              ever: node.ever,
              view: heard,
              proved: heard,
              kept: heard,
              floor: heard + amnesia.margin,
            });
        continue;
      }
      for (const [label, next] of votesOf(node, held)) yield become(label, next);
      if (node.kept < node.proved) {
        const view = Math.max(node.kept, highestView(node.rows, blocks));
        yield become("restart", { ...node, proved: node.kept, view });
      }
      const lossless = state.losses >= scenario.lossesMax;
      if (!lossless && !state.nodes.some((other) => other.flag))
        yield become("lose all votes", { ...fresh, ever: node.ever, flag: true }, state.losses + 1);
    }
  }

  return {
    initial: { nodes: Array.from({ length: n - liars }, () => fresh), losses: 0 },
    steps,
    key: ({ nodes, losses }) => nodes.map(nodeKey).sort().join("") + losses,
    broken: ({ nodes }) =>
      together(certificates(nodes), blocks) ??
      (scenario.ownVotes ? alone(nodes, inView) : undefined),
  };
}

function signed(node: Node, kind: keyof Votes, bit: number, view: number, kept: number): Node {
  const add = (votes: Votes): Votes => ({ ...votes, [kind]: votes[kind] | (1 << bit) });
  return {
    ...node,
    ever: add(node.ever),
    rows: add(node.rows),
    view: Math.max(node.view, view),
    proved: Math.max(node.proved, view),
    kept: Math.max(node.kept, kept),
  };
}

/** The highest views that an amnesiac can hear of, over all sets of others that are enough. */
function answers(nodes: readonly Node[], self: number, rule: AmnesiaRule, needed: number) {
  const able = nodes.filter(
    (node, at) =>
      at !== self &&
      (rule.flaggedAnswer || !node.flag) &&
      (rule.abstainingAnswer || node.proved >= node.floor),
  );
  const heard = subsets(able, needed).map((some) =>
    Math.max(1, ...some.map((node) => node.proved)),
  );
  return new Set(heard);
}

function isJustified(block: Block, held: Votes, blocks: readonly Block[], skipped: boolean) {
  const parent = blocks[block.parent];
  if (parent !== undefined && ((held.notarized | held.finalized) & (1 << block.parent)) === 0)
    return false;
  for (let view = (parent?.view ?? 0) + 1; skipped && view < block.view; view++)
    if ((held.nullified & (1 << view)) === 0) return false;
  return true;
}

function highestView({ notarized, nullified, finalized }: Votes, blocks: readonly Block[]): number {
  let highest = Math.max(1, 31 - Math.clz32(nullified));
  for (const [at, block] of blocks.entries())
    if (((notarized | finalized) & (1 << at)) !== 0) highest = Math.max(highest, block.view);
  return highest;
}

/** What must hold of the certificates that exist. */
function together(held: Votes, blocks: readonly Block[]): string | undefined {
  for (const [at, block] of blocks.entries()) {
    if ((held.finalized & (1 << at)) === 0) continue;
    if ((held.nullified & (1 << block.view)) !== 0) return "never final and nullified";
    for (const [other, later] of blocks.entries()) {
      const related = ((later.chain >> at) & 1) !== 0 || ((block.chain >> other) & 1) !== 0;
      if ((held.finalized & (1 << other)) !== 0 && !related) return "agreement";
      const above = later.view >= block.view && (held.notarized & (1 << other)) !== 0;
      if (above && ((later.chain >> at) & 1) === 0) return "later chains contain what is final";
    }
  }
  return undefined;
}

/** What must hold of each honest validator's signatures, over all its lives. */
function alone(nodes: readonly Node[], inView: readonly number[]): string | undefined {
  for (const { ever } of nodes)
    for (const [view, blocks] of inView.entries()) {
      const notarized = ever.notarized & blocks;
      const finalized = ever.finalized & blocks;
      if ((notarized & (notarized - 1)) !== 0) return "S1";
      if (finalized !== 0 && (ever.nullified & (1 << view)) !== 0) return "S2";
      if ((finalized & (finalized - 1)) !== 0) return "S2";
    }
  return undefined;
}

function blockTree({ silentViews, views, payloads }: Scenario): readonly Block[] {
  const blocks: Block[] = [];
  for (let view = silentViews + 1; view <= views; view++)
    for (let parent = -1, known = blocks.length; parent < known; parent++)
      for (let payload = 0; payload < payloads; payload++) {
        const before = blocks[parent];
        const name = `${before?.name ?? ""}/${view}${"ab"[payload]}`;
        const chain = (before?.chain ?? 0) | (1 << blocks.length);
        blocks.push({ name, view, parent, chain });
      }
  return blocks;
}

function nodeKey({ ever, rows, view, kept, proved, floor, flag }: Node): string {
  return String.fromCharCode(
    ever.notarized,
    ever.nullified,
    ever.finalized,
    rows.notarized,
    rows.nullified,
    rows.finalized,
    (view << 12) | (kept << 8) | (proved << 4) | (floor << 1) | (flag ? 1 : 0),
  );
}
