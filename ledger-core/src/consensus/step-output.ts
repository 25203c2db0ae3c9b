/** Gathers what a step wants done, in the order that makes it safe: written, committed, then sent. */

import type { Certificate } from "./certificate.ts";
import type { Message } from "./message.ts";
import type { FinalizedBlock, ReplicaEffect, VoteFloor, VoteWrite } from "./replica-io.ts";

export class StepOutput<State> {
  readonly #writes: VoteWrite[] = [];
  readonly #commits: ReplicaEffect<State>[] = [];
  readonly #rest: ReplicaEffect<State>[] = [];

  write(...writes: readonly VoteWrite[]): void {
    this.#writes.push(...writes);
  }

  commit(commit: {
    readonly blocks: readonly FinalizedBlock<State>[];
    readonly certificate: Certificate;
    readonly floor: VoteFloor;
  }): void {
    this.#commits.push({ type: "commit", ...commit });
  }

  send(to: number | "all", message: Message): void {
    this.#rest.push({ type: "send", to, message });
  }

  emit(
    effect: Exclude<ReplicaEffect<State>, { readonly type: "persist" | "commit" | "send" }>,
  ): void {
    this.#rest.push(effect);
  }

  /** All effects so far; empties the output. */
  take(): readonly ReplicaEffect<State>[] {
    const writes = this.#writes.splice(0);
    const persist: ReplicaEffect<State>[] =
      writes.length === 0 ? [] : [{ type: "persist", writes }];
    return [...persist, ...this.#commits.splice(0), ...this.#rest.splice(0)];
  }
}
