/** Whether a link lives: pings and their answers, and for how long nothing came or nothing went. Pure. */

import { equal, u64 } from "../base/bytes.ts";
import type { PeerCode } from "./peer-code.ts";
import type { PeerLimits } from "./peer-limits.ts";

export type PulseFrame = { readonly type: "ping" | "pong"; readonly body: Uint8Array };

export class PeerPulse {
  readonly #limits: PeerLimits;
  #heardAt: number;
  #blockedAt: number | undefined;
  #pings = 0n;
  #ping: { readonly body: Uint8Array; sentAt: number | undefined } | undefined;
  #answer: Uint8Array | undefined;
  #roundTripMs: number | undefined;

  constructor(limits: PeerLimits, now: number) {
    this.#limits = limits;
    this.#heardAt = now;
  }

  /** Of the last ping that was answered. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Bytes came, or it was we who did not listen. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** The connection takes no more for now. */
  blocked(now: number): void {
    this.#blockedAt ??= now;
  }

  unblocked(): void {
    this.#blockedAt = undefined;
  }

  get isBlocked(): boolean {
    return this.#blockedAt !== undefined;
  }

  /** Only the newest ping is answered: a flood of them costs one answer at a time. */
  pinged(body: Uint8Array): void {
    this.#answer = body;
  }

  ponged(body: Uint8Array, now: number): void {
    const ping = this.#ping;
    if (ping?.sentAt === undefined || !equal(ping.body, body)) return;
    this.#roundTripMs = now - ping.sentAt;
    this.#ping = undefined;
  }

  /**
   * Asked at each interval: has the link died? Else a ping is made ready.
   * @param isDeaf we do not read at the moment, so silence says nothing.
   */
  tick(
    now: number,
    isDeaf: boolean,
  ): Extract<PeerCode, "PEER_STALLED" | "PEER_SILENT"> | undefined {
    const { silentMsMax } = this.#limits;
    if (now - (this.#blockedAt ?? now) > silentMsMax) return "PEER_STALLED";
    if (!isDeaf && now - this.#heardAt > silentMsMax) return "PEER_SILENT";
    this.#ping ??= { body: u64(this.#pings++), sentAt: undefined };
    return undefined;
  }

  /** What is to be sent before anything else. */
  next(now: number): PulseFrame | undefined {
    const body = this.#answer;
    if (body !== undefined) {
      this.#answer = undefined;
      return { type: "pong", body };
    }
    if (this.#ping === undefined || this.#ping.sentAt !== undefined) return undefined;
    this.#ping.sentAt = now;
    return { type: "ping", body: this.#ping.body };
  }
}
