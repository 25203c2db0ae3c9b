/** What the parts of a session work with. */

import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { EventSink } from "../agent-event.ts";
import type { DeviceIdentity } from "../identity/device-identity.ts";
import type { StoredStatement } from "../outbox/sending.ts";
import type { SqliteOutbox } from "../outbox/sqlite-outbox.ts";
import type { KeyRotation } from "../rotation/key-rotation.ts";
import type { Signer } from "../signer/signer.ts";
import type { Downlink } from "./downlink.ts";
import type { GatewayChains } from "./gateway-chains.ts";
import type { KeptEpochs } from "./kept-epochs.ts";
import type { KnownEpochs } from "./known-epochs.ts";
import type { Uplink, UplinkEvent } from "./uplink.ts";
import type { UplinkState } from "./uplink-status.ts";

/** What an uplink needs of an outbox. */
export type UplinkOutbox = Pick<
  SqliteOutbox,
  | "nextToSend"
  | "acknowledged"
  | "disconnected"
  | "find"
  | "markProvisional"
  | "markFinal"
  | "markRejected"
  | "rememberCheckpoint"
  | "heldResult"
  | "holdResult"
  | "pendingRanges"
  | "keptRanges"
  | "mark"
  | "reconcile"
  | "requeue"
  | "stateGaps"
  | "status"
>;

export type SessionOptions = {
  readonly identity: DeviceIdentity;
  readonly signer: Signer;
  readonly outbox: UplinkOutbox;
  /** Absent where the signing key never changes. */
  readonly rotation?: Pick<KeyRotation, "connected" | "due" | "take">;
  readonly downlink: Downlink<StoredStatement>;
  readonly chains: GatewayChains;
  readonly epochs: KnownEpochs;
  readonly keptEpochs: KeptEpochs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventSink;
  readonly uplink: Uplink;
  readonly state: UplinkState;
  /** The gateway asks for evidence that carries this nonce. */
  readonly challenged: (nonce: Uint8Array) => void;
};

/** What a part of a session may do to the whole. */
export type SessionPort = {
  readonly step: (event: UplinkEvent) => void;
  /** Resolves at PUBACK; rejects with UPLINK_LOST. */
  readonly publish: (topic: string, payload: Uint8Array) => Promise<void>;
  /** Ends the session where the work fails. */
  readonly watch: (work: Promise<unknown>) => void;
  readonly isOpen: () => boolean;
};
