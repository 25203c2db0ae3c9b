/** Brings the lane's heads, and the site's revocations, to the ledger, one at a time, for as long as it takes. */

import { present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger, LedgerFault } from "@tamga/ledger-core/ledger/ledger";
import { sealsOf } from "@tamga/ledger-core/receipt/seal-evidence";
import { parseGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import type { DeviceRegistry } from "../registry/device-registry.ts";

export type LaneOrdererOptions = {
  readonly crypto: CryptoPort;
  readonly lane: SqliteLane;
  readonly ledger: Ledger;
  readonly registry: DeviceRegistry;
  readonly gateway: Parameters<Ledger["lane"]>[0];
  /** Leaf first, up to below the organisation's CA. */
  readonly gatewayChain: readonly Uint8Array[];
  /** A head was sealed: the lane's leaves in [from, to) are final. */
  readonly sealed: (from: bigint, to: bigint) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long heads are gathered, and how long to wait after a refusal, in milliseconds. */
  readonly orderEveryMs: number;
  readonly retryAfterMs: number;
};

export class LaneOrderer {
  readonly #options: LaneOrdererOptions;
  #wake: (() => void) | undefined;

  constructor(options: LaneOrdererOptions) {
    this.#options = options;
  }

  /** The lane grew, or a device was revoked. */
  notify(): void {
    this.#wake?.();
  }

  /** Runs until the signal aborts. Throws OperationalError LANE_FROZEN and what the ledger throws. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock, orderEveryMs } = this.#options;
    await this.#openLane(signal);
    this.#recoverOrdered();
    while (!signal.aborted) {
      const grown = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const busy = (await this.#orderRevocations(signal)) || (await this.#orderHead(signal));
      if (!busy) await raceAbort(grown, signal);
      await clock.sleep(orderEveryMs, { signal });
    }
  }

  /** Leaf 0 of the lane is the very transaction that opens it. */
  async #openLane(signal: AbortSignal): Promise<void> {
    const { lane, ledger, gateway, gatewayChain } = this.#options;
    const known = ledger.lane(gateway);
    if (known !== undefined && equal(known.incarnation, lane.incarnation)) return;
    await this.#submit(
      { statement: lane.laneOpenStatement(), consistency: [], certificates: gatewayChain },
      signal,
    );
  }

  /** A crash between the ledger's seal and our own note of it: the ledger still has the statement. */
  #recoverOrdered(): void {
    const { lane, ledger, gateway } = this.#options;
    const known = ledger.lane(gateway);
    if (known === undefined || known.head.size <= (lane.current.ordered?.head.size ?? 0n)) return;
    const statement = present(ledger.entry(known.index), "ordered lane head");
    this.#record(statement, known.index);
  }

  async #orderRevocations(signal: AbortSignal): Promise<boolean> {
    const { registry } = this.#options;
    const waiting = registry.unorderedRevocations();
    for (const { kid, statement } of waiting) {
      const index = await this.#submit({ statement, consistency: [], certificates: [] }, signal);
      if (index !== undefined) registry.markRevocationOrdered(kid);
    }
    return waiting.length > 0;
  }

  /** @returns false where there was nothing to order. */
  async #orderHead(signal: AbortSignal): Promise<boolean> {
    const { lane, ledger, gateway } = this.#options;
    const last = present(ledger.lane(gateway), "open lane in the ledger");
    if (last.frozen) {
      throw new OperationalError(
        "LANE_FROZEN",
        "The ledger holds two heads of this lane that contradict each other; it takes no more of it.",
      );
    }
    if (lane.size() <= last.head.size) return false;
    const { statement, head } = lane.laneHeadStatement(ledger.revocations().head);
    const consistency = lane.consistency(last.head.size, head.size);
    const index = await this.#submit({ statement, consistency, certificates: [] }, signal);
    if (index !== undefined) this.#record(statement, index);
    return true;
  }

  #record(statement: Uint8Array, index: bigint): void {
    const { lane, ledger, crypto } = this.#options;
    const parsed = parseStatement(statement);
    if (!parsed.ok || parsed.value.header.type !== "lane-head") return;
    const claims = parseGatewayClaims("lane-head", parsed.value.claims);
    const head = present(claims.ok ? claims.value.head : undefined, "head of our own statement");
    const seal = present(ledger.sealed(), "seal over an ordered head");
    const from = lane.current.ordered?.head.size ?? 0n;
    lane.ordered({
      head,
      statement,
      evidence: {
        index,
        size: seal.size,
        path: ledger.inclusion(index, seal.size),
        seals: sealsOf(crypto, ledger.trustPolicy, seal),
      },
      revocations: ledger.revocations(index).entries,
    });
    this.#options.sealed(from, head.size);
  }

  /** @returns undefined where the ledger refused: the caller looks again at what it submits. */
  async #submit(transaction: Transaction, signal: AbortSignal): Promise<bigint | undefined> {
    const { ledger, clock, logger, retryAfterMs } = this.#options;
    const submitted = await ledger.submit(transaction, { signal });
    if (submitted.ok) return submitted.value.index;
    const { fault } = submitted;
    logger.warn({ event: "ledger.refused", code: fault.code }, "transaction refused; trying again");
    if (!isStale(fault)) await clock.sleep(retryAfterMs, { signal });
    return undefined;
  }
}

/** A revocation was ordered in between: the next head names the new list. */
function isStale(fault: LedgerFault): boolean {
  return fault.code === "LANE_HEAD_STALE_REVOCATIONS";
}

function raceAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, reject);
  });
}
