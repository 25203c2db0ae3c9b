/**
 * The way of an uplink message: check, then admit to the lane in arrival order of its device, then
 * resolve. What resolves is durable; the broker writes PUBACK only then.
 */

import { assertNever } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { UplinkKind } from "@tamga/ledger-core/wire/topic";
import type { Admission, Admitted } from "../lane/admission.ts";
import {
  commitLookMs,
  commitMsMax,
  devicesCachedMax,
  rejectionBurstMax,
  rejectionsPerSecondMax,
} from "../limits.ts";
import type { ClientAccess } from "./client-access.ts";
import { RejectionPace } from "./rejection-pace.ts";
import type { VerifyPool } from "./verify-pool.ts";
import type { UplinkSender, VerifiedUplink } from "./verify-uplink.ts";

export type IngestPorts = {
  readonly pool: Pick<VerifyPool, "verify">;
  /** Admits in call order; resolves after the commit that holds it. */
  readonly admit: (admission: Admission) => Promise<Pick<Admitted, "outcome">>;
  /** Signing keys that the device may use now. */
  readonly keysOf: (device: Identifier) => UplinkSender["keys"];
  /** What becomes of a statement that verified: its refusal's code where it is not to be taken. */
  readonly order: (device: Identifier, stream: Identifier) => string | undefined;
  readonly have: (access: ClientAccess, payload: Uint8Array) => Promise<void>;
  readonly renew: (access: ClientAccess, payload: Uint8Array) => Promise<void>;
  readonly clock: Clock;
};

const restFactor = 3;

export class Ingest {
  readonly #ports: IngestPorts;
  /** Per device: settles when its newest statement has entered the commit queue. */
  readonly #tails = new Map<Identifier, Promise<void>>();
  /** Per device: settles when its newest question was answered. */
  readonly #questions = new Map<Identifier, Promise<void>>();
  /** Statements without PUBACK yet. */
  readonly #owed = new Set<{ readonly since: MonotonicMillis }>();
  readonly #pace = new RejectionPace({
    burst: rejectionBurstMax,
    perSecond: rejectionsPerSecondMax,
    devicesMax: devicesCachedMax,
  });
  readonly #closing = new AbortController();
  /** When a statement was last acknowledged. */
  #progressAt: MonotonicMillis | undefined;

  constructor(ports: IngestPorts) {
    this.#ports = ports;
  }

  /** Resolves when the message is durable (or answered). Rejects with what cuts the client off. */
  async deliver(access: ClientAccess, kind: UplinkKind, payload: Uint8Array): Promise<void> {
    switch (kind) {
      case "statement":
        return this.#watched(this.#statement(access, payload));
      case "have":
        return this.#inTurn(access.device, () => this.#ports.have(access, payload));
      case "renew":
        return this.#inTurn(access.device, () => this.#ports.renew(access, payload));
      default:
        return assertNever(kind);
    }
  }

  /** Ends the waits of devices that are slowed down: what they sent is not acknowledged. */
  close(): void {
    this.#closing.abort(new OperationalError("INGEST_CLOSED", "The gateway is stopping."));
  }

  /**
   * Questions of one device are answered one after the other, each followed by a rest of three times what
   * it took: an answer is work of this very thread, and so no device takes more than a quarter of it.
   */
  async #inTurn(device: Identifier, answer: () => Promise<void>): Promise<void> {
    const { clock } = this.#ports;
    const before = this.#questions.get(device) ?? Promise.resolve();
    const answered = before.then(async () => {
      const began = clock.monotonic();
      try {
        await answer();
      } finally {
        const { signal } = new AbortController();
        await clock.sleep(restFactor * (clock.monotonic() - began), { signal });
      }
    });
    const tail = answered.catch(() => undefined);
    this.#questions.set(device, tail);
    try {
      await answered;
    } finally {
      if (this.#questions.get(device) === tail) this.#questions.delete(device);
    }
  }

  async #statement(access: ClientAccess, payload: Uint8Array): Promise<void> {
    const { device, channel } = access;
    const keys = this.#ports.keysOf(device);
    const verdict = this.#ports.pool.verify({ payload, sender: { channel, device, keys } });
    // Until its turn comes nobody looks at it, and a rejection that nobody handles ends the process.
    verdict.catch(() => undefined);
    const before = this.#tails.get(device) ?? Promise.resolve();
    let committed: Promise<unknown> = Promise.resolve();
    const entered = before.then(async () => {
      const judged = await verdict;
      await this.#paced(device);
      const admission = judged.ok
        ? this.#ordered(device, payload, judged.value)
        : ({ kind: "refused", device, bytes: payload, ...judged.fault } as const);
      committed = this.#ports.admit(admission).then(({ outcome }) => {
        if (outcome === "rejected") this.#pace.spend(device, this.#ports.clock.monotonic());
      });
      // Entering, not committing, is what keeps the order: a whole window shares one commit.
      committed.catch(() => undefined);
    });
    const tail = entered.catch(() => undefined);
    this.#tails.set(device, tail);
    try {
      await entered;
    } finally {
      if (this.#tails.get(device) === tail) this.#tails.delete(device);
    }
    await committed;
  }

  #ordered(device: Identifier, payload: Uint8Array, verified: VerifiedUplink): Admission {
    const { position, identity: digest } = verified;
    const code = this.#ports.order(device, position.stream);
    if (code === undefined) return toAdmission(device, verified);
    return { kind: "refused", device, bytes: payload, code, digest, position };
  }

  /** Whatever the statement is: after garbage the device's honest ones wait as well, in their order. */
  async #paced(device: Identifier): Promise<void> {
    const { clock } = this.#ports;
    const delayMs = this.#pace.delayMs(device, clock.monotonic());
    if (delayMs > 0) await clock.sleep(delayMs, { signal: this.#closing.signal });
  }

  /**
   * Looks now and then whether anything is still acknowledged, until the signal aborts. One timer for
   * all of them: one each would cost more than its commit. Throws OperationalError COMMIT_OVERDUE, after
   * which the daemon ends: aedes reads no PINGREQ while a PUBACK is owed, so no client would stay.
   * Who waits long while others are served has sent too much; that is no reason to end for all.
   */
  async watch({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock } = this.#ports;
    while (!signal.aborted) {
      await clock.sleep(commitLookMs, { signal });
      // Sets keep the order of coming, so the first is the oldest.
      const [oldest] = this.#owed;
      if (oldest === undefined) continue;
      const since = Math.max(oldest.since, this.#progressAt ?? oldest.since);
      if (clock.monotonic() - since < commitMsMax) continue;
      throw new OperationalError(
        "COMMIT_OVERDUE",
        "No statement was checked and committed in time; the gateway restarts.",
        { details: { limitMs: commitMsMax } },
      );
    }
  }

  async #watched(work: Promise<void>): Promise<void> {
    const owed = { since: this.#ports.clock.monotonic() };
    this.#owed.add(owed);
    try {
      await work;
      this.#progressAt = this.#ports.clock.monotonic();
    } finally {
      this.#owed.delete(owed);
    }
  }
}

function toAdmission(device: Identifier, verified: VerifiedUplink): Admission {
  const { statement, identity, type, position, body } = verified;
  const admission = { kind: "statement", device, bytes: statement, identity, type } as const;
  return { ...admission, ...position, ...(body === undefined ? {} : { body }) };
}
