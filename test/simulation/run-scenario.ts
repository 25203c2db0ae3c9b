/** Plays a scenario: faults, then a healed network in which everything must become final and sealed. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Message } from "@tamga/ledger-core/consensus/message";
import { quietKinds } from "./byzantine.ts";
import type { EngineFactory } from "./engine-port.ts";
import { ExpectedEnd } from "./expected-end.ts";
import {
  invalidTransaction,
  noteTransaction,
  spendTransaction,
  validatorsTransaction,
} from "./fake-application.ts";
import { require } from "./oracle-violation.ts";
import { Random } from "./random.ts";
import type { Fault, Scenario } from "./scenario.ts";
import type { DiskSnapshot } from "./simulated-disk.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import { World } from "./world.ts";

export type Outcome = {
  readonly hash: string;
  readonly events: number;
  readonly height: number;
  readonly epoch: number;
  /** Virtual milliseconds from the healing until all was sealed. */
  readonly healedMs: number;
};

export class ScenarioRun {
  readonly world: World;
  readonly #scenario: Scenario;
  readonly #random: Random;
  readonly #end: ExpectedEnd;
  #number = 0;

  constructor(
    scenario: Scenario,
    factory: EngineFactory,
    wire: (message: Message) => Message,
    keepTrace = false,
  ) {
    this.#scenario = scenario;
    this.#random = new Random(scenario.seed + 1);
    this.world = new World({ ...scenario, factory, wire, keepTrace });
    this.#end = new ExpectedEnd(this.world, () => this.world.correct);
  }

  run(): Outcome {
    const { world } = this;
    const { submissions, faults, faultMs, isSynchronous } = this.#scenario;
    for (const { at, node } of submissions)
      world.scheduler.at(at, () => this.#submitAt(world.node(node)));
    for (const { at, fault } of faults) this.#plan(at, fault);
    world.start();
    world.scheduler.runUntil(faultMs);
    if (!isSynchronous) this.#heal();
    const healedMs = this.#end.reach();
    this.#end.watchIdleness(
      [...this.#scenario.liars.values()].every((kind) => quietKinds.has(kind)),
    );
    if (isSynchronous)
      require(world.oracle.votes.nullifyCount === 0, "synchrony", () =>
        `${world.oracle.votes.nullifyCount} NULLIFY`);
    return {
      hash: world.traceHash,
      events: world.events,
      height: world.oracle.chain.height,
      epoch: world.oracle.book.newest,
      healedMs,
    };
  }

  #submitAt(node: SimulatedNode): void {
    const number = this.#number++;
    // One that arrives while it is refused elsewhere may be waited for in vain: then somebody nullifies.
    const draw = this.#scenario.isSynchronous ? 0 : this.#random.int(10);
    const transaction =
      draw < 7
        ? noteTransaction(number)
        : draw < 9
          ? spendTransaction(this.#random.int(3), number)
          : invalidTransaction(number);
    this.#end.submit(node, transaction);
  }

  #plan(at: number, fault: Fault): void {
    const { scheduler, network } = this.world;
    switch (fault.type) {
      case "crash":
        scheduler.at(at, () => this.#crash(this.world.node(fault.node), fault.downMs));
        return;
      case "crash-in-effect":
      case "disk-full":
        scheduler.at(at, () => this.#arm(fault));
        return;
      case "partition":
        scheduler.at(at, () => {
          const others = this.#scenario.names.filter((name) => !fault.side.includes(name));
          network.cut(fault.side, others, fault.oneWay);
          scheduler.in(fault.forMs, () => network.heal());
        });
        return;
      case "wall-jump":
        this.world.oracle.areClocksWrong = true;
        scheduler.at(at, () => {
          for (const node of this.world.nodes)
            if (node.name === fault.node) node.clock.wallOffset += fault.byMs;
        });
        return;
      case "restore":
        this.#planRestore(at, fault);
        return;
      case "change-validators":
        scheduler.at(at, () => {
          const [node] = this.world.correct;
          if (node === undefined) return;
          this.#end.submit(node, validatorsTransaction(fault.set, this.world.channel));
        });
    }
  }

  #crash(node: SimulatedNode, downMs: number): void {
    node.powerCut();
    this.world.scheduler.in(downMs, () => node.start());
  }

  #arm(fault: Extract<Fault, { type: "crash-in-effect" | "disk-full" }>): void {
    const node = this.world.node(fault.node);
    let left = fault.type === "disk-full" ? 0 : fault.after;
    node.crashAt = (effect) => {
      const isWrite = effect.type === "persist" || effect.type === "commit";
      if (fault.type === "disk-full" && !isWrite) return undefined;
      if (left-- > 0) return undefined;
      node.crashAt = () => undefined;
      return fault.type === "disk-full" ? "before" : fault.point;
    };
    node.crashed = () => this.world.scheduler.in(fault.downMs, () => node.start());
  }

  #planRestore(at: number, fault: Extract<Fault, { type: "restore" }>): void {
    const node = this.world.node(fault.node);
    let snapshot: DiskSnapshot | undefined;
    this.world.scheduler.at(fault.backupAt, () => {
      snapshot = node.disk.snapshot();
    });
    this.world.scheduler.at(at, () => {
      node.powerCut();
      this.world.note(`${node.id} is set back: votes ${fault.votes}, channel ${fault.channel}`);
      if (!fault.flag) this.world.oracle.votes.unbind(node.name);
      node.disk.restore(present(snapshot, "backup"), fault);
      node.forgetLost();
      this.world.scheduler.in(this.#random.between(1, 300), () => node.start());
    });
  }

  /** Links deliver soon, everybody is up, clocks are nearly right. */
  #heal(): void {
    const { network, nodes, scheduler } = this.world;
    const { deltaMs } = this.#scenario.parameters;
    network.heal();
    network.conditions = { delayMin: 1, delayMax: Math.floor(deltaMs / 4), loss: 0, duplicate: 0 };
    for (const node of nodes) {
      node.crashAt = () => undefined;
      node.clock.wallOffset = this.#random.between(-2_000, 2_000);
      node.start();
    }
    this.world.note("healed");
    scheduler.in(1, () => this.#end.turnToOthers());
  }
}
