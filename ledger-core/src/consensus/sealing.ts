/** Seals: each validator's signatures over the final log at its seal points, gathered to a quorum. */

import { sealPayloadBytesMax, sealPointsOpenMax } from "./limits.ts";
import type { Seal, Sealed } from "./message.ts";
import type { ReplicaPorts, SealedPoint, SealPoint } from "./replica-io.ts";
import type { ValidatorSet } from "./validator-set.ts";

type OpenPoint = {
  readonly point: SealPoint;
  readonly payloads: Map<number, Uint8Array>;
};

/** What a seal message came to. */
export type SealOutcome =
  | { readonly type: "sealed"; readonly sealed: SealedPoint }
  | { readonly type: "counted" }
  /** A point that is not final here yet, or is covered already: nothing is said of it. */
  | { readonly type: "ignored" }
  | { readonly type: "wrong" };

export class Sealing<State> {
  readonly #verify: ReplicaPorts<State>["verifySeal"];
  readonly #validators: ValidatorSet;
  readonly #self: number | undefined;
  readonly #open = new Map<bigint, OpenPoint>();
  /** Payloads of points that are not final here yet, unverified: one a validator. */
  readonly #early = new Map<number, Seal>();
  #newest: SealedPoint | undefined;

  constructor(
    verify: ReplicaPorts<State>["verifySeal"],
    validators: ValidatorSet,
    self: number | undefined,
    newest: SealedPoint | undefined,
  ) {
    this.#verify = verify;
    this.#validators = validators;
    this.#self = self;
    this.#newest = newest;
  }

  get newest(): SealedPoint | undefined {
    return this.#newest;
  }

  get sealedSize(): bigint {
    return this.#newest?.point.size ?? 0n;
  }

  /**
   * The newest size that this epoch's validators were asked to seal, whether they have or not; −1 before the
   * first. What the epoch before sealed does not count: which points there are must follow from the final
   * chain alone, and not from which old seals a validator happens to hold.
   */
  get askedSize(): bigint {
    let asked = this.#sealedHere;
    for (const size of this.#open.keys()) if (size > asked) asked = size;
    return asked;
  }

  /** Sealed by this epoch's validators. */
  get #sealedHere(): bigint {
    const point = this.#newest?.point;
    return point?.epoch === this.#validators.epoch ? point.size : -1n;
  }

  /** The newest point that waits for its quorum. */
  get waiting(): OpenPoint["point"] | undefined {
    return [...this.#open.values()].at(-1)?.point;
  }

  /** A point of the final chain. @returns what peers had said of it before. */
  open(point: SealPoint): SealOutcome {
    if (point.size <= this.#sealedHere || this.#open.has(point.size)) return { type: "ignored" };
    this.#open.set(point.size, { point, payloads: new Map() });
    const [oldest] = this.#open.keys();
    if (this.#open.size > sealPointsOpenMax && oldest !== undefined) this.#open.delete(oldest);
    let outcome: SealOutcome = { type: "counted" };
    for (const [validator, seal] of [...this.#early]) {
      if (seal.size > point.size) continue;
      this.#early.delete(validator);
      const added = this.add(validator, seal);
      if (added.type === "sealed") outcome = added;
    }
    return outcome;
  }

  /** Own signatures, from the one signing function. */
  addOwn(size: bigint, payload: Uint8Array): SealOutcome {
    if (this.#self === undefined) return { type: "ignored" };
    const open = this.#open.get(size);
    if (open === undefined) return { type: "ignored" };
    open.payloads.set(this.#self, payload);
    return this.#settle(open);
  }

  /** Own seal of the newest waiting point, to be sent again. */
  own(): Seal | undefined {
    const open = [...this.#open.values()].at(-1);
    if (open === undefined || this.#self === undefined) return undefined;
    const payload = open.payloads.get(this.#self);
    if (payload === undefined) return undefined;
    return { type: "seal", epoch: this.#validators.epoch, size: open.point.size, payload };
  }

  add(validator: number, seal: Seal): SealOutcome {
    if (seal.payload.length > sealPayloadBytesMax) return { type: "wrong" };
    if (seal.size <= this.#sealedHere) return { type: "ignored" };
    const open = this.#open.get(seal.size);
    if (open === undefined) {
      if (seal.size > this.askedSize) this.#early.set(validator, seal);
      return { type: "ignored" };
    }
    if (open.payloads.has(validator)) return { type: "counted" };
    const entry = this.#validators.entryOf(validator);
    if (!this.#verify(entry, open.point, seal.payload)) return { type: "wrong" };
    open.payloads.set(validator, seal.payload);
    return this.#settle(open);
  }

  /** A quorum's signatures that a peer held. */
  addAll(sealed: Sealed): SealOutcome {
    let outcome: SealOutcome = { type: "ignored" };
    for (const { validator, payload } of sealed.seals) {
      if (!this.#validators.has(validator)) return { type: "wrong" };
      if (!this.#open.has(sealed.size)) return { type: "ignored" };
      const { epoch, size } = sealed;
      outcome = this.add(validator, { type: "seal", epoch, size, payload });
      if (outcome.type === "wrong" || outcome.type === "sealed") return outcome;
    }
    return outcome;
  }

  /** The newest sealed point as a message. */
  message(): Sealed | undefined {
    if (this.#newest === undefined) return undefined;
    const { point, seals } = this.#newest;
    return { type: "sealed", epoch: point.epoch, size: point.size, seals };
  }

  #settle({ point, payloads }: OpenPoint): SealOutcome {
    if (payloads.size < this.#validators.quorum) return { type: "counted" };
    const seals = [...payloads]
      .map(([validator, payload]) => ({ validator, payload }))
      .sort((a, b) => a.validator - b.validator);
    const sealed = { point, seals };
    this.#newest = sealed;
    for (const size of this.#open.keys()) if (size <= point.size) this.#open.delete(size);
    return { type: "sealed", sealed };
  }
}
