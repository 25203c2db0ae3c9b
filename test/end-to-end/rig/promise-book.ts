/** Keeps what an agent says of its statements, line by line, as promises that can be checked later. */

import type { PromiseMade } from "./account-types.ts";

const kinds = ["signed", "stored", "provisional", "final"] as const;
const pattern =
  /^\{"event":"(signed|stored|provisional|final)","stream":"[^"]*","incarnation":"([0-9a-f]+)","sequence":"(\d+)","count":(\d+)/;

export class PromiseBook {
  readonly #made: PromiseMade[] = [];
  readonly #counts = { signed: 0, stored: 0, provisional: 0, final: 0 };

  /** All so far. */
  get made(): readonly PromiseMade[] {
    return this.#made;
  }

  /** Readings and other sequences, by what was last promised of them. */
  get counts(): Readonly<Record<PromiseMade["kind"], number>> {
    return this.#counts;
  }

  /** Takes an event line of an agent; anything else is passed over. */
  take(line: string): void {
    const match = pattern.exec(line);
    const kind = kinds.find((known) => known === match?.[1]);
    if (match === null || kind === undefined) return;
    const from = Number(match[3]);
    const count = Number(match[4]);
    this.#counts[kind] += count;
    this.#made.push({ incarnation: match[2] ?? "", kind, from, to: from + count });
  }
}
