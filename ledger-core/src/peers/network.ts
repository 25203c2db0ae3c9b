/** The port to the other ledger nodes: opaque bytes to and from peers, named by identity. */

import type { Digest } from "../base/bytes.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { PeerCode } from "./code.ts";

/** A node of the consortium; the members are the same list on every node. */
export type PeerMember = {
  readonly name: Identifier;
  readonly organisation: Identifier;
  /** Whether this node talks to other organisations. Without borders, all do. */
  readonly border: boolean;
  /** The channels that the node takes part in, by their ids. */
  readonly channels: readonly Digest[];
};

/** `vote` overtakes `bulk`, and is dropped after it. */
export type PeerUrgency = "vote" | "bulk";

export type PeerFrame = {
  /** Id of the channel that the payload belongs to. */
  readonly channel: Digest;
  /** Kept by reference until it is sent: the caller does not write to it again. */
  readonly payload: Uint8Array;
  readonly urgency: PeerUrgency;
};

/**
 * Takes what a peer sent; `payload` is the receiver's own. Where it answers with a promise, the frame
 * counts as unfinished until that settles, and a peer with too many unfinished bytes is not read from.
 */
export type PeerReceiver = (
  peer: Identifier,
  channel: Digest,
  payload: Uint8Array,
) => Promise<void> | undefined;

export type PeerConnection =
  | { readonly kind: "none" }
  | { readonly kind: "dialled" | "accepted"; readonly address: string }
  | { readonly kind: "relayed"; readonly via: Identifier };

export type PeerStatus = {
  readonly name: Identifier;
  readonly organisation: Identifier;
  readonly connection: PeerConnection;
  /** When the link that there is was opened. */
  readonly since?: UnixMillis;
  /** Of the last ping, in milliseconds. */
  readonly roundTripMs?: number;
  readonly queued: { readonly frames: number; readonly bytes: number };
  readonly dropped: Readonly<Record<PeerUrgency, number>>;
  /** Frames of channels, over all links since the start. */
  readonly sent: number;
  readonly received: number;
  /** Bytes that this node relayed for the peer. */
  readonly relayedBytes: number;
  /** Refusals, warnings and ends of links, by code. */
  readonly counts: ReadonlyMap<PeerCode, number>;
};

export interface PeerNetwork {
  /**
   * Queues a frame and returns at once. What does not fit, the oldest bulk first and then the oldest
   * vote, is dropped and counted; so is a frame for a stranger or of a channel that the peer is not in.
   * A frame that a link took before it broke may be lost: whoever needs an answer asks again.
   */
  send(peer: Identifier, frame: PeerFrame): void;
  /** Every other member, in the order of the members. */
  peers(): readonly PeerStatus[];
  /** Refusals of those who never said who they are. */
  strangers(): ReadonlyMap<PeerCode, number>;
  close(): Promise<void>;
}
