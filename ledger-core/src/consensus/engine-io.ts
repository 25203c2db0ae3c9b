/** The events and effects of a channel's engine: a replica's, over all epochs, with peers by name. */

import type { Identifier } from "../base/identifier.ts";
import type { PendingTransaction } from "./application.ts";
import type { Message } from "./message.ts";
import type { Recovered, ReplicaConfig, ReplicaEffect } from "./replica-io.ts";
import type { ValidatorSet } from "./validator-set.ts";

export type EngineConfig = Pick<ReplicaConfig, "channel" | "parameters"> & {
  /** Own name; votes where it is in an epoch's set with `publicKey`, else it follows. */
  readonly self: { readonly name: Identifier; readonly publicKey: Uint8Array };
};

/** What the disk held, and the validators of the epoch in which the tip is or which the tip began. */
export type EngineRecovered<State> = Recovered<State> & {
  readonly validators: ValidatorSet;
  /** Where the tip is a boundary: the epoch that it ended, whose validators may still have to seal it. */
  readonly ended?: Pick<Recovered<State>, "tip" | "unsealed"> & {
    readonly validators: ValidatorSet;
  };
};

export type EngineEvent =
  /** The first event, once. `nonce`: 8 random bytes. */
  | { readonly type: "start"; readonly nonce: Uint8Array }
  | { readonly type: "tick" }
  /** `from`: who the link authenticated. */
  | { readonly type: "message"; readonly from: Identifier; readonly message: Message }
  | { readonly type: "submit"; readonly transactions: readonly PendingTransaction[] }
  | {
      readonly type: "seal-signed";
      readonly epoch: number;
      readonly size: bigint;
      readonly payload: Uint8Array;
    };

export type EngineEffect<State> =
  | Exclude<
      ReplicaEffect<State>,
      {
        readonly type:
          | "send"
          | "serve-heights"
          | "serve-ancestors"
          | "misbehaviour"
          | "epoch-ended";
      }
    >
  /** To one peer, or to all other validators of the epochs at hand. */
  | { readonly type: "send"; readonly to: Identifier | "all"; readonly message: Message }
  | { readonly type: "serve-heights"; readonly to: Identifier; readonly from: number }
  | { readonly type: "serve-ancestors"; readonly to: Identifier; readonly height: number }
  | { readonly type: "misbehaviour"; readonly from: Identifier; readonly code: string }
  /** The boundary was committed just before: these validators order from now on. */
  | { readonly type: "epoch-started"; readonly validators: ValidatorSet };
