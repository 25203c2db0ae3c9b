/**
 * A validator of one epoch: Simplex as CONSENSUS.md has it, as a reducer. Pure: time comes with events,
 * and what is to be done is returned as effects; the same events give the same effects.
 */

import { assertNever } from "../base/assert.ts";
import type { MonotonicMillis } from "../base/time.ts";
import { keepAlive, ownStatus } from "./answering.ts";
import type { PendingTransaction } from "./application.ts";
import { countVote, keepCertificate } from "./certifying.ts";
import { settleSeal, tryCommit } from "./committing.ts";
import { fetchItemsMax, transactionBytesMax } from "./limits.ts";
import type { Fetch, Sealed, Status } from "./message.ts";
import { earliest } from "./patience.ts";
import { tryPropose } from "./proposing.ts";
import { hearTransactions, receiveMessage } from "./receiving.ts";
import { noWants, ReplicaCore } from "./replica-core.ts";
import type {
  Moment,
  Recovered,
  ReplicaConfig,
  ReplicaEvent,
  ReplicaPorts,
  SealedPoint,
  StepResult,
  VoteFloor,
} from "./replica-io.ts";
import { gossip, hasOutstanding, resendAll } from "./resending.ts";
import type { View } from "./validator-set.ts";
import { openLater, tryFinalize, tryNotarize, tryNullify } from "./voting.ts";

/** For people, tests and the engine above. */
export type ReplicaStatus = {
  readonly epoch: number;
  readonly view: View;
  readonly finalHeight: number;
  readonly finalView: View;
  readonly sealedSize: bigint;
  readonly pending: number;
  /** Nothing is known that is not final with a seal point. */
  readonly isIdle: boolean;
  readonly viewTimersArmed: boolean;
  /** Nothing is signed: votes may have been lost. */
  readonly abstaining: boolean;
  readonly ended: boolean;
  readonly halted?: string;
};

/** What was heard of a validator since the start. */
export type Heard = {
  /** By this node's monotonic clock; 0 where it never was. */
  readonly heardAt: MonotonicMillis;
  /** As it last said; 0 where it never did. */
  readonly finalHeight: number;
};

export class Replica<State> {
  readonly #core: ReplicaCore<State>;
  readonly #recovered: Recovered<State>;

  constructor(ports: ReplicaPorts<State>, config: ReplicaConfig, recovered: Recovered<State>) {
    this.#core = new ReplicaCore(ports, config, recovered);
    this.#recovered = recovered;
  }

  status(): ReplicaStatus {
    const { set, view, tree, sealing, pool, patience, book, ended, halted, history } = this.#core;
    return {
      epoch: set.epoch,
      view,
      finalHeight: tree.tip.height,
      finalView: history.baseView,
      sealedSize: sealing.sealedSize,
      pending: pool.size,
      isIdle: !this.#core.isBusy,
      viewTimersArmed: patience.isArmed,
      abstaining: book.amnesia,
      ended,
      ...(halted === undefined ? {} : { halted }),
    };
  }

  /** Of each validator, in the order of the set; of oneself nothing. */
  get heard(): readonly Heard[] {
    return this.#core.peers;
  }

