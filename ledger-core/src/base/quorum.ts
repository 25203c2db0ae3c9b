/** How many validators must agree: q = ⌊(n+f)/2⌋+1 of n, with f = ⌊(n−1)/3⌋ that may lie. */

/** The lying validators that a channel of `n` withstands. */
export function faultsTolerated(n: number): number {
  return Math.floor((n - 1) / 3);
}

/** The smallest quorum of which any two share an honest validator: 1→1, 4→3, 5→4, 7→5. */
export function quorumOf(n: number): number {
  return Math.floor((n + faultsTolerated(n)) / 2) + 1;
}
