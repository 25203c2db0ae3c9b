/** Whether a link lives: pings and their answers, and for how long nothing came or nothing went. Pure. */

import { equal, u64 } from "../base/bytes.ts";
import type { PeerCode } from "./code.ts";
import type { PeerLimits } from "./limits.ts";

export type PulseFrame = { readonly type: "ping" | "pong"; readonly body: Uint8Array };

export class PeerPulse {
  readonly #intervalsMax: number;
  #quietIntervals = 0;
  #blockedIntervals = 0;
  #isBlocked = false;
  #pings = 0n;
  #ping: { readonly body: Uint8Array; sentAt: number | undefined } | undefined;
  #answer: Uint8Array | undefined;
  #roundTripMs: number | undefined;

  constructor({ silentMsMax, keepAliveMs }: PeerLimits) {
    this.#intervalsMax = Math.ceil(silentMsMax / keepAliveMs);
  }

  /** Of the last ping that was answered. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Bytes came, or it was we who did not listen. */
  heard(): void {
    this.#quietIntervals = 0;
  }

  /** The connection takes no more for now. */
  blocked(): void {
    this.#isBlocked = true;
    this.#blockedIntervals = 0;
  }

  unblocked(): void {
    this.#isBlocked = false;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
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
   * Asked at each interval: has the link died? Else a ping is made ready. Counted are intervals and not
   * time, so that a process that was stopped for long does not take all its peers for dead.
   *
   * @param isDeaf we do not read at the moment, so silence says nothing.
   */
  tick(isDeaf: boolean): Extract<PeerCode, "PEER_STALLED" | "PEER_SILENT"> | undefined {
    if (this.#isBlocked) this.#blockedIntervals++;
    if (!isDeaf) this.#quietIntervals++;
    if (this.#isBlocked && this.#blockedIntervals > this.#intervalsMax) return "PEER_STALLED";
    if (this.#quietIntervals > this.#intervalsMax) return "PEER_SILENT";
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