  /** Own submissions that are not final, for the next epoch. */
  get ownPending(): readonly PendingTransaction[] {
    return [...this.#core.pool.own()];
  }

  get floor(): VoteFloor {
    return this.#core.book.floor;
  }

  get sealed(): SealedPoint | undefined {
    return this.#core.sealing.newest;
  }

  ownStatus(): Status {
    return ownStatus(this.#core);
  }

  /** The newest seal, for who is behind it. */
  ownSealed(): Sealed | undefined {
    return this.#core.sealing.message();
  }

  /** Transactions of somebody who is no validator. @returns a code where one is none at all. */
  hear(stranger: string, transactions: readonly Uint8Array[]): string | undefined {
    return hearTransactions(this.#core, { stranger }, transactions);
  }

  /** Takes one event. The effects are to be carried out in their order. */
  step(event: ReplicaEvent, moment: Moment): StepResult<State> {
    const core = this.#core;
    core.moment = moment;
    if (core.halted !== undefined) return { effects: [], wakeAt: undefined };
    this.#take(event);
    this.#advance();
    this.#timers();
    return { effects: core.out.take(), wakeAt: this.#wakeAt() };
  }

  #take(event: ReplicaEvent): void {
    switch (event.type) {
      case "start":
        this.#start(event.nonce);
        return;
      case "tick":
        return;
      case "message": {
        const peer = this.#core.peers[event.from];
        if (peer === undefined || event.from === this.#core.self) return;
        peer.heardAt = this.#core.now;
        receiveMessage(this.#core, event.from, event.message);
        return;
      }
      case "submit":
        this.#submit(event.transactions);
        return;
      case "seal-signed":
        this.#sealSigned(event.size, event.payload);
        return;
      default:
        assertNever(event);
    }
  }

  /** Takes in what the last crash left: own votes count again, and are sent again. */
  #start(nonce: Uint8Array): void {
    const core = this.#core;
    const { book, history, tree, set } = core;
    core.startedAt.now = core.now;
    core.statusAt = core.now;
    core.amnesia.ask(nonce);
    // The clean-up that follows a commit may have been lost with the power: votes for what is final would
    // be sent again for ever, since nobody keeps a certificate of that view that could answer them.
    if (history.baseView > 0 && !book.isBelowFloor(history.baseView))
      core.out.write({ type: "floor", floor: book.raiseFloor(history.baseView) });
    const { blocks, certificates, unsealed } = this.#recovered;
    for (const block of blocks) {
      const { epoch, height } = block.header;
      // Nor is a body open whose clean-up was lost: this validator alone would wait for its view for ever.
      if (epoch === set.epoch && height > tree.tip.height) tree.add(block, { kept: true });
    }
    for (const certificate of certificates)
      if (certificate.epoch === set.epoch && certificate.ballot.view > history.baseView)
        keepCertificate(core, certificate, false);
    for (const { view, notarized } of book.rows) {
      if (notarized !== undefined) {
        const { parentView, digest } = notarized;
        core.proposals.set(view, { kind: "notarize", view, parentView, digest });
      }
      for (const vote of book.votesOf(view)) countVote(core, vote);
    }
    core.view = Math.max(core.view, book.highestView, history.highestCertified + 1);
    if (unsealed !== undefined && unsealed.epoch === set.epoch) {
      settleSeal(core, core.sealing.open(unsealed));
      if (core.self !== undefined) core.out.emit({ type: "sign-seal", point: unsealed });
    }
    core.woken = book.row(core.view) !== undefined;
  }

  #submit(transactions: readonly PendingTransaction[]): void {
    const { pool, tree, ports } = this.#core;
    const fresh: PendingTransaction[] = [];
    for (const transaction of transactions) {
      const limit = Math.min(transactionBytesMax, this.#core.config.parameters.blockBytesMax);
      if (transaction.bytes.length > limit) {
        const fault = { code: "TRANSACTION_TOO_LONG", limit };
        this.#core.out.emit({ type: "refused", ...transaction, fault });
        continue;
      }
      if (ports.application.isOrdered(tree.tip.state, transaction.id)) continue;
      if (pool.add(transaction, "own")) fresh.push(transaction);
    }
    if (!this.#core.isAlone) gossip(this.#core, fresh);
  }

  #sealSigned(size: bigint, payload: Uint8Array): void {
    const { sealing, out } = this.#core;
    settleSeal(this.#core, sealing.addOwn(size, payload));
    const { epoch } = this.#core.set;
    if (this.#core.set.size > 1) out.send("all", { type: "seal", epoch, size, payload });
  }

  /** Does all that can be done; each thing may make another possible. */
  #advance(): void {
    const core = this.#core;
    core.wants = noWants();
    for (let rounds = 0; core.halted === undefined && rounds < roundsMax; rounds++) {
      this.#arm();
      core.wants = noWants();
      // Each in its turn, so that a later one sees what an earlier one changed.
      const isMoved = [openLater, tryCommit, tryFinalize, tryNotarize, tryPropose, tryNullify].some(
        (attempt) => attempt(core),
      );
      if (!isMoved) break;
    }
    this.#arm();
  }

  /** The view's timers run while there is something to order, or the view was heard of. */
  #arm(): void {
    const core = this.#core;
    if (core.ended || !(core.isBusy || core.woken)) core.patience.cancel();
    else core.patience.arm(core.now, core.failedViews, core.isHopeless(core.leader));
  }

  #timers(): void {
    const core = this.#core;
    const { now, isAlone } = core;
    if (core.halted !== undefined) return;
    if (hasOutstanding(core)) {
      core.resend.start(now);
      if (core.resend.due(now)) resendAll(core);
    } else core.resend.stop();
    if (core.statusAt !== undefined && now >= core.statusAt && !isAlone) {
      core.statusAt = now + core.config.parameters.keepAliveMs;
      core.out.send("all", keepAlive(core));
    }
    this.#fetch();
  }

  #fetch(): void {
    const core = this.#core;
    const { digests, heights, certificates, ancestor, likely } = core.wants;
    const wants: Fetch[] = [];
    const { epoch, size } = core.set;
    const from = core.tree.tip.height + 1;
    if (heights) wants.push({ type: "fetch-heights", from });
    if (ancestor !== undefined) wants.push({ type: "fetch-ancestors", height: ancestor.height });
    if (digests.size > 0)
      wants.push({
        type: "fetch-blocks",
        epoch,
        digests: [...digests.values()].slice(0, fetchItemsMax),
      });
    if (certificates !== undefined)
      wants.push({ type: "fetch-certificates", epoch, ...certificates });
    if (wants.length === 0) {
      core.fetching.stop();
      return;
    }
    const isBehind = heights || ancestor !== undefined;
    const key = `${isBehind ? from : ""} ${ancestor?.height ?? ""} ${[...digests.keys()].join()} ${certificates?.from ?? ""}-${certificates?.to ?? ""}`;
    const ahead = core.peers.findIndex(({ finalHeight }) => finalHeight >= from);
    const first = likely ?? (isBehind && ahead >= 0 ? ahead : core.leader);
    const question = core.fetching.ask(
      core.now,
      { key, wants, likely: first },
      { self: core.self, size },
    );
    for (const want of question?.wants ?? []) core.out.send(question?.to ?? 0, want);
  }

  #wakeAt(): StepResult<State>["wakeAt"] {
    const { patience, resend, statusAt, fetching, holdUntil, halted, isAlone } = this.#core;
    if (halted !== undefined) return undefined;
    const hold = patience.isArmed ? holdUntil : undefined;
    const later = hold !== undefined && hold > this.#core.now ? hold : undefined;
    return earliest(patience.next, resend.at, isAlone ? undefined : statusAt, fetching.at, later);
  }
}

/** Rounds of one step: each commits, votes or proposes; with one validator a block takes five. */
const roundsMax = 4_096;
