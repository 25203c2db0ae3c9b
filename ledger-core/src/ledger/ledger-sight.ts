/** What a node sees of the validators of its channel, for operators. Pure. */

import { toHex } from "../base/bytes.ts";
import type { MonotonicMillis, UnixMillis } from "../base/time.ts";
import type { Heard, ReplicaStatus } from "../consensus/replica.ts";
import type { ValidatorSet } from "../consensus/validator-set.ts";
import type { Identifier } from "../wire/identifier.ts";

export type ValidatorSight = {
  readonly name: Identifier;
  readonly organisation: Identifier;
  /** Ed25519, hexadecimal. */
  readonly publicKey: string;
  readonly isSelf: boolean;
  /** Heard lately; oneself, while one signs. */
  readonly isReachable: boolean;
  /** Milliseconds since it was last heard; absent where it never was, and of oneself. */
  readonly heardMs?: number;
  /** Height of its newest final block, as it last said; absent where it never did. */
  readonly finalHeight?: number;
};

export type LedgerSight = {
  /** Of the newest final block here, and its time by its leader's clock. */
  readonly finalHeight: number;
  readonly finalAt: UnixMillis;
  /** Absent while the disk refuses, or once the channel has stopped. */
  readonly consensus?: ReplicaStatus;
  /** Code of what the disk said; the node tries again by itself. */
  readonly pausedBy?: string;
  /** For good: the log says why. */
  readonly hasStopped: boolean;
  /** Of the present epoch, in their order; none while there is no consensus. */
  readonly validators: readonly ValidatorSight[];
  /** How many of them have to sign, how many are reachable, and whether those are enough. */
  readonly quorum: {
    readonly needed: number;
    readonly reachable: number;
    readonly isThere: boolean;
  };
};

export type SightParts = Pick<
  LedgerSight,
  "finalHeight" | "finalAt" | "pausedBy" | "hasStopped"
> & {
  readonly self: Identifier;
  readonly now: MonotonicMillis;
  /** Milliseconds of silence after which a validator counts as gone. */
  readonly silentMsMax: number;
  readonly engine?: {
    readonly validators: ValidatorSet;
    readonly heard: readonly Heard[];
    status(): ReplicaStatus;
  };
};

export function sightOf(parts: SightParts): LedgerSight {
  const { self, now, silentMsMax, engine, ...rest } = parts;
  if (engine === undefined)
    return { ...rest, validators: [], quorum: { needed: 0, reachable: 0, isThere: false } };
  const consensus = engine.status();
  const signs = !consensus.abstaining && consensus.halted === undefined && !rest.hasStopped;
  const validators = engine.validators.entries.map((entry, index): ValidatorSight => {
    const { name, organisation } = entry;
    const { heardAt, finalHeight } = engine.heard[index] ?? { heardAt: 0, finalHeight: 0 };
    const known = { name, organisation, publicKey: toHex(entry.publicKey) };
    if (name === self) return { ...known, isSelf: true, isReachable: signs };
    const heardMs = heardAt === 0 ? undefined : Math.max(0, Math.round(now - heardAt));
    return {
      ...known,
      isSelf: false,
      isReachable: heardMs !== undefined && heardMs <= silentMsMax,
      ...(heardMs === undefined ? {} : { heardMs }),
      ...(finalHeight === 0 ? {} : { finalHeight }),
    };
  });
  const needed = engine.validators.quorum;
  const reachable = validators.filter(({ isReachable }) => isReachable).length;
  return {
    ...rest,
    consensus,
    validators,
    quorum: { needed, reachable, isThere: reachable >= needed },
  };
}
