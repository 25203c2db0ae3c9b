/** Arithmetic on spans of sequences. */

import type { Span } from "./account-types.ts";

/** The same numbers in ascending spans that are apart. */
export function union(spans: readonly Span[]): readonly Span[] {
  const joined: { from: number; to: number }[] = [];
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/** What of 0 … end − 1 lies in none of them. */
export function holes(spans: readonly Span[], end: number): readonly Span[] {
  const open: Span[] = [];
  let at = 0;
  for (const { from, to } of union(spans)) {
    if (from > at) open.push({ from: at, to: Math.min(from, end) });
    at = Math.max(at, to);
    if (at >= end) break;
  }
  if (at < end) open.push({ from: at, to: end });
  return open.filter(({ from, to }) => from < to);
}

/** Numbers that `spans` (as `union` gives them) have in common with `within`. */
export function overlap(spans: readonly Span[], within: Span): number {
  let sum = 0;
  for (const { from, to } of spans)
    sum += Math.max(0, Math.min(to, within.to) - Math.max(from, within.from));
  return sum;
}

/** Whether all of `inner` lies in one of `spans` (as `union` gives them). */
export function covers(spans: readonly Span[], inner: Span): boolean {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.to ?? 0) <= inner.from) low = middle + 1;
    else high = middle;
  }
  const found = spans[low];
  return found !== undefined && found.from <= inner.from && inner.to <= found.to;
}
