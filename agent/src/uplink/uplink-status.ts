/** What an uplink shows of itself: to the log, to `status`, to health checks and metrics. */

import type { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { CertificateState, UplinkPhase } from "./uplink.ts";

/** Counters of this process; bytes are those of statement messages. */
export type UplinkCounts = {
  sent: number;
  sentBytes: number;
  stored: number;
  provisional: number;
  final: number;
  rejected: number;
  connects: number;
  refusedDownlink: number;
};

export type UplinkStatus = {
  readonly phase: UplinkPhase;
  readonly gateway: { readonly address: string; readonly name: Identifier } | undefined;
  readonly connectedSince: UnixMillis | undefined;
  /** False: the gateway's certificate was checked but for its dates, since our clock is not set. */
  readonly datesChecked: boolean;
  /** Why the last connection ended or the last attempt failed; undefined while all is well. */
  readonly trouble:
    | { readonly code: string; readonly sentence: string; readonly gateway: string }
    | undefined;
  /** Stays until the process ends: a person must act. */
  readonly alarms: readonly { readonly code: string; readonly sentence: string }[];
  readonly inFlight: number;
  readonly inFlightBytes: number;
  readonly windowLimit: number;
  readonly certificates: {
    readonly state: CertificateState;
    readonly signingNotAfter: UnixMillis;
    readonly tlsNotAfter: UnixMillis;
  };
  /** The newest epoch of validators that was verified; 0 for those of the trust policy. */
  readonly epoch: number;
  readonly counts: Readonly<UplinkCounts>;
};

export class UplinkState {
  readonly counts: UplinkCounts = {
    sent: 0,
    sentBytes: 0,
    stored: 0,
    provisional: 0,
    final: 0,
    rejected: 0,
    connects: 0,
    refusedDownlink: 0,
  };
  readonly #logger: Logger;
  readonly #alarms = new Map<string, string>();
  /** Of each gateway, so that two that are away do not fill the log by turns. */
  readonly #lastCode = new Map<string, string>();
  #gateway: UplinkStatus["gateway"];
  #connectedSince: UnixMillis | undefined;
  #datesChecked = true;
  #trouble: UplinkStatus["trouble"];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  connected(
    address: string,
    part: {
      readonly gateway: Identifier;
      readonly datesChecked: boolean;
      readonly now: UnixMillis;
    },
  ): void {
    const { gateway: name, datesChecked, now } = part;
    this.#gateway = { address, name };
    this.#connectedSince = now;
    this.#datesChecked = datesChecked;
    this.#trouble = undefined;
    this.#lastCode.clear();
    this.counts.connects++;
    this.#logger.info({ event: "uplink.connected", gateway: address, name }, "connected");
    if (!datesChecked) {
      this.#logger.warn(
        { event: "uplink.dates-unchecked", gateway: address },
        "the clock is not set: the gateway's certificate was checked but for its dates",
      );
    }
  }

  /** The same trouble again is not logged again above `debug`. */
  disconnected(address: string, error: OperationalError): void {
    const { code, message: sentence } = error;
    const known = this.#lastCode.get(address) === code;
    this.#lastCode.set(address, code);
    this.#gateway = undefined;
    this.#connectedSince = undefined;
    this.#trouble = { code, sentence, gateway: address };
    const facts = { event: "uplink.disconnected", gateway: address, error } as const;
    if (code === "UPLINK_CERTIFICATE_RENEWED") {
      this.#trouble = undefined;
      this.#logger.info(facts, "connecting again with new certificates");
    } else if (known) this.#logger.debug(facts, "still not connected");
    else this.#logger.warn(facts, "not connected");
  }

  /** Something of the gateway's could not be accepted. */
  refusedDownlink(code: string, facts: Readonly<Record<string, unknown>> = {}): void {
    this.counts.refusedDownlink++;
    this.#logger.warn({ event: "downlink.refused", code, ...facts }, "not accepted");
  }

  alarm(code: string, sentence: string, facts: Readonly<Record<string, unknown>>): void {
    this.#alarms.set(code, sentence);
    this.#logger.error({ event: "uplink.alarm", code, ...facts }, sentence);
  }

  status(
    now: Pick<
      UplinkStatus,
      "phase" | "inFlight" | "inFlightBytes" | "windowLimit" | "certificates" | "epoch"
    >,
  ): UplinkStatus {
    return {
      ...now,
      gateway: this.#gateway,
      connectedSince: this.#connectedSince,
      datesChecked: this.#datesChecked,
      trouble: this.#trouble,
      alarms: [...this.#alarms].map(([code, sentence]) => ({ code, sentence })),
      counts: this.counts,
    };
  }
}
