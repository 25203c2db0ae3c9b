/**
 * Plays a written schedule where a seed would draw one: the same world, nodes and oracle, and at the end the
 * same demands. A schedule that misses the situation it is written for is a failure too, under its own rule.
 */

import { present } from "@tamga/ledger-core/base/assert";
import type { PendingTransaction } from "@tamga/ledger-core/consensus/application";
import type { EngineEffect } from "@tamga/ledger-core/consensus/engine-io";
import type { VoteRow } from "@tamga/ledger-core/consensus/replica-io";
import type { LiarKind } from "./byzantine.ts";
import { quietKinds } from "./byzantine.ts";
import { channelEngine } from "./engine-port.ts";
import { ExpectedEnd } from "./expected-end.ts";
import type { FakeState } from "./fake-application.ts";
import { noteTransaction } from "./fake-application.ts";
import type { Delivery, LinkConditions } from "./network.ts";
import { OracleViolation, require } from "./oracle-violation.ts";
import { simulatedParameters } from "./scenario.ts";
import type { CrashPoint, SimulatedNode } from "./simulated-node.ts";
import { namesUpTo } from "./validators.ts";
import { World } from "./world.ts";

export type DirectedSetting = {
  readonly size: number;
  /** Of the draws that a schedule leaves open: nonces, and what a power cut spares. */
  readonly seed?: number | undefined;
  readonly conditions?: LinkConditions;
  readonly emptyHoldMs?: number;
  /** Lying validators, by index. */
  readonly liars?: ReadonlyMap<number, LiarKind>;
  /** False: everybody is down until `start`. */
  readonly isStarted?: boolean;
};

/** What broke a run: a rule of the oracle's, `exception` for anything thrown, or `schedule`. */
export type Violation = { readonly rule: string; readonly sentence: string };

type Effect = EngineEffect<FakeState>;

/** Ten milliseconds to everybody, nothing lost: what happens is the schedule's doing. */
const evenConditions: LinkConditions = { delayMin: 10, delayMax: 10, loss: 0, duplicate: 0 };
/** So long a schedule waits for what it says comes next. */
const awaitedMsMax = 20_000;

export class DirectedRun {
  readonly world: World;
  readonly #end: ExpectedEnd;
  readonly #gone = new Set<SimulatedNode>();
  #number = 0;

  constructor(setting: DirectedSetting) {
    const { size, seed = 1, conditions, emptyHoldMs, liars, isStarted = true } = setting;
    const names = namesUpTo(size);
    const parameters = { ...simulatedParameters };
    this.world = new World({
      seed,
      names,
      size,
      sets: [],
      liars: new Map(names.flatMap((name, at) => pairOf(name, liars?.get(at)))),
      conditions: conditions ?? evenConditions,
      parameters: emptyHoldMs === undefined ? parameters : { ...parameters, emptyHoldMs },
      syncMs: 0,
      groupCommit: false,
      driftingClocks: false,
      factory: channelEngine,
      wire: (message) => message,
      keepTrace: true,
    });
    this.#end = new ExpectedEnd(this.world, () => this.present);
    if (isStarted) this.start();
  }

  start(): void {
    this.world.start();
  }

