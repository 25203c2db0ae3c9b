/** Carries streams from one link to another for peers that cannot reach each other: ciphertext, in fair shares. */

import { toHex } from "../base/bytes.ts";
import type { MonotonicMillis } from "../base/time.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { PeerCode } from "./code.ts";
import type { PeerLimits } from "./limits.ts";
import type { RelayOpen } from "./message.ts";
import type { PeerMember } from "./network.ts";
import type { RelayChannel, RelayEnd, RelayMux } from "./relay-mux.ts";
import { RelayShare } from "./relay-share.ts";
import { routeTo } from "./route.ts";

export type RelaySwitchOptions = {
  readonly self: Identifier;
  /** Whether this node relays at all. */
  readonly isOn: boolean;
  readonly limits: PeerLimits;
  readonly members: () => readonly PeerMember[];
  /** The streams of the direct link to a peer, where there is one. */
  readonly linkTo: (peer: Identifier) => RelayMux | undefined;
  readonly now: () => MonotonicMillis;
  /** Runs the action after so many milliseconds, unless the node closes before. */
  readonly later: (ms: number, action: () => void) => void;
};

export class RelaySwitch {
  readonly #options: RelaySwitchOptions;
  readonly #share: RelayShare<Identifier>;

  constructor(options: RelaySwitchOptions) {
    this.#options = options;
    this.#share = new RelayShare(options.limits.relayBytesPerSecondMax);
  }

  /** Bytes that were carried for the peer. */
  carried(peer: Identifier): number {
    return this.#share.total(peer);
  }

  forget(peer: Identifier): void {
    this.#share.forget(peer);
  }

  /** Joins a stream that `from` opened with a new one towards its target. @returns why not, where not. */
  join(from: Identifier, channel: RelayChannel, open: RelayOpen): PeerCode | undefined {
    const { isOn, members } = this.#options;
    if (!isOn) return "PEER_RELAY_OFF";
    // Who shares no channel with the target is told what it would be told of a name that nobody has.
    if (!shareChannel(members(), from, open.target)) return "PEER_RELAY_TARGET_UNKNOWN";
    const next = this.#next(from, open);
    if (typeof next === "string") return next;
    const back = this.#endInto(channel, () => next.peer);
    const opened = next.mux.open({ target: open.target, relays: next.relays }, back);
    if (!opened.ok) return opened.fault.code;
    const forward = this.#endInto(opened.value, () => from);
    channel.end = forward;
    back.from = opened.value;
    forward.from = channel;
    return undefined;
  }

  /** The link over which the target is one step nearer. */
  #next(
    from: Identifier,
    { target, relays }: RelayOpen,
  ): { readonly mux: RelayMux; readonly peer: Identifier; readonly relays: number } | PeerCode {
    const { self, members, linkTo } = this.#options;
    const direct = linkTo(target);
    if (direct !== undefined) return { mux: direct, peer: target, relays: 0 };
    const route = routeTo(self, target, members());
    if (route.kind !== "via") return "PEER_RELAY_TARGET_ABSENT";
    if (relays === 0) return "PEER_RELAY_TOO_FAR";
    for (const peer of route.relays) {
      const mux = peer === from ? undefined : linkTo(peer);
      if (mux !== undefined) return { mux, peer, relays: relays - 1 };
    }
    return "PEER_RELAY_TARGET_ABSENT";
  }

  /** An end that writes what comes from `peer` into the other channel. */
  #endInto(other: RelayChannel, peer: () => Identifier): RelayEnd & { from?: RelayChannel } {
    const { now, later } = this.#options;
    const end: RelayEnd & { from?: RelayChannel } = {
      arrived: (bytes) =>
        other.send(bytes, () => {
          const waitMs = this.#share.book(peer(), bytes.length, now());
          // Its window stays shut as long as its share is used up: the peer waits, nothing is stored.
          if (waitMs === 0) end.from?.consumed(bytes.length);
          else later(waitMs, () => end.from?.consumed(bytes.length));
        }),
      ended: () => other.finish(),
      closed: (code) => other.close(code),
    };
    return end;
  }
}

function shareChannel(members: readonly PeerMember[], a: Identifier, b: Identifier): boolean {
  const channelsOf = (node: Identifier) =>
    members.find(({ name }) => name === node)?.channels.map(toHex) ?? [];
  const ofB = new Set(channelsOf(b));
  return a !== b && channelsOf(a).some((channel) => ofB.has(channel));
}
