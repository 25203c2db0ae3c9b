/** Breadth-first search of a whole state space: the shortest way to a broken invariant, or none. */

/** A system to be searched. `key` must be equal exactly for states that need one visit only. */
export type System<State> = {
  readonly initial: State;
  /** Every step that is possible, in any order, each with a label for the reader of a counterexample. */
  readonly steps: (state: State) => Iterable<readonly [label: string, next: State]>;
  readonly key: (state: State) => string;
  /** Names the invariant that the state breaks. */
  readonly broken: (state: State) => string | undefined;
};

export type Exploration =
  | { readonly type: "holds"; readonly states: number }
  | { readonly type: "broken"; readonly invariant: string; readonly steps: readonly string[] }
  /** The bound was reached first: nothing is proven. */
  | { readonly type: "unfinished"; readonly states: number };

type Visit<State> = { readonly state: State; readonly from: number; readonly label: string };

/** Visits every state once, nearest first. @param statesMax gives up beyond so many states. */
export function explore<State>(system: System<State>, statesMax: number): Exploration {
  const seen = new Set([system.key(system.initial)]);
  const visits: Visit<State>[] = [{ state: system.initial, from: -1, label: "" }];
  for (let at = 0; at < visits.length; at++) {
    const visit = visits[at];
    if (visit === undefined) break;
    for (const [label, state] of system.steps(visit.state)) {
      const key = system.key(state);
      if (seen.has(key)) continue;
      seen.add(key);
      visits.push({ state, from: at, label });
      const invariant = system.broken(state);
      if (invariant !== undefined)
        return { type: "broken", invariant, steps: pathTo(visits, visits.length - 1) };
    }
    if (visits.length > statesMax) return { type: "unfinished", states: visits.length };
  }
  return { type: "holds", states: visits.length };
}

function pathTo<State>(visits: readonly Visit<State>[], last: number): readonly string[] {
  const labels: string[] = [];
  for (let at = last; at > 0; ) {
    const visit = visits[at];
    if (visit === undefined) break;
    labels.push(visit.label);
    at = visit.from;
  }
  return labels.reverse();
}

/** All orders of 0 … n − 1. */
export function permutations(n: number): readonly (readonly number[])[] {
  if (n === 0) return [[]];
  return permutations(n - 1).flatMap((rest) =>
    Array.from({ length: n }, (_, at) => [...rest.slice(0, at), n - 1, ...rest.slice(at)]),
  );
}

/** All subsets of `items` that have `size` elements. */
export function subsets<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  if (size <= 0) return [[]];
  return items.flatMap((item, at) =>
    subsets(items.slice(at + 1), size - 1).map((rest) => [item, ...rest]),
  );
}