  /** Honest validators that have not vanished. */
  get present(): readonly SimulatedNode[] {
    return this.world.correct.filter((node) => !this.#gone.has(node));
  }

  /** Who leads a view of the first epoch. */
  leaderOf(view: number): SimulatedNode {
    const { genesis } = this.world;
    return this.world.node(genesis.entryOf(genesis.leaderOf(view)).name);
  }

  others(...nodes: readonly SimulatedNode[]): SimulatedNode[] {
    return this.world.nodes.filter((node) => !nodes.includes(node));
  }

  /** A new valid transaction, known at this node. */
  submit(node: SimulatedNode): PendingTransaction {
    const transaction = noteTransaction(this.#number++);
    this.#end.submit(node, transaction);
    return transaction;
  }

  /** Lets virtual milliseconds pass. */
  pass(forMs: number): void {
    this.world.scheduler.runUntil(this.world.scheduler.now + forMs);
  }

  /** Goes on until the schedule's next situation is reached. */
  until(situation: string, isReached: () => boolean): void {
    const { scheduler } = this.world;
    if (!isReached()) scheduler.runUntil(scheduler.now + awaitedMsMax, isReached);
    this.expect(situation, isReached());
  }

  /** The schedule holds what it was written for. */
  expect(situation: string, isSo: boolean): void {
    require(isSo, "schedule", () => `not reached: ${situation}`);
  }

  /** Power goes in the first effect that is meant; the node stays down until `start`. */
  cutAt(node: SimulatedNode, isMeant: (effect: Effect) => boolean, point: CrashPoint): void {
    node.crashAt = (effect) => {
      if (!isMeant(effect)) return undefined;
      node.crashAt = () => undefined;
      return point;
    };
  }

  /** Never to come back. */
  vanish(node: SimulatedNode): void {
    node.powerCut();
    this.#gone.add(node);
    this.world.note(`${node.id} is gone`);
  }

  /** From now on a copy is lost where this says so. */
  lose(isLost: (delivery: Delivery) => boolean): void {
    this.world.network.lose = isLost;
  }

  /** Nothing is ordered any more, and nobody waits for anything. */
  untilIdle(): void {
    this.until("an idle channel", () => this.present.every((node) => node.status()?.isIdle));
    this.pass(4 * this.world.setting.parameters.deltaMs);
  }

  /** Nothing is lost from now on, whoever is down comes up: all must become final, sealed and silent. */
  finish(): void {
    this.lose(() => false);
    this.world.network.heal();
    this.finishAsItIs();
  }

  /** The same with the links as they are; within a bound of its own. */
  finishAsItIs(boundMs?: number): void {
    for (const node of this.world.nodes) {
      node.crashAt = () => undefined;
      if (!this.#gone.has(node)) node.start();
    }
    this.#end.turnToOthers();
    this.#end.reach(boundMs);
    const isQuiet = [...this.world.setting.liars.values()].every((kind) => quietKinds.has(kind));
    this.#end.watchIdleness(isQuiet);
  }
}

/** @returns what the run of a schedule broke, if anything; never throws. */
export function violationOf(play: () => void): Violation | undefined {
  try {
    play();
    return undefined;
  } catch (error) {
    if (error instanceof OracleViolation) return { rule: error.rule, sentence: error.message };
    const sentence = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { rule: "exception", sentence };
  }
}

/** The leader of view 1, and the three others of four. */
export function fourOf(run: DirectedRun): Record<"leader" | "a" | "b" | "c", SimulatedNode> {
  const leader = run.leaderOf(1);
  const [a, b, c] = run.others(leader);
  return { leader, a: present(a, "a"), b: present(b, "b"), c: present(c, "c") };
}

/** The row of a view on a node's disk. */
export function rowOf(node: SimulatedNode, view: number): VoteRow | undefined {
  return node.disk.votes.durable.rows.get(`0/${view}`);
}

/** Whether an effect writes down a vote of this kind for this view. */
export function writesVote(
  effect: Effect,
  kind: "notarized" | "nullified" | "finalized",
  view: number,
): boolean {
  return (
    effect.type === "persist" &&
    effect.writes.some(
      (write) => write.type === "vote" && write.row.view === view && write.row[kind] !== undefined,
    )
  );
}

/** Whether a message is a vote of this kind, of this view or of any. */
export function isVote(
  { message }: Delivery,
  kind: "notarize" | "nullify" | "finalize",
  view?: number,
): boolean {
  return (
    message.type === "vote" &&
    message.vote.ballot.kind === kind &&
    (view === undefined || message.vote.ballot.view === view)
  );
}

function pairOf<K, V>(key: K, value: V | undefined): [K, V][] {
  return value === undefined ? [] : [[key, value]];
}
