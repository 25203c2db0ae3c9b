/** What devices on the line are asked and told: a nonce now and then, and each result. */

import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import {
  encodeChallengeMessage,
  encodeResultMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { DownlinkKind } from "@tamga/ledger-core/wire/topic";
import { challengeLookMs } from "../limits.ts";
import type { ChallengeNonces } from "./challenge-nonces.ts";

export type AttestedLinesOptions = {
  readonly channel: Identifier;
  readonly gatewayChain: readonly Uint8Array[];
  /** @returns false where the device is not on the line. */
  readonly send: (device: Identifier, kind: DownlinkKind, payload: Uint8Array) => boolean;
  readonly nonces: ChallengeNonces;
  /** Milliseconds between two nonces for a device on the line. */
  readonly challengeEveryMs: number;
  readonly clock: Clock;
};

type Line = { challengedAt: MonotonicMillis | undefined; hasChain: boolean };

export class AttestedLines {
  readonly #options: AttestedLinesOptions;
  /** As many as there are connections. */
  readonly #lines = new Map<Identifier, Line>();

  constructor(options: AttestedLinesOptions) {
    this.#options = options;
  }

  offline(device: Identifier): void {
    this.#lines.delete(device);
  }

  /** A device listens from now on. @param result the newest statement about it. */
  begin(device: Identifier, result: Uint8Array | undefined): void {
    if (this.#lines.has(device)) return;
    this.#lines.set(device, { challengedAt: undefined, hasChain: false });
    this.tell(device, result);
    this.#challenge(device);
  }

  tell(device: Identifier, result: Uint8Array | undefined): void {
    const { send, gatewayChain } = this.#options;
    const line = this.#lines.get(device);
    if (line === undefined || result === undefined) return;
    const chain = line.hasChain ? [] : gatewayChain;
    if (send(device, "result", encodeResultMessage({ result, gatewayChain: chain })))
      line.hasChain = true;
  }

  /** Asks whoever's time has come, until the signal aborts. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(challengeLookMs, { signal });
      for (const device of this.#lines.keys()) this.#challenge(device);
    }
  }

  #challenge(device: Identifier): void {
    const { channel, nonces, send, challengeEveryMs, clock } = this.#options;
    const line = this.#lines.get(device);
    if (line === undefined) return;
    const at = clock.monotonic();
    const { challengedAt } = line;
    if (challengedAt !== undefined && at - challengedAt < challengeEveryMs) return;
    const nonce = nonces.draw({ channel, device }, clock.now());
    if (send(device, "challenge", encodeChallengeMessage({ nonce }))) line.challengedAt = at;
  }
}
