/**
 * The amnesia rule alone: who votes in which view, with votes that are all alike.
 *
 * What a validator votes for is left out. In a run in which everybody times out, all votes of a view
 * are equal, so q voters of a view always are a certificate, and the rule is sound exactly if nobody
 * votes, after it has lost its votes, in a view in which it had voted before. That is little enough
 * to visit every state: any number of losses, restarts and late answers, at any moment.
 */

import type { System } from "./explore.ts";
import { permutations } from "./explore.ts";

/** The rule of CONSENSUS.md ("Votes lost or restored from a backup") and its parts, to be taken out. */
export type AmnesiaRule = {
  /** Added to n − q + f + 1: how many others must answer. */
  readonly answersMore: number;
  /** The own, empty answer counts as one. */
  readonly countsOwn: boolean;
  /** Views above the highest answer that are abstained from. */
  readonly margin: number;
  /** A validator whose flag is set answers too. */
  readonly flaggedAnswer: boolean;
  /** A validator answers although it can prove no view as high as those that it abstains from. */
  readonly abstainingAnswer: boolean;
  /** The certificate that justifies a view is committed with every vote in it, NULLIFY included. */
  readonly entryDurable: boolean;
};

export const soundRule: AmnesiaRule = {
  answersMore: 0,
  countsOwn: false,
  margin: 1,
  flaggedAnswer: false,
  abstainingAnswer: false,
  entryDurable: true,
};

export type Committee = {
  readonly n: number;
  /** How many lie: they sign whatever helps, and answer that they have seen nothing. */
  readonly liars: number;
  readonly views: number;
  /** Whether a validator may lose its votes while another one's flag is still set. */
  readonly together: boolean;
  /** How often votes are lost at all; absent for any number of times. */
  readonly lossesMax?: number;
};

type Node = {
  /** Views voted in, over all lives, as bits. */
  readonly ever: number;
  /** Highest view voted in since the votes were lost. */
  readonly voted: number;
  readonly view: number;
  /** Highest view that a certificate at hand justifies; and one on disk. */
  readonly proved: number;
  readonly kept: number;
  readonly floor: number;
  readonly flag: boolean;
  /** Who has answered, as bits, and the highest view among the answers. */
  readonly answered: number;
  readonly heard: number;
};
type State = { readonly nodes: readonly Node[]; readonly losses: number; readonly twice: boolean };

const fresh: Node = {
  ever: 0,
  voted: 0,
  view: 1,
  proved: 1,
  kept: 1,
  floor: 0,
  flag: false,
  answered: 0,
  heard: 1,
};

/** The system to search; its one invariant is that nobody votes twice in a view. */
export function amnesiaViews(rule: AmnesiaRule, committee: Committee): System<State> {
  const { n, liars, views } = committee;
  const f = Math.floor((n - 1) / 3);
  const q = Math.floor((n + f) / 2) + 1;
  const needed = n - q + f + 1 + rule.answersMore - (rule.countsOwn ? 1 : 0) - liars;
  const orders = permutations(n - liars);

  const certified = (state: State, view: number) =>
    state.nodes.filter((node) => (node.ever & (1 << view)) !== 0).length + liars >= q;
  const answers = (node: Node) =>
    (rule.flaggedAnswer || !node.flag) && (rule.abstainingAnswer || node.proved >= node.floor);

  function* steps(state: State): Generator<readonly [string, State]> {
    for (const [at, node] of state.nodes.entries()) {
      const become = (label: string, next: Partial<Node>, more: Partial<State> = {}) =>
        [
          `${label} ${at}`,
          { ...state, ...more, nodes: state.nodes.with(at, { ...node, ...next }) },
        ] as const;
      const may = !node.flag && node.view > node.floor && node.view > node.voted;
      if (may && node.view <= views) {
        const bit = 1 << node.view;
        const twice = (node.ever & bit) !== 0;
        const kept = rule.entryDurable ? node.proved : node.kept;
        const next = { ever: node.ever | bit, voted: node.view, kept };
        yield become(`vote in ${node.view}:`, next, { twice });
      }
      for (let view = node.proved; view <= views; view++)
        if (!node.flag && certified(state, view))
          yield become(`enter ${view + 1}:`, {
            view: Math.max(node.view, view + 1),
            proved: view + 1,
          });
      const restarted = { proved: node.kept, view: Math.max(node.kept, node.voted) };
      if (!node.flag) yield become("restart", restarted);
      const others = state.nodes.some((other) => other !== node && other.flag);
      if (
        (committee.together || !others) &&
        state.losses < (committee.lossesMax ?? Number.POSITIVE_INFINITY)
      )
        yield become(
          "lose",
          { ...fresh, ever: node.ever, flag: true },
          committee.lossesMax === undefined ? {} : { losses: state.losses + 1 },
        );
      if (node.flag) {
        for (const [peer, other] of state.nodes.entries())
          if (peer !== at && (node.answered & (1 << peer)) === 0 && answers(other))
            yield become(`answer of ${peer} (${other.proved}) to`, {
              answered: node.answered | (1 << peer),
              heard: Math.max(node.heard, other.proved),
            });
        if (bitsOf(node.answered) >= needed) {
          const { heard } = node;
          const known = { view: heard, proved: heard, kept: heard };
          yield become(`abstain to ${heard + rule.margin}:`, {
            ...fresh,
            ...known,
            ever: node.ever,
            floor: heard + rule.margin,
          });
        }
      }
    }
  }

  return {
    initial: { nodes: Array.from({ length: n - liars }, () => fresh), losses: 0, twice: false },
    steps,
    key: (state) => smallestKey(state, orders),
    broken: (state) => (state.twice ? "nobody votes twice in a view" : undefined),
  };
}

/** The state under the renaming of validators that gives the smallest text. */
function smallestKey(
  { nodes, losses, twice }: State,
  orders: readonly (readonly number[])[],
): string {
  const plain = nodes.map(({ ever, voted, view, proved, kept, floor, flag, heard }) =>
    [ever, voted, view, proved, kept, floor, flag ? 1 : 0, heard].reduce(
      (text, field) => text + String.fromCharCode(field),
      "",
    ),
  );
  let smallest: string | undefined;
  for (const order of orders) {
    let text = "";
    let sorted = true;
    for (const [place, at] of order.entries()) {
      const before = place === 0 ? "" : (plain[order[place - 1] ?? 0] ?? "");
      sorted &&= before <= (plain[at] ?? "");
      text += plain[at] + String.fromCharCode(renamed(nodes[at]?.answered ?? 0, order));
    }
    if (sorted && (smallest === undefined || text < smallest)) smallest = text;
  }
  return `${smallest}${losses}${twice ? "!" : ""}`;
}

function renamed(mask: number, order: readonly number[]): number {
  let result = 0;
  for (const [place, at] of order.entries()) if ((mask & (1 << at)) !== 0) result |= 1 << place;
  return result;
}

function bitsOf(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}
