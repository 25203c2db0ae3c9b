/** Brings the lane's heads, and the site's revocations and device keys, to the ledger, one at a time, for as long as it takes. */

import { present } from "@tamga/ledger-core/base/assert";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Result } from "@tamga/ledger-core/base/result";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { databaseError } from "@tamga/ledger-core/daemon/sqlite";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger, LedgerFault, OrderedLane } from "@tamga/ledger-core/ledger/ledger";
import { sealsOf } from "@tamga/ledger-core/receipt/seal-evidence";
import { parseGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { raceAbort } from "../race-abort.ts";
import type { DeviceRegistry } from "../registry/device-registry.ts";
import type { KeyOrderer } from "./key-orderer.ts";
import { OrderPace } from "./order-pace.ts";

export type LaneOrdererOptions = {
  readonly crypto: CryptoPort;
  readonly lane: Pick<
    SqliteLane,
    | "incarnation"
    | "current"
    | "size"
    | "root"
    | "consistency"
    | "laneOpenStatement"
    | "laneHeadStatement"
    | "ordered"
  >;
  readonly ledger: Ledger;
  readonly registry: Pick<
    DeviceRegistry,
    "unorderedRevocations" | "markRevocationOrdered" | "reviveRevocations"
  >;
  /** Undefined where nobody brings device keys. */
  readonly keys?: Pick<KeyOrderer, "order" | "changed">;
  readonly gateway: Parameters<Ledger["lane"]>[0];
  /** Leaf first, up to below the organisation's CA. */
  readonly gatewayChain: readonly Uint8Array[];
  /** A head was sealed: the lane's leaves in [from, to) are final. */
  readonly sealed: (from: bigint, to: bigint) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What passes by itself, e.g. a full disk; `begins` says whether nobody has said it yet. */
  readonly trouble?: { readonly begins: (code: string) => boolean; readonly ends: () => void };
  /** How long heads are gathered, and how long to wait after a refusal, in milliseconds. */
  readonly orderEveryMs: number;
  /** The same while so little comes that a head has few leaves. */
  readonly orderEveryMsMax: number;
  readonly retryAfterMs: number;
};

export class LaneOrderer {
  readonly #options: LaneOrdererOptions;
  /** Revocations that the ledger will not take: a person was told, and heads go on without them. */
  readonly #hopeless = new Set<string>();
  #wake: (() => void) | undefined;
  #lastRefusal: string | undefined;

  constructor(options: LaneOrdererOptions) {
    this.#options = options;
  }

  /** The lane grew, or a device was revoked. */
  notify(): void {
    this.#wake?.();
  }

  /** Devices were enrolled, renewed or revoked. */
  notifyKeys(): void {
    this.#options.keys?.changed();
    this.notify();
  }

  /**
   * Runs until the signal aborts; a full disk or a refusal only makes it wait.
   * Throws OperationalError LANE_FROZEN, LANE_OVERTAKEN, and what the ledger and the databases throw otherwise.
   */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock, lane, orderEveryMs, orderEveryMsMax } = this.#options;
    const pace = new OrderPace({ everyMs: orderEveryMs, everyMsMax: orderEveryMsMax });
    const orderedSize = () => lane.current.ordered?.head.size ?? 0n;
    await this.#outlast(signal, () => this.#open(signal));
    while (!signal.aborted) {
      const grown = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const before = orderedSize();
      const done = await this.#outlast(signal, () => this.#orderAll(signal));
      // Keys wait for their own seals, and no head waits because a device was enrolled.
      if (done === "keys") continue;
      if (done === "heads") pace.tried(clock.monotonic(), Number(orderedSize() - before));
      else await raceAbort(grown, signal);
      await clock.sleep(pace.waitMs(clock.monotonic()), { signal });
    }
  }

  /** Tries again for as long as the disk is full or another process holds a database. */
  async #outlast<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { clock, logger, retryAfterMs, trouble } = this.#options;
    for (;;) {
      try {
        const done = await work();
        trouble?.ends();
        return done;
      } catch (error) {
        const known = databaseError(error, "of the gateway");
        if (!(known instanceof OperationalError) || !passing.includes(known.code)) throw error;
        const isNews = trouble?.begins(known.code) ?? true;
        if (this.#isNews(known.code) && isNews)
          logger.error(
            { event: "ordering.waits", error: known },
            "nothing is final until this ends",
          );
        await clock.sleep(retryAfterMs, { signal });
      }
    }
  }

  async #open(signal: AbortSignal): Promise<void> {
    const { ledger, registry } = this.#options;
    const held = new Set(ledger.revocations().entries.map(({ kid }) => toHex(kid)));
    // A channel that was opened anew begins with no revocation; our own file remembers them.
    registry.reviveRevocations((kid) => held.has(toHex(kid)));
    await this.#openLane(signal);
  }

  /** Leaf 0 of the lane is the very transaction that opens it. */
  async #openLane(signal: AbortSignal): Promise<void> {
    const { lane, ledger, gateway, gatewayChain, clock, retryAfterMs } = this.#options;
    const statement = lane.laneOpenStatement();
    for (;;) {
      const known = ledger.lane(gateway);
      if (known !== undefined && equal(known.incarnation, lane.incarnation)) return;
      const opening = { statement, consistency: [], certificates: gatewayChain };
      const submitted = await this.#submit(opening, signal);
      if (submitted.ok) return;
      if (submitted.fault.code === "LANE_FROZEN") throw frozen();
      // It was signed on what a ledger out of a backup knew, which has caught up since.
      if (submitted.fault.code === "LANE_PREDECESSOR_MISMATCH") throw overtaken();
      await clock.sleep(retryAfterMs, { signal });
    }
  }

  async #orderAll(signal: AbortSignal): Promise<"heads" | "keys" | "nothing"> {
    await this.#recoverOrdered(signal);
    const revoked = await this.#orderRevocations(signal);
    const stated = await this.#options.keys?.order((...of) => this.#submit(...of), signal);
    const grew = await this.#orderHead(signal);
    return revoked || grew ? "heads" : stated === true ? "keys" : "nothing";
  }

  /** Read anew before each head: one signed on another tree than the ordered one would freeze the lane for ever. */
  #lastOrdered(): OrderedLane {
    const { lane, ledger, gateway } = this.#options;
    const last = present(ledger.lane(gateway), "open lane in the ledger");
    const { size, root } = last.head;
    const isOurs = equal(last.incarnation, lane.incarnation);
    if (isOurs && lane.size() >= size && equal(lane.root(size), root)) return last;
    throw last.frozen ? frozen() : overtaken();
  }

  /** After a crash, or a full disk, between the ledger's seal and our own note of it. */
  async #recoverOrdered(signal: AbortSignal): Promise<void> {
    const { lane, ledger } = this.#options;
    const known = this.#lastOrdered();
    if (known.head.size <= (lane.current.ordered?.head.size ?? 0n)) return;
    const statement = present(ledger.entry(known.index), "ordered lane head");
    if (statementType(statement) !== "lane-head") return;
    // Again, so that it is sealed for certain.
    const again = { statement, consistency: [], certificates: [] };
    const submitted = await this.#submit(again, signal);
    if (submitted.ok) this.#record(statement, submitted.value.index);
  }

  async #orderRevocations(signal: AbortSignal): Promise<boolean> {
    const { registry, logger } = this.#options;
    let ordered = false;
    for (const { kid, statement } of registry.unorderedRevocations()) {
      if (this.#hopeless.has(toHex(kid))) continue;
      const revocation = { statement, consistency: [], certificates: [] };
      const submitted = await this.#submit(revocation, signal);
      // The ledger knows something as bad of this key already.
      if (submitted.ok || submitted.fault.code === "KEY_REVOKED") {
        registry.markRevocationOrdered(kid);
        ordered = true;
      } else {
        this.#hopeless.add(toHex(kid));
        const { code } = submitted.fault;
        logger.error(
          { event: "revocation.refused", kid: toHex(kid), code },
          "the ledger refuses a revocation: receipts do not show it",
        );
      }
    }
    return ordered;
  }

  /** @returns false where there was nothing to order. */
  async #orderHead(signal: AbortSignal): Promise<boolean> {
    const { lane, ledger, clock, retryAfterMs } = this.#options;
    const last = this.#lastOrdered();
    if (last.frozen) throw frozen();
    if (lane.size() === last.head.size) return false;
    const { statement, head } = lane.laneHeadStatement(ledger.revocations().head);
    const consistency = lane.consistency(last.head.size, head.size);
    const submitted = await this.#submit({ statement, consistency, certificates: [] }, signal);
    if (submitted.ok) this.#record(statement, submitted.value.index);
    else if (!isStale(submitted.fault)) await clock.sleep(retryAfterMs, { signal });
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
        seals: sealsOf(crypto, seal.sealers ?? ledger.trustPolicy, seal),
      },
      revocations: ledger.revocations(index).entries,
    });
    this.#options.sealed(from, head.size);
  }

  /** Submits until the ledger is able to judge; the same statement again has the same index. */
  async #submit(
    transaction: Transaction,
    signal: AbortSignal,
  ): Promise<Result<{ readonly index: bigint }, LedgerFault>> {
    const { ledger, clock, logger, retryAfterMs, trouble } = this.#options;
    for (;;) {
      const submitted = await ledger.submit(transaction, { signal });
      if (submitted.ok) {
        this.#lastRefusal = undefined;
        trouble?.ends();
        return submitted;
      }
      const { code } = submitted.fault;
      const isShared = submitted.fault.code === "LEDGER_UNAVAILABLE";
      const isNews = isShared ? (trouble?.begins(submitted.fault.cause) ?? true) : true;
      if (this.#isNews(code) && isNews)
        logger.warn({ event: "ledger.refused", code }, "transaction refused");
      if (code !== "LEDGER_UNAVAILABLE" && code !== "LEDGER_BUSY") return submitted;
      await clock.sleep(retryAfterMs, { signal });
    }
  }

  /** The same complaint every second would bury the others. */
  #isNews(code: string): boolean {
    if (code === this.#lastRefusal) return false;
    this.#lastRefusal = code;
    return true;
  }
}

/** What ends by itself or by an operator, while the daemon goes on. */
const passing: readonly string[] = ["DISK_FULL", "DATABASE_BUSY"];

function frozen(): OperationalError {
  return new OperationalError(
    "LANE_FROZEN",
    "The ledger holds two heads of this lane that contradict each other; it takes no more of it.",
  );
}

/** Its own file or the ledger's is out of a backup, and nobody could tell before the ledger had caught up. */
function overtaken(): OperationalError {
  return new OperationalError(
    "LANE_OVERTAKEN",
    "The ledger has ordered other or later heads of this gateway than its lane was opened on, as after " +
      "a restore: the next start opens the lane's next incarnation.",
  );
}

function statementType(statement: Uint8Array): string | undefined {
  const parsed = parseStatement(statement);
  return parsed.ok ? parsed.value.header.type : undefined;
}

/** A revocation was ordered in between: the next head names the new list. */
function isStale(fault: LedgerFault): boolean {
  return fault.code === "LANE_HEAD_STALE_REVOCATIONS";
}
