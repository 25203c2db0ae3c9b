/** What every run must come to once links are up: all final and sealed within a bound, and then silence. */

import { present } from "@tamga/ledger-core/base/assert";
import type { PendingTransaction } from "@tamga/ledger-core/consensus/application";
import { require } from "./oracle-violation.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { World } from "./world.ts";

/** After the network healed, at most so long until all is final and sealed: the patience may have grown. */
const healedMsMax = 240_000;
/** Idle time that is watched, in keep-alives. */
const idleKeepAlives = 4;
const idleRounds = 3;

export class ExpectedEnd {
  readonly #world: World;
  /** Who has to reach it: honest validators of the newest epoch that are there at all. */
  readonly #correct: () => readonly SimulatedNode[];
  readonly #submitted = new Map<string, PendingTransaction>();

  constructor(world: World, correct: () => readonly SimulatedNode[]) {
    this.#world = world;
    this.#correct = correct;
  }

  submit(node: SimulatedNode, transaction: PendingTransaction): void {
    this.#submitted.set(transaction.id, transaction);
    this.#world.submit(node, transaction);
  }

  /** Whose validator has left the set, lies, or is gone, turns to one that can serve. */
  turnToOthers(): void {
    const correct = this.#correct();
    const [helper] = correct;
    for (const transaction of this.#submitted.values())
      if (
        helper !== undefined &&
        !this.#isSettled(transaction.id) &&
        !correct.some(({ clients }) => clients.has(transaction.id))
      )
        helper.submit(transaction);
    this.#world.scheduler.in(2_000, () => this.turnToOthers());
  }

  /** @returns virtual milliseconds until all was final and sealed. */
  reach(boundMs = healedMsMax): number {
    const { scheduler } = this.#world;
    const from = scheduler.now;
    // Asked after every action, so seldom in full.
    scheduler.runUntil(
      from + boundMs,
      () => this.#world.events % 8 === 0 && this.#unfinished() === undefined,
    );
    const unfinished = this.#unfinished();
    require(unfinished === undefined, "liveness", () => `${unfinished}; ${this.#states()}`);
    return scheduler.now - from;
  }

  /**
   * Nothing to order: no view timer, equal views, and only keep-alives on the links.
   *
   * @param isQuiet whether nobody is there who stirs an idle channel.
   */
  watchIdleness(isQuiet: boolean): void {
    const { scheduler, sentCounts, setting } = this.#world;
    const { keepAliveMs } = setting.parameters;
    for (let round = 0; round < idleRounds; round++) {
      scheduler.runUntil(scheduler.now + idleKeepAlives * keepAliveMs);
      // Gossip under way may bring back once what was refused, and wake a validator for two more blocks.
      if (!isQuiet || this.#unfinished() === undefined) break;
      this.reach();
    }
    if (!isQuiet) return;
    sentCounts.clear();
    scheduler.runUntil(scheduler.now + 2 * keepAliveMs);
    const states = this.#correct().map((node) => present(node.status(), "status of a node"));
    const views = new Set(states.map(({ epoch, view }) => `${epoch}/${view}`));
    require(views.size === 1, "idle", () => `views differ: ${[...views].join(", ")}`);
    require(!states.some(({ viewTimersArmed }) => viewTimersArmed), "idle", () =>
      "a timer is armed");
    const types = [...sentCounts.keys()].filter((type) => type !== "status");
    require(types.length === 0, "idle", () => `still sends ${types.join(", ")}`);
    require((sentCounts.get("status") ?? 0) > 0 || states.length === 1, "idle", () =>
      "no keep-alive");
  }

  #isSettled(id: string): boolean {
    return this.#world.oracle.chain.hasFinal(id) || this.#world.oracle.refusedIds.has(id);
  }

  /** @returns what is missing, cheapest first; undefined where all is final and sealed everywhere. */
  #unfinished(): string | undefined {
    const { chain } = this.#world.oracle;
    for (const id of this.#submitted.keys())
      if (!this.#isSettled(id)) return `transaction ${id} is open`;
    const { height, logSize } = chain;
    for (const node of this.#correct()) {
      const status = node.status();
      if (
        status === undefined ||
        chain.heightOf(node.name) !== height ||
        status.finalHeight !== height ||
        status.sealedSize !== logSize ||
        !status.isIdle
      )
        return `${node.id} is not done`;
    }
    return undefined;
  }

  #states(): string {
    const { chain } = this.#world.oracle;
    const open = [...this.#submitted.keys()].filter((id) => !this.#isSettled(id));
    const states = this.#correct().map((node) => {
      const status = node.status();
      return status === undefined
        ? `${node.id} down`
        : `${node.id} ${status.epoch}/${status.view} height ${status.finalHeight} sealed ${status.sealedSize}` +
            `${status.isIdle ? " idle" : ""}${node.abstaining ? " abstaining" : ""}`;
    });
    return (
      `${open.length} of ${this.#submitted.size} transactions open at height ${chain.height}, ` +
      `log size ${chain.logSize}; ${states.join("; ")}`
    );
  }
}
