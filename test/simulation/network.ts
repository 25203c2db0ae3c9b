/** Links between named nodes that delay, reorder, repeat, lose and cut what they carry, as a seed says. */

import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

export type LinkConditions = {
  /** Milliseconds, both included; a wide range reorders. */
  readonly delayMin: number;
  readonly delayMax: number;
  readonly loss: number;
  readonly duplicate: number;
};

export type Delivery = {
  readonly from: Identifier;
  readonly to: Identifier;
  readonly message: Message;
};

export class Network {
  conditions: LinkConditions;
  /** Consulted for each copy: true loses it. Directed schedules plug in here. */
  lose: (delivery: Delivery) => boolean = () => false;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #deliver: (delivery: Delivery) => void;
  /** `from>to`, one direction each. */
  readonly #cut = new Set<string>();

  constructor(
    scheduler: Scheduler,
    random: Random,
    conditions: LinkConditions,
    deliver: (delivery: Delivery) => void,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.conditions = conditions;
    this.#deliver = deliver;
  }

  /** @param extraDelay what the sender itself held it back for. */
  send(delivery: Delivery, extraDelay = 0): void {
    const { loss, duplicate, delayMin, delayMax } = this.conditions;
    if (this.#cut.has(`${delivery.from}>${delivery.to}`)) return;
    if (this.#random.chance(loss) || this.lose(delivery)) return;
    const copies = this.#random.chance(duplicate) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const delay = extraDelay + this.#random.between(delayMin, delayMax);
      this.#scheduler.in(delay, () => this.#deliver(delivery));
    }
  }

  /** Nothing passes from one side to the other any more; `oneWay` leaves the way back. */
  cut(side: readonly string[], other: readonly string[], oneWay = false): void {
    for (const a of side)
      for (const b of other) {
        this.#cut.add(`${a}>${b}`);
        if (!oneWay) this.#cut.add(`${b}>${a}`);
      }
  }

  /** All links are up again. */
  heal(): void {
    this.#cut.clear();
  }
}
