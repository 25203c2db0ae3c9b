/**
 * The gateway's lane in one SQLite file: its log, the index of statements, their bodies, what was
 * refused, and the heads that the ledger ordered. Its length is that of its list of questions, most of
 * one line: writing is in `admit.ts`, opening in `open-incarnation.ts`, rows in `*-rows.ts`.
 */

import { existsSync, rmSync } from "node:fs";
import { assert, present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Database, Durability } from "@tamga/ledger-core/daemon/sqlite";
import { durabilityOf, openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { SqliteLog } from "@tamga/ledger-core/ledger/sqlite-log";
import type { SequenceRange, TreeHead } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { laneOrigin } from "@tamga/ledger-core/wire/log-origin";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { laneRowsPerPageMax } from "../limits.ts";
import type { Admission, Admitted } from "./admission.ts";
import { Admitter } from "./admit.ts";
import type { BodyStore } from "./body-store.ts";
import type { LanePlace } from "./lane.ts";
import { LaneLog } from "./lane-log.ts";
import type { IncarnationHead } from "./lane-opening.ts";
import { chooseOpening } from "./lane-opening.ts";
import type { LaneRow } from "./lane-rows.ts";
import { laneMigrations } from "./lane-schema.ts";
import type { LaneIdentity, LaneSigner } from "./lane-statements.ts";
import { signGatewayStatement, signLaneRoot } from "./lane-statements.ts";
import type { LaneTables } from "./lane-tables.ts";
import { openTables } from "./lane-tables.ts";
import { openIncarnation, openLaneLog } from "./open-incarnation.ts";
import type { OrderedHead } from "./ordered-head.ts";
import type { QuarantineItem } from "./quarantine.ts";
import type { ResultRows } from "./result-rows.ts";
import type { AwaitedRow, StatementRow } from "./statement-rows.ts";

export type SqliteLaneOptions = {
  /** The file; it is made where it is not there. */
  readonly path: string;
  readonly clock: Clock;
  readonly crypto: CryptoPort;
  readonly signer: LaneSigner;
  readonly identity: LaneIdentity;
  /** What the ledger ordered last of this gateway. */
  readonly lastOrdered: IncarnationHead | undefined;
  /** The same with its statement, where that is a head and not the opening of the lane. */
  readonly survivingHead?: OrderedHead | undefined;
  /** Another body store than the one in this file. */
  readonly bodies?: BodyStore;
};

/** Counters for status and metrics; the last three are of the whole file. */
export type LaneStatus = {
  readonly incarnations: number;
  readonly openedBecause: string;
  readonly size: bigint;
  readonly orderedSize: bigint;
  readonly needsAll: boolean;
  readonly devices: number;
  readonly conflicts: number;
  readonly refused: number;
  readonly quarantineBytes: number;
  /** Refused messages past a device's quota: an operator is told. */
  readonly quarantineDropped: number;
};

export class SqliteLane {
  readonly #options: SqliteLaneOptions;
  readonly #tables: LaneTables;
  /** By ordinal; closed incarnations are opened when somebody asks for them. */
  readonly #logs = new Map<number, LaneLog>();
  readonly #rows: ReadonlyMap<number, LaneRow>;
  readonly #row: LaneRow;
  readonly #current: LaneLog;
  readonly #admitter: Admitter;
  readonly #needsAllSince: number;
  #signature: { readonly size: bigint; readonly signature: Uint8Array } | undefined;

  private constructor(options: SqliteLaneOptions, tables: LaneTables) {
    const { crypto, signer, identity, clock } = options;
    this.#options = options;
    this.#tables = tables;
    const rows = tables.lanes.all();
    this.#rows = new Map(rows.map((row) => [row.ordinal, row]));
    this.#row = present(rows.at(-1), "open incarnation");
    const { ordinal } = this.#row;
    const log = openLaneLog(tables, crypto, ordinal);
    this.#current = this.#lane(this.#row, log);
    this.#admitter = new Admitter({ tables, log, ordinal, signer, identity, clock });
    this.#needsAllSince = tables.lanes.needsAllSince();
  }

  /**
   * Takes up the lane of the file, or opens its next incarnation where the file is not what the
   * ledger saw last (`lane-opening.ts`), or where a file named as the database with `.restored`
   * behind it stands beside it.
   *
   * @throws OperationalError LANE_OTHER_OWNER, DATABASE_CORRUPT.
   */
  static open(options: SqliteLaneOptions): SqliteLane {
    const db = openDatabase(options.path, { migrations: laneMigrations });
    try {
      const tables = openTables(db, options.bodies);
      claimFile(db, options.identity);
      const marker = restoredMarker(options.path);
      openNextIfNeeded(tables, options, { restored: existsSync(marker) });
      rmSync(marker, { force: true });
      return new SqliteLane(options, tables);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * Looks on while a daemon owns the file, as the commands do: nothing is opened, marked or admitted,
   * and what the daemon adds from then on may not be seen.
   *
   * @throws OperationalError LANE_EMPTY (no daemon ever ran), DATABASE_*.
   */
  static view(options: Omit<SqliteLaneOptions, "lastOrdered">): SqliteLane {
    const db = openDatabase(options.path, { readonly: true, migrations: laneMigrations });
    try {
      const tables = openTables(db, options.bodies);
      if (tables.lanes.all().length > 0)
        return new SqliteLane({ ...options, lastOrdered: undefined }, tables);
      throw new OperationalError(
        "LANE_EMPTY",
        `The file ${db.name} holds no lane yet: start the gateway once.`,
      );
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** consortium/channel/gateway/incarnation of the open lane. */
  get origin(): string {
    return this.#current.origin;
  }

  get incarnation(): Uint8Array {
    return this.#current.incarnation;
  }

  /** The open incarnation. */
  get current(): LaneLog {
    return this.#current;
  }

  /** One of the file's incarnations, for rows that are not in the open one. */
  log(ordinal: number): LaneLog {
    const known = this.#logs.get(ordinal);
    if (known !== undefined) return known;
    const row = present(this.#rows.get(ordinal), "incarnation of the file");
    return this.#lane(row, openLaneLog(this.#tables, this.#options.crypto, ordinal));
  }

  size(): bigint {
    return this.#current.size();
  }

  root(size?: bigint): Digest {
    return this.#current.root(size);
  }

  entry(index: bigint): Uint8Array | undefined {
    return this.#current.entry(index);
  }

  inclusion(index: bigint, size: bigint): readonly Digest[] {
    return this.#current.inclusion(index, size);
  }

  consistency(size1: bigint, size2: bigint): readonly Digest[] {
    return this.#current.consistency(size1, size2);
  }

  multiproof(indices: readonly bigint[], size: bigint): { readonly hashes: readonly Digest[] } {
    return this.#current.multiproof(indices, size);
  }

  /**
   * Takes, recognises or refuses each admission, in one transaction that is durable on return. At
   * most `admissionsPerBatchMax` of them. Where this throws, nothing of the batch has happened.
   */
  admit(batch: readonly Admission[]): readonly Admitted[] {
    return this.#admitter.admit(batch);
  }

  /** Leaf 0, which is also the transaction that opens the lane in the ledger. */
  laneOpenStatement(): Uint8Array {
    return present(this.#current.entry(0n), "lane's genesis");
  }

  /** A fresh lane-head statement over all that is in the lane, for the ledger to order. */
  laneHeadStatement(revocations: TreeHead): {
    readonly statement: Uint8Array;
    readonly head: TreeHead;
  } {
    const { signer, identity, clock } = this.#options;
    const head = { size: this.size(), root: this.root() };
    const claims = { kind: "lane-head", incarnation: this.incarnation, head, revocations } as const;
    const statement = signGatewayStatement(signer, identity, claims, clock.now());
    return { statement, head };
  }

  /** The gateway's signature over the root at the size that the lane has now. */
  logSignature(): Uint8Array {
    const size = this.size();
    if (this.#signature?.size !== size) {
      const head = { origin: this.origin, size, root: this.root() };
      this.#signature = { size, signature: signLaneRoot(this.#options.signer, head) };
    }
    return this.#signature.signature;
  }

  /** Keeps a head of the open lane that was ordered and sealed, so that receipts survive a restart. */
  ordered(sealed: OrderedHead): void {
    const { size, root } = sealed.head;
    const { ordinal, origin } = this.#current;
    assert(size > 0n && size <= this.size(), "ordered head inside the lane");
    assert(equal(this.root(size), root), "ordered head has the lane's root");
    if ((this.#current.ordered?.head.size ?? 0n) > size) return;
    const signature = signLaneRoot(this.#options.signer, { origin, size, root });
    const signed = { ...sealed, signature };
    this.#tables.lanes.setOrdered(ordinal, signed);
    this.#current.ordered = signed;
  }

  /** True where the leaf is below the newest ordered head of its incarnation. */
  isFinal(place: LanePlace): boolean {
    return place.leafIndex < (this.log(place.lane).ordered?.head.size ?? 0n);
  }

  /** True where the file may have lost what devices hold as acknowledged, until all were asked. */
  get needsAll(): boolean {
    return this.#needsAllSince > 0;
  }

  /** Whether this device still has to list all that it holds. */
  needsAllOf(device: Identifier): boolean {
    return (this.#tables.devices.find(device)?.answered ?? 0) < this.#needsAllSince;
  }

  /** The device has listed all, and what was wanted of it is here. */
  answeredAll(device: Identifier): void {
    const { db, devices } = this.#tables;
    db.transaction(() => {
      devices.change(devices.obtain(device)).answered = this.#current.ordinal;
      devices.flush();
    })();
  }

  /** What was received of a stream incarnation, in every incarnation of the lane in this file. */
  held(device: Identifier, incarnation: Uint8Array): readonly SequenceRange[] {
    return this.#stream(device, incarnation)?.received.ranges() ?? [];
  }

  /** The parts of a range that were not received. */
  missing(
    device: Identifier,
    incarnation: Uint8Array,
    range: SequenceRange,
  ): readonly SequenceRange[] {
    return this.#stream(device, incarnation)?.received.missing(range) ?? [range];
  }

  /** The statement that a sequence belongs to. */
  find(at: {
    readonly device: Identifier;
    readonly incarnation: Uint8Array;
    readonly sequence: bigint;
  }): StatementRow | undefined {
    const stream = this.#stream(at.device, at.incarnation);
    return stream && this.#tables.statements.holding(stream.id, at.sequence);
  }

  at(place: LanePlace): StatementRow | undefined {
    return this.#tables.statements.at(place);
  }

  /** A device's leaves from … to − 1 of the open incarnation, or of another, in order. */
  rows(
    device: Identifier,
    between: {
      readonly fromIndex: bigint;
      readonly toIndex: bigint;
      readonly limit?: number;
      readonly lane?: number;
    },
  ): readonly AwaitedRow[] {
    const { fromIndex, toIndex, lane = this.#current.ordinal } = between;
    return this.#tables.statements.ofDevice(device, {
      from: { lane, leafIndex: fromIndex },
      to: { lane, leafIndex: toIndex },
      limit: pageOf(between.limit),
    });
  }

  /** What answers a range: statements that were taken in it by sequence, then rejections. */
  answers(
    device: Identifier,
    at: { readonly incarnation: Uint8Array; readonly range: SequenceRange },
    limit?: number,
  ): readonly AwaitedRow[] {
    const row = this.#tables.devices.find(device);
    if (row === undefined) return [];
    const { statements } = this.#tables;
    const page = pageOf(limit);
    const stream = this.#stream(device, at.incarnation);
    const taken = stream === undefined ? [] : statements.taken(stream.id, at.range, page);
    return [...taken, ...statements.refused(row.id, at, page)].slice(0, page);
  }

  /** What was concluded of devices, in every incarnation of the lane in this file. */
  get results(): Omit<ResultRows, "insert" | "move"> {
    return this.#tables.results;
  }

  /** Whose leaves are among from … to − 1 of the open incarnation. */
  devices(fromIndex: bigint, toIndex: bigint): readonly Identifier[] {
    const lane = this.#current.ordinal;
    return this.#tables.statements.devices(
      { lane, leafIndex: fromIndex },
      { lane, leafIndex: toIndex },
    );
  }

  /** The body of a bundle, undefined where retention has let it go. */
  body(row: StatementRow): EncodedBody | undefined {
    if (!("bodyKey" in row) || row.bodyKey === undefined) return undefined;
    return this.#tables.bodies.get(row.bodyKey);
  }

  quarantine(page: {
    readonly device?: Identifier;
    readonly afterId?: number;
    readonly limit?: number;
  }): readonly QuarantineItem[] {
    const { afterId = 0, limit } = page;
    return this.#tables.quarantine.list({ ...page, afterId, limit: pageOf(limit) });
  }

  quarantineBytes(id: number): Uint8Array | undefined {
    return this.#tables.quarantine.bytes(id);
  }

  status(): LaneStatus {
    const totals = present(this.#tables.devices.totals(), "device totals");
    const { bytesDropped: quarantineDropped, ...counts } = totals;
    return {
      incarnations: this.#rows.size,
      openedBecause: this.#row.reason,
      size: this.size(),
      orderedSize: this.#current.ordered?.head.size ?? 0n,
      needsAll: this.needsAll,
      ...counts,
      quarantineDropped,
    };
  }

  /** What a commit of this connection means, and how many it has made of admissions. */
  durability(): Durability & { readonly commits: number } {
    return { ...durabilityOf(this.#tables.db), commits: this.#admitter.commits };
  }

  close(): void {
    this.#tables.db.close();
  }

  #lane(row: LaneRow, log: SqliteLog): LaneLog {
    const { identity } = this.#options;
    const origin = laneOrigin({ ...identity, incarnation: row.incarnation });
    const lane = new LaneLog(log, { ...row, gateway: identity.gateway, origin });
    lane.ordered = this.#tables.lanes.ordered(row.ordinal);
    this.#logs.set(row.ordinal, lane);
    return lane;
  }

  #stream(device: Identifier, incarnation: Uint8Array) {
    const row = this.#tables.devices.find(device);
    return row && this.#tables.streams.find(row.id, incarnation);
  }
}

/** Beside a database that was restored from a backup: it then never grows its old lane. */
export function restoredMarker(path: string): string {
  return `${path}.restored`;
}

function pageOf(limit: number | undefined): number {
  return Math.min(limit ?? laneRowsPerPageMax, laneRowsPerPageMax);
}

function openNextIfNeeded(
  tables: LaneTables,
  options: SqliteLaneOptions,
  { restored }: { readonly restored: boolean },
): void {
  const { crypto, identity, signer, clock, lastOrdered, survivingHead } = options;
  const before = tables.lanes.all().at(-1);
  const log = before === undefined ? undefined : openLaneLog(tables, crypto, before.ordinal);
  const opening = chooseOpening({
    file:
      before === undefined || log === undefined
        ? undefined
        : {
            ...before,
            size: BigInt(log.size),
            rootAt: (size) => log.root(Number(size)),
            wasOrdered: tables.lanes.ordered(before.ordinal) !== undefined,
          },
    lastOrdered,
    channelId: identity.channelId,
    restored,
  });
  if (opening.action === "open")
    openIncarnation(tables, crypto, {
      ...{ opening, before, identity, signer, survivingHead, now: clock.now() },
    });
}

/** Binds a new file to this gateway and channel; another's file is refused. */
function claimFile(db: Database, { consortium, channel, gateway }: LaneIdentity): void {
  db.prepare("INSERT INTO owner VALUES (1, ?, ?, ?) ON CONFLICT DO NOTHING").run(
    consortium,
    channel,
    gateway,
  );
  const owner = db
    .prepare<[], { consortium: string; channel: string; gateway: string }>(
      "SELECT consortium, channel, gateway FROM owner",
    )
    .get();
  if (owner?.consortium === consortium && owner.channel === channel && owner.gateway === gateway)
    return;
  throw new OperationalError(
    "LANE_OTHER_OWNER",
    `The file ${db.name} holds the lane of another gateway or channel. Give this gateway a data ` +
      "directory of its own, or correct consortium, channel and gateway in its configuration.",
    { details: { found: owner === undefined ? "" : `${owner.channel}/${owner.gateway}` } },
  );
}
