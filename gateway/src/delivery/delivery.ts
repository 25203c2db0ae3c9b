/**
 * The gateway's downlink: provisional proofs after a commit, heads and final proofs after a seal, and
 * answers to what devices say they hold. It keeps nothing that a reconnect would not bring back.
 */

import { toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import { epochsMessages } from "@tamga/ledger-core/receipt/epochs-message";
import type { SequenceRange, TreeHead } from "@tamga/ledger-core/wire/device-claims";
import type { ChannelEvidence } from "@tamga/ledger-core/wire/downlink-message";
import {
  encodeHeadMessage,
  encodeProofMessage,
  encodeWantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { incarnationsPerPageMax, rangesPerPageMax } from "@tamga/ledger-core/wire/limits";
import type { DownlinkKind } from "@tamga/ledger-core/wire/topic";
import type { HaveMessage, IncarnationRanges } from "@tamga/ledger-core/wire/uplink-message";
import { parseHaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import type { AdmittedBatch } from "../ingest/admission-queue.ts";
import type { LaneLog } from "../lane/lane-log.ts";
import type { OrderedHead } from "../lane/ordered-head.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import type { AwaitedRow } from "../lane/statement-rows.ts";
import { answersPerHaveMax, laneRowsPerPageMax, rangesPerHaveMax } from "../limits.ts";
import { HaveExchange } from "./have-exchange.ts";
import { firstRanges, rangeCount } from "./listed-ranges.ts";
import type { ProofRow } from "./proofs.ts";
import { buildHead, buildProofs } from "./proofs.ts";

export type DeliveryOptions = {
  readonly lane: SqliteLane;
  readonly gatewayChain: readonly Uint8Array[];
  /** @returns false where the device is not on the line. */
  readonly send: (device: Identifier, kind: DownlinkKind, payload: Uint8Array) => boolean;
  readonly isOnline: (device: Identifier) => boolean;
  /** How the channel's validators changed, from its opening on; it only grows. */
  readonly boundaries: () => readonly BoundaryProof[];
  /** Path between two sizes of the channel's log. */
  readonly channelConsistency: (size1: bigint, size2: bigint) => HeadConsistency["path"];
  /** What proves a head in the channel of now; undefined until a recovered one has its first seal. */
  readonly evidenceOf: (log: LaneLog, ordered: OrderedHead) => ChannelEvidence | undefined;
  /** A device knows a checkpoint that this channel's log does not reach: the site lost data. */
  readonly checkpointAhead: (device: Identifier, checkpoint: TreeHead) => void;
  readonly clock: Clock;
  /** How long provisional proofs wait for each other, in milliseconds. */
  readonly provisionalWaitMs: number;
};

type HeadConsistency = NonNullable<Parameters<typeof buildHead>[2]>;

type DeviceLine = {
  /** Size of the newest checkpoint that the device verified or was sent. */
  checkpointSize: bigint | undefined;
  /** The newest head of the open lane that it was sent. */
  headSize: bigint;
  /** Changes of validators that it was sent on this connection. */
  epochsSent: number;
  /** Whether it was sent the gateway's chain, which is left out of the heads after that. */
  hasChain: boolean;
  readonly exchange: HaveExchange;
  askedAll: boolean;
};

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #lines = new Map<Identifier, DeviceLine>();
  readonly #provisional = new Map<Identifier, ProofRow[]>();
  #waiting = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** A connection begins: nothing was sent on it. */
  online(device: Identifier): void {
    this.offline(device);
  }

  offline(device: Identifier): void {
    this.#lines.delete(device);
    this.#provisional.delete(device);
  }

  /** After a commit: what was admitted gets the gateway's own signature soon. */
  admitted(batch: AdmittedBatch): void {
    const { lane, isOnline, clock, provisionalWaitMs } = this.#options;
    for (const item of batch) {
      const { device, kind } = item.admission;
      if (kind === "result" || !isOnline(device)) continue;
      // The lane is asked only for what the admission itself does not tell: it is the dearer way.
      const row = rowOfAdmitted(item) ?? lane.at(item.admitted);
      if (row === undefined || row.kind === "result") continue;
      const rows = this.#provisional.get(device);
      if (rows === undefined) this.#provisional.set(device, [row]);
      else rows.push(row);
    }
    if (this.#waiting || this.#provisional.size === 0) return;
    this.#waiting = true;
    const flush = () => this.#flushProvisional();
    clock.sleep(provisionalWaitMs, { signal: new AbortController().signal }).then(flush, flush);
  }

  /** After a seal: what lies in [from, to) of the open lane is final. */
  sealed(from: bigint, to: bigint): void {
    const { lane, isOnline } = this.#options;
    for (const device of lane.devices(from, to)) {
      if (!isOnline(device)) continue;
      let fromIndex = from;
      for (;;) {
        const rows = lane.rows(device, { fromIndex, toIndex: to, limit: laneRowsPerPageMax });
        this.#sendFinal(device, rows);
        const last = rows.at(-1);
        if (last === undefined || rows.length < laneRowsPerPageMax) break;
        fromIndex = last.leafIndex + 1n;
      }
    }
  }

  /** The validators changed: whoever is on the line, and was told of the earlier changes, learns of it. */
  membersChanged(): void {
    for (const [device, line] of this.#lines) this.#sendEpochs(device, line);
  }

  /**
   * Answers a page of what the device holds; with the last page go what the gateway wants, and proofs
   * of the rest. Throws OperationalError HAVE_MALFORMED, HAVE_TOO_MANY_PAGES: the client is cut off.
   */
  have(device: Identifier, payload: Uint8Array): void {
    const message = parseHaveMessage(payload);
    if (!message.ok) {
      throw new OperationalError(
        "HAVE_MALFORMED",
        "The device's list of what it holds is malformed.",
        {
          details: { fault: message.fault.code },
        },
      );
    }
    const line = this.#line(device);
    const pages = line.exchange.add(message.value);
    if (!pages.ok) throw new OperationalError(pages.fault.code, "The device's list is too long.");
    if (pages.value !== undefined) this.#answer(device, line, pages.value);
  }

  #answer(device: Identifier, line: DeviceLine, pages: readonly HaveMessage[]): void {
    const { lane } = this.#options;
    const checkpoint = pages[0]?.checkpoint;
    line.checkpointSize = this.#usable(device, checkpoint);
    line.headSize = 0n;
    // Who asks may have refused the head that brought it.
    line.hasChain = false;
    const pending = firstRanges(pages.flatMap((page) => page.pending));
    const rows = this.#answersTo(device, pending);
    const rejected = new Set(
      rows.filter((row) => row.kind === "rejection").map((row) => rangeKey(row)),
    );
    const kept = firstRanges(pages.flatMap((page) => page.kept));
    const want = this.#wanted(device, [...pending, ...kept], rejected);
    const isComplete =
      rangeCount(want) < rangesPerPageMax &&
      want.length < incarnationsPerPageMax &&
      rangeCount(kept) < rangesPerHaveMax;
    const all = lane.needsAllOf(device) && !line.askedAll;
    // A list that was cut short is asked for again when the device comes back.
    if (line.askedAll && isComplete && lane.needsAllOf(device)) lane.answeredAll(device);
    line.askedAll = all;
    const nonce = pages[0]?.nonce ?? new Uint8Array(8);
    this.#sendEpochs(device, line);
    this.#options.send(device, "want", encodeWantMessage({ nonce, all, want }));
    const final = rows.filter((row) => lane.isFinal(row));
    this.#sendFinal(device, final);
    this.#sendProvisional(
      device,
      rows.filter((row) => !lane.isFinal(row)),
    );
  }

  /** A checkpoint that the channel's log reaches; one beyond it means that this site forgot. */
  #usable(device: Identifier, checkpoint: TreeHead | undefined): bigint | undefined {
    if (checkpoint === undefined) return undefined;
    const ordered = this.#options.lane.current.ordered;
    if (ordered !== undefined && checkpoint.size <= ordered.evidence.size) return checkpoint.size;
    if (ordered !== undefined) this.#options.checkpointAhead(device, checkpoint);
    return checkpoint.size;
  }

  /** At most one page of ranges that the lane lacks: the rest is wanted in the device's next exchange. */
  #wanted(
    device: Identifier,
    listed: readonly IncarnationRanges[],
    rejected: ReadonlySet<string>,
  ): readonly IncarnationRanges[] {
    const { lane } = this.#options;
    let left = rangesPerPageMax;
    const want: IncarnationRanges[] = [];
    for (const item of listed) {
      const ranges: SequenceRange[] = [];
      for (const range of item.ranges) {
        if (left === 0 || want.length === incarnationsPerPageMax) return want;
        const gaps = lane
          .missing(device, item.incarnation, range)
          .filter((gap) => !rejected.has(`${toHex(item.incarnation)}/${gap.first}/${gap.count}`))
          .slice(0, left);
        left -= gaps.length;
        ranges.push(...gaps);
      }
      if (ranges.length > 0) want.push({ ...item, ranges });
    }
    return want;
  }

  /** What the lane holds of these ranges, up to `answersPerHaveMax` rows. */
  #answersTo(device: Identifier, items: readonly IncarnationRanges[]): readonly AwaitedRow[] {
    const { lane } = this.#options;
    const rows: AwaitedRow[] = [];
    for (const { incarnation, ranges } of items) {
      for (const range of ranges) {
        let { first } = range;
        const end = first + BigInt(range.count);
        while (first < end) {
          const at = { incarnation, range: { first, count: Number(end - first) } };
          const page = lane.answers(device, at, laneRowsPerPageMax);
          rows.push(...page);
          if (rows.length >= answersPerHaveMax) return rows;
          const last = page.filter((row) => row.kind !== "rejection").at(-1)?.position;
          if (page.length < laneRowsPerPageMax || last === undefined) break;
          first = last.range.first + BigInt(last.range.count);
        }
      }
    }
    return rows;
  }

  #flushProvisional(): void {
    this.#waiting = false;
    const { lane } = this.#options;
    for (const [device, rows] of this.#provisional) {
      this.#sendFinal(
        device,
        rows.filter((row) => lane.isFinal(row)),
      );
      this.#sendProvisional(
        device,
        rows.filter((row) => !lane.isFinal(row)),
      );
    }
    this.#provisional.clear();
  }

  /** Rows that are not final are in the open lane: older ones were moved there or are final. */
  #sendProvisional(device: Identifier, rows: readonly ProofRow[]): void {
    const { lane, send } = this.#options;
    if (rows.length === 0) return;
    const target = { size: lane.size(), root: lane.root(), signature: lane.logSignature() };
    const open = rows.filter((row) => row.lane === lane.current.ordinal);
    for (const proof of buildProofs(lane.current, open, target)) {
      send(device, "proof", encodeProofMessage(proof));
    }
  }

  #sendFinal(device: Identifier, rows: readonly ProofRow[]): void {
    const { lane, send, gatewayChain } = this.#options;
    for (const [ordinal, group] of Map.groupBy(rows, (row) => row.lane)) {
      const log = lane.log(ordinal);
      const stored = log.ordered;
      const evidence = stored && this.#options.evidenceOf(log, stored);
      if (stored === undefined || evidence === undefined) continue;
      const ordered = { ...stored, evidence };
      const line = this.#line(device);
      const isOpen = ordinal === lane.current.ordinal;
      // Whose seals they are has to be known first.
      this.#sendEpochs(device, line);
      if (!isOpen || line.headSize !== ordered.head.size) {
        const chain = line.hasChain ? [] : gatewayChain;
        const head = buildHead(ordered, chain, this.#consistency(line, ordered.evidence.size));
        if (send(device, "head", encodeHeadMessage(head))) line.hasChain = true;
        if (isOpen) line.headSize = ordered.head.size;
        const known = line.checkpointSize ?? 0n;
        line.checkpointSize = known > ordered.evidence.size ? known : ordered.evidence.size;
      }
      for (const proof of buildProofs(log, group, ordered.head)) {
        send(device, "proof", encodeProofMessage(proof));
      }
    }
  }

  /** Once a connection; what does not fit on the line goes before the next head. */
  #sendEpochs(device: Identifier, line: DeviceLine): void {
    const { boundaries, send } = this.#options;
    for (const { bytes, until } of epochsMessages(boundaries(), line.epochsSent)) {
      if (!send(device, "epochs", bytes)) return;
      line.epochsSent = until;
    }
  }

  #consistency(line: DeviceLine, size: bigint): HeadConsistency | undefined {
    const from = line.checkpointSize;
    if (from === undefined || from > size) return undefined;
    return { fromSize: from, path: this.#options.channelConsistency(from, size) };
  }

  #line(device: Identifier): DeviceLine {
    const known = this.#lines.get(device);
    if (known !== undefined) return known;
    const line = {
      checkpointSize: undefined,
      headSize: 0n,
      epochsSent: 0,
      hasChain: false,
      exchange: new HaveExchange(),
      askedAll: false,
    };
    this.#lines.set(device, line);
    return line;
  }
}

/** What a proof says of a statement that was accepted just now. */
function rowOfAdmitted({ admission, admitted }: AdmittedBatch[number]): ProofRow | undefined {
  if (admission.kind !== "statement" || admitted.outcome !== "accepted") return undefined;
  const { type: kind, incarnation, range } = admission;
  const { lane, leafIndex } = admitted;
  return { lane, leafIndex, kind, position: { incarnation, range } };
}

function rangeKey(row: AwaitedRow): string {
  const position = row.position;
  if (position === undefined) return "";
  return `${toHex(position.incarnation)}/${position.range.first}/${position.range.count}`;
}
