/** Executes the lane's verdicts on a batch: one transaction, one append to the log. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { databaseError } from "@tamga/ledger-core/daemon/sqlite";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { SqliteLog } from "@tamga/ledger-core/ledger/sqlite-log";
import { encodeStatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import { admissionsPerBatchMax } from "../limits.ts";
import type {
  Admission,
  Admitted,
  RefusedAdmission,
  ResultAdmission,
  StatementAdmission,
} from "./admission.ts";
import type { LanePlace, LaneState } from "./lane.ts";
import { judge } from "./lane.ts";
import type { LaneIdentity, LaneSigner } from "./lane-statements.ts";
import { signGatewayStatement, signIdentified } from "./lane-statements.ts";
import type { LaneTables } from "./lane-tables.ts";
import type { Position } from "./statement-rows.ts";

export type AdmitterOptions = {
  readonly tables: LaneTables;
  /** Of the open incarnation. */
  readonly log: SqliteLog;
  readonly ordinal: number;
  readonly signer: LaneSigner;
  readonly identity: LaneIdentity;
  readonly clock: Clock;
};

/** Grows the open incarnation of a lane. */
export class Admitter {
  readonly #options: AdmitterOptions;
  readonly #state: LaneState;
  readonly #transaction;
  #commits = 0;

  constructor(options: AdmitterOptions) {
    this.#options = options;
    this.#state = stateOf(options.tables);
    this.#transaction = options.tables.db.transaction((batch: readonly Admission[]) =>
      this.#admitAll(batch),
    );
  }

  /** Batches that were committed since the start. */
  get commits(): number {
    return this.#commits;
  }

  /**
   * Answers in the order of the batch; all of it is durable on return, or, where this throws,
   * nothing of it has happened: DISK_FULL, DATABASE_IO and the like.
   */
  admit(batch: readonly Admission[]): readonly Admitted[] {
    const { db, devices, streams } = this.#options.tables;
    assert(batch.length <= admissionsPerBatchMax, "admissions of one batch within the limit");
    assert(!db.inTransaction, "an admission is a transaction of its own");
    if (batch.length === 0) return [];
    try {
      const admitted = this.#transaction.immediate(batch);
      this.#commits++;
      return admitted;
    } catch (error) {
      devices.forget();
      streams.forget();
      throw databaseError(error, db.name);
    }
  }

  #admitAll(batch: readonly Admission[]): readonly Admitted[] {
    const { tables, log, ordinal, clock } = this.#options;
    const now = clock.now();
    const size = log.size;
    const entries: Uint8Array[] = [];
    const admitted = batch.map((admission): Admitted => {
      if (admission.kind === "result") {
        const place = { lane: ordinal, leafIndex: BigInt(size + entries.length) };
        entries.push(this.#conclude(place, admission, now));
        return { outcome: "accepted", ...place };
      }
      const verdict = judge(this.#state, admission);
      if (verdict.outcome === "duplicate") {
        const { place, code } = verdict;
        return { outcome: "duplicate", ...place, ...(code === undefined ? {} : { code }) };
      }
      const place = { lane: ordinal, leafIndex: BigInt(size + entries.length) };
      if (verdict.outcome === "accept") {
        assert(admission.kind === "statement", "only a statement is accepted");
        this.#accept(place, admission);
        entries.push(admission.bytes);
        return { outcome: "accepted", ...place };
      }
      entries.push(this.#reject(place, admission, { code: verdict.code, now }));
      return { outcome: "rejected", code: verdict.code, ...place };
    });
    const first = log.append(entries);
    assert(first === size, "the log grows by this batch alone");
    tables.streams.flush();
    tables.devices.flush();
    return admitted;
  }

  /** Returns the statement's bytes. */
  #conclude(place: LanePlace, admission: ResultAdmission, at: UnixMillis): Uint8Array {
    const { tables, signer, identity } = this.#options;
    const { evidence, quote, ...said } = admission;
    const device = tables.devices.obtain(admission.device).id;
    const named = evidence === undefined ? {} : { evidence: evidence.identity };
    const signed = signIdentified(signer, identity, { ...said, ...named, at }, at);
    tables.statements.insertResult(place, device, signed.identity);
    const anchored = said.asked === undefined ? undefined : at;
    tables.results.insert(place, { device, state: said.state, evidence, quote, anchored });
    return signed.bytes;
  }

  #accept(place: LanePlace, admission: StatementAdmission): void {
    const { devices, streams, statements, bodies } = this.#options.tables;
    const { range, identity, type: kind } = admission;
    const device = devices.obtain(admission.device).id;
    const stream = streams.obtain(device, admission.incarnation, admission.stream);
    const added = stream.received.add(range);
    assert(added.ok, "an accepted range is new");
    streams.change(stream);
    const body = admission.body === undefined ? undefined : bodies.put(admission.body);
    statements.insertStatement(place, { device, stream: stream.id, range, kind, identity, body });
  }

  /** Keeps the refused bytes; returns the rejection's. */
  #reject(
    place: LanePlace,
    admission: StatementAdmission | RefusedAdmission,
    why: { readonly code: string; readonly now: UnixMillis },
  ): Uint8Array {
    const { tables, signer, identity } = this.#options;
    const { code, now: at } = why;
    assert(code.length >= 1 && code.length <= codeLengthMax, "rejection code within the limit");
    const refused = refusedOf(admission);
    const device = tables.devices.change(tables.devices.obtain(admission.device));
    if (code === "SEQUENCE_CONFLICT") device.conflicts++;
    else device.refused++;
    tables.quarantine.put(device, place, { ...refused, code, at });
    tables.statements.insertRejection(place, device.id, refused.digest);
    const { digest, position } = refused;
    return signGatewayStatement(
      signer,
      identity,
      {
        kind: "rejection",
        device: admission.device,
        refused: digest,
        ...(position === undefined ? {} : { position }),
        code,
        at,
      },
      at,
    );
  }
}

/** Characters of a rejection's code on the wire. */
const codeLengthMax = 64;

function refusedOf(admission: StatementAdmission | RefusedAdmission): {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly position: Position | undefined;
} {
  if (admission.kind === "refused") {
    const { digest, bytes, position } = admission;
    return { digest, bytes, position };
  }
  const { stream, incarnation, range, identity, bytes: statement, body } = admission;
  // The message's own bytes again: its readings are what a conflict is about.
  const bytes = encodeStatementMessage(body === undefined ? { statement } : { statement, body });
  return { digest: identity, bytes, position: { stream, incarnation, range } };
}

function stateOf({ devices, streams, statements, quarantine }: LaneTables): LaneState {
  return {
    incarnation(name, incarnation) {
      const device = devices.find(name);
      return device === undefined ? undefined : streams.find(device.id, incarnation);
    },
    statementAt(name, incarnation, first) {
      const device = devices.find(name);
      const stream = device === undefined ? undefined : streams.find(device.id, incarnation);
      return stream === undefined ? undefined : statements.startingAt(stream.id, first);
    },
    rejectionOf(name, digest) {
      const device = devices.find(name);
      // Most devices never had one: no question to the database then.
      if (device === undefined || device.conflicts + device.refused === 0) return undefined;
      return quarantine.find(device.id, digest);
    },
  };
}
