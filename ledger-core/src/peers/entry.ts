/** What is known of one peer: its links, what waits for it, and what was counted. */

import type { UnixMillis } from "../base/time.ts";
import { keepsNewer } from "./choice.ts";
import { PeerCounts } from "./code.ts";
import type { PeerDialler } from "./dialler.ts";
import type { PeerLimits } from "./limits.ts";
import type { PeerLink } from "./link.ts";
import type { PeerMember, PeerStatus } from "./network.ts";
import { PeerQueue } from "./queue.ts";

export class PeerEntry {
  readonly queue: PeerQueue;
  readonly counts = new PeerCounts();
  member: PeerMember;
  dialler: PeerDialler | undefined;
  readonly end = new AbortController();
  #link: PeerLink | undefined;
  #retired: PeerLink | undefined;
  #since: UnixMillis | undefined;
  /** Frames of channels, over all links. */
  sent = 0;
  received = 0;

  constructor(member: PeerMember, limits: PeerLimits) {
    this.member = member;
    this.queue = new PeerQueue(limits);
  }

  /** The link that is written to. */
  get link(): PeerLink | undefined {
    return this.#link?.isOpen === true ? this.#link : undefined;
  }

  /** A link is open: keeps it or the one that there is; both ends keep the same. */
  opened(link: PeerLink, now: UnixMillis): void {
    const held = this.#link;
    const isKept = held?.isOpen !== true || keepsNewer(held.origin, link.origin);
    const loser = isKept ? held : link;
    if (isKept) {
      this.#link = link;
      this.#since = now;
    }
    if (loser === undefined) return;
    // One may drain at a time: whoever connects without end does not pile links up.
    this.#retired?.cut("PEER_LINK_REPLACED");
    this.#retired = loser;
    if (loser.isOpen) loser.retire();
  }

  /** @returns whether it was the one that is written to. */
  closed(link: PeerLink): boolean {
    if (this.#retired === link) this.#retired = undefined;
    if (this.#link !== link) return false;
    this.#link = undefined;
    this.#since = undefined;
    return true;
  }

  status(relayedBytes: number): PeerStatus {
    const { name, organisation } = this.member;
    const link = this.link;
    const roundTripMs = link?.roundTripMs;
    return {
      name,
      organisation,
      connection: link?.connection ?? { kind: "none" },
      ...(link === undefined || this.#since === undefined ? {} : { since: this.#since }),
      ...(roundTripMs === undefined ? {} : { roundTripMs }),
      queued: { frames: this.queue.frames, bytes: this.queue.bytes },
      dropped: { ...this.queue.dropped },
      sent: this.sent,
      received: this.received,
      relayedBytes,
      counts: new Map(this.counts.all),
    };
  }
}
