/** The engine under test as the simulation sees it. */

import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import { ChannelEngine } from "@tamga/ledger-core/consensus/channel-engine";
import type {
  EngineConfig,
  EngineEffect,
  EngineEvent,
  EngineRecovered,
} from "@tamga/ledger-core/consensus/engine-io";
import type { Moment, ReplicaPorts } from "@tamga/ledger-core/consensus/replica-io";
import type { FakeState } from "./fake-application.ts";

export type EngineStatus = {
  readonly epoch: number;
  readonly view: number;
  readonly finalHeight: number;
  readonly sealedSize: bigint;
  readonly isIdle: boolean;
  readonly viewTimersArmed: boolean;
};

export type EnginePort = {
  step(
    event: EngineEvent,
    moment: Moment,
  ): {
    readonly effects: readonly EngineEffect<FakeState>[];
    readonly wakeAt: MonotonicMillis | undefined;
  };
  status(): EngineStatus;
};

export type EngineFactory = (
  ports: ReplicaPorts<FakeState>,
  config: EngineConfig,
  recovered: EngineRecovered<FakeState>,
) => EnginePort;

/** The real one. */
export const channelEngine: EngineFactory = (ports, config, recovered) =>
  new ChannelEngine(ports, config, recovered);
