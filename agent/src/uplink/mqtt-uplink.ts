/** Keeps a connection to one of the gateways, and lets {@link UplinkSession} work on it while it stands. */

import { present } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import { downlinkFilter } from "@tamga/ledger-core/wire/topic";
import { backoffMs } from "../outbox/backoff.ts";
import { dial } from "./dial.ts";
import { reconnectMsMax, reconnectMsMin } from "./limits.ts";
import { MqttLine } from "./mqtt-line.ts";
import type { SessionOptions } from "./session-options.ts";
import { Uplink } from "./uplink.ts";
import { UplinkSession } from "./uplink-session.ts";
import type { UplinkStatus } from "./uplink-status.ts";
import { UplinkState } from "./uplink-status.ts";
import type { UplinkAddress } from "./uplink-uri.ts";

export type MqttUplinkOptions = Omit<SessionOptions, "uplink" | "state"> & {
  /** In the order in which they are tried; the one that works is kept. */
  readonly gateways: readonly UplinkAddress[];
  readonly clock: Clock;
  readonly clockQuality: () => ClockQuality;
};

export class MqttUplink {
  readonly #options: MqttUplinkOptions;
  readonly #uplink = new Uplink();
  readonly #state: UplinkState;
  #session: UplinkSession | undefined;
  /** Index of the home gateway. */
  #home = 0;

  constructor(options: MqttUplinkOptions) {
    this.#options = options;
    this.#state = new UplinkState(options.logger);
  }

  /** There is something to send. */
  wake(): void {
    this.#session?.wake();
  }

  status(): UplinkStatus {
    const { clock, identity, epochs } = this.#options;
    const { window, phase } = this.#uplink;
    return this.#state.status({
      phase,
      inFlight: window.messages,
      inFlightBytes: window.bytes,
      windowLimit: window.limit,
      epoch: epochs.epoch,
      certificates: {
        state: identity.state(clock.now()),
        signingNotAfter: identity.certificates.signing.notAfter,
        tlsNotAfter: identity.certificates.tls.notAfter,
      },
    });
  }

  /** Until the signal aborts: connects, works, and connects again with a pause that grows. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock } = this.#options;
    const limits = { msMin: reconnectMsMin, msMax: reconnectMsMax };
    let attempt = 0;
    while (!signal.aborted) {
      const ended = await this.#connectOnce({ signal });
      if (signal.aborted) return;
      if (ended.answered) attempt = 0;
      if (ended.code === "UPLINK_CERTIFICATE_RENEWED") continue;
      const pause = backoffMs(limits, { attempt: attempt++, random: clock.random() });
      await clock.sleep(pause, { signal }).catch(() => undefined);
    }
  }

  /** @returns why it ended, and whether the gateway had answered before. */
  async #connectOnce({ signal }: { readonly signal: AbortSignal }) {
    const { gateways } = this.#options;
    const address = present(gateways[this.#home % gateways.length], "gateway of the list");
    let answered = false;
    try {
      const ended = await this.#work(address, { signal });
      answered = ended.answered;
      throw ended.reason;
    } catch (error) {
      if (!(error instanceof OperationalError)) {
        if (!signal.aborted) throw error;
        return { code: "", answered };
      }
      if (!signal.aborted) this.#state.disconnected(address.text, error);
      // One home at a time: another is tried only where this one could not be worked with.
      if (!answered && error.code !== "UPLINK_CERTIFICATE_RENEWED") this.#home++;
      return { code: error.code, answered };
    }
  }

  async #work(address: UplinkAddress, { signal }: { readonly signal: AbortSignal }) {
    const { identity, outbox, clock } = this.#options;
    const credentials = identity.credentials();
    const datesChecked = this.#datesChecked();
    const expected = {
      channel: identity.address.channel,
      ca: identity.ca,
      at: datesChecked ? clock.now() : undefined,
    };
    const { socket, gateway } = await dial(address, { credentials, expected }, { signal });
    const session = new UplinkSession({
      ...this.#options,
      uplink: this.#uplink,
      state: this.#state,
    });
    const line = await MqttLine.open(
      socket,
      {
        clientId: identity.address.device,
        filter: downlinkFilter(identity.address),
        onMessage: (topic, payload) => session.received(topic, payload),
      },
      { signal },
    );
    this.#state.connected(address.text, { gateway, datesChecked, now: clock.now() });
    this.#session = session;
    try {
      return await session.run(line, { signal });
    } finally {
      this.#session = undefined;
      await line.close();
      this.#uplink.step({ type: "lost" });
      outbox.disconnected();
    }
  }

  /** A dead clock battery must not lock a device out; that it is so is logged and shown. */
  #datesChecked(): boolean {
    const { clock, clockQuality } = this.#options;
    return clockQuality() !== "unsynchronised" && clock.now() >= earliestPlausible;
  }
}

/** 2024-01-01T00:00:00Z: no clock that shows an earlier time was ever set. */
const earliestPlausible = unixMillis(1_704_067_200_000);
