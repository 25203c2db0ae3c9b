/**
 * What travels between the event loop and a verify thread: whole batches in a few buffers. Copying each
 * statement's objects and arrays one by one would cost as much as checking it.
 */

import { assert, present } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { DeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { statementMessageViews } from "./message-views.ts";
import type { UplinkFault, UplinkSender, VerifiedUplink } from "./verify-uplink.ts";

/** One message to judge, and whose line it came in on. */
export type VerifyJob = { readonly payload: Uint8Array; readonly sender: UplinkSender };
export type Verdict = Result<VerifiedUplink, UplinkFault>;

/** Messages end to end; `ends` and `senderOf` have one item each. */
export type VerifyBatch = {
  readonly id: number;
  readonly payloads: Uint8Array<ArrayBuffer>;
  readonly ends: readonly number[];
  readonly senders: readonly UplinkSender[];
  readonly senderOf: readonly number[];
};

/** In the order of the batch: a record of fixed length for each, and a fault for those that have one. */
export type VerifyAnswer = {
  readonly id: number;
  readonly records: Uint8Array<ArrayBuffer>;
  readonly streams: readonly (Identifier | undefined)[];
  readonly faults: readonly (readonly [index: number, fault: UplinkFault])[];
};

const kinds = [
  "bundle",
  "gap",
  "start",
  "heartbeat",
  "evidence",
] as const satisfies DeviceClaims["kind"][];

/** Offsets in a record: kind, identity, incarnation, first sequence, count. */
const identityAt = 1;
const incarnationAt = 33;
const firstAt = 49;
const countAt = 57;
const recordBytes = 61;

export function packBatch(id: number, jobs: readonly VerifyJob[]): VerifyBatch {
  const total = jobs.reduce((sum, { payload }) => sum + payload.length, 0);
  const payloads = new Uint8Array(total);
  const ends: number[] = [];
  const senders: UplinkSender[] = [];
  const senderOf: number[] = [];
  let end = 0;
  for (const { payload, sender } of jobs) {
    payloads.set(payload, end);
    end += payload.length;
    ends.push(end);
    const known = senders.findIndex((other) => isSame(other, sender));
    if (known === -1) senders.push(sender);
    senderOf.push(known === -1 ? senders.length - 1 : known);
  }
  const slim = senders.map(({ channel, device, keys }) => ({
    channel,
    device,
    keys: keys.map(({ kid, publicKey }) => ({ kid, publicKey })),
  }));
  return { id, payloads, ends, senders: slim, senderOf };
}

/** The jobs again; their payloads are views into the batch. */
export function unpackBatch(batch: VerifyBatch): readonly VerifyJob[] {
  return batch.ends.map((end, i) => ({
    payload: batch.payloads.subarray(batch.ends[i - 1] ?? 0, end),
    sender: present(batch.senders[batch.senderOf[i] ?? -1], "sender of a job"),
  }));
}

export function packAnswer(id: number, verdicts: readonly Verdict[]): VerifyAnswer {
  const records = new Uint8Array(recordBytes * verdicts.length);
  const view = new DataView(records.buffer);
  const faults: (readonly [number, UplinkFault])[] = [];
  const streams = verdicts.map((verdict, i) => {
    if (!verdict.ok) {
      faults.push([i, verdict.fault]);
      return undefined;
    }
    const { type, identity, position } = verdict.value;
    const at = recordBytes * i;
    records[at] = kinds.indexOf(type);
    records.set(identity, at + identityAt);
    records.set(position.incarnation, at + incarnationAt);
    view.setBigUint64(at + firstAt, position.range.first);
    view.setUint32(at + countAt, position.range.count);
    return position.stream;
  });
  return { id, records, streams, faults };
}

/** The verdicts on these jobs; statements and bodies are views into the jobs' payloads. */
export function unpackAnswer(answer: VerifyAnswer, jobs: readonly VerifyJob[]): readonly Verdict[] {
  const { records, streams } = answer;
  assert(records.length === recordBytes * jobs.length, "a record for each job");
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const faults = new Map(answer.faults);
  return jobs.map(({ payload }, i) => {
    const fault = faults.get(i);
    if (fault !== undefined) return err(fault);
    const at = recordBytes * i;
    const range = { first: view.getBigUint64(at + firstAt), count: view.getUint32(at + countAt) };
    return ok({
      ...statementMessageViews(payload),
      type: present(kinds[records[at] ?? -1], "kind of a record"),
      identity: mint<Digest>(records.slice(at + identityAt, at + incarnationAt)),
      position: {
        stream: present(streams[i], "stream of a record"),
        incarnation: records.slice(at + incarnationAt, at + firstAt),
        range,
      },
    });
  });
}

/** The registry gives out the same list of keys as long as it has not changed. */
function isSame(one: UplinkSender, other: UplinkSender): boolean {
  return one.keys === other.keys && one.device === other.device && one.channel === other.channel;
}
