/** How often each peer did what an honest one does not: bounded in peers and codes. */

import type { Identifier } from "../base/identifier.ts";
import { misbehaviourKindsMax } from "./limits.ts";

export class MisbehaviourCounts {
  readonly #counts = new Map<string, number>();

  count(peer: Identifier, code: string): void {
    const key = `${peer} ${code}`;
    const known = this.#counts.get(key);
    if (known === undefined && this.#counts.size >= misbehaviourKindsMax) return;
    this.#counts.set(key, (known ?? 0) + 1);
  }

  of(peer: Identifier, code: string): number {
    return this.#counts.get(`${peer} ${code}`) ?? 0;
  }

  /** By `peer code`. */
  get all(): ReadonlyMap<string, number> {
    return this.#counts;
  }
}
