/** An outbox in a directory of its own, for tests: real database, real signer, countable content. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { assert, present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { parseBody } from "@tamga/ledger-core/wire/body";
import type { DeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { openFileSigner } from "../signer/file-signer.ts";
import type { Signer } from "../signer/signer.ts";
import type { OutboxConfig } from "./outbox.ts";
import { journalCost, rangeCost, runCost } from "./outbox.ts";
import { outboxMigrations } from "./outbox-schema.ts";
import { RowSealing } from "./row-sealing.ts";
import type { OutboxRun } from "./sqlite-outbox.ts";
import { SqliteOutbox } from "./sqlite-outbox.ts";

export const testConfig: OutboxConfig = {
  quota: 64 * 1_024 * 1_024,
  whenFull: "stop",
  maxCount: 8,
  maxBytes: 65_536,
  journalAfterMs: 5,
};

export class OutboxTestBed {
  readonly directory: string;
  readonly #signer: Signer;
  readonly #clock: Clock;
  /** Asked at each opening. */
  rows: (database: Database) => RowSealing;
  database: Database;
  outbox: SqliteOutbox;
  run: OutboxRun | undefined;
  failure: unknown;

  private constructor(
    directory: string,
    config: OutboxConfig,
    ports: {
      readonly signer: Signer;
      readonly clock: Clock;
      readonly rows: (database: Database) => RowSealing;
    },
  ) {
    this.rows = ports.rows;
    this.directory = directory;
    this.#signer = ports.signer;
    this.#clock = ports.clock;
    this.database = this.#openDatabase();
    this.outbox = this.#openOutbox(config);
  }

  static async create(
    config: Partial<OutboxConfig> = {},
    {
      signer,
      directory,
      clock = new SystemClock(),
      rows = () => RowSealing.none,
    }: {
      readonly signer?: Signer;
      readonly directory?: string;
      readonly clock?: Clock;
      readonly rows?: (database: Database) => RowSealing;
    } = {},
  ): Promise<OutboxTestBed> {
    const place = directory ?? mkdtempSync(join(tmpdir(), "tamga-outbox-"));
    const key =
      signer ?? (await openFileSigner({ path: join(place, "signing.key"), create: true }));
    return new OutboxTestBed(place, { ...testConfig, ...config }, { signer: key, clock, rows });
  }

  /** Begins a run of stream `main` and returns it once its start is on disk. */
  async start(stream = "main"): Promise<OutboxRun> {
    const { run, started } = await this.outbox.openRun({
      stream: identifier(stream),
      protocol: "dsmr-p1",
      emulated: true,
      incarnation: randomBytes(16),
      bootId: new Uint8Array(16).fill(9),
      agentVersion: "0.1.0",
    });
    await started;
    this.run = run;
    return run;
  }

  get current(): OutboxRun {
    return present(this.run, "an open run");
  }

  journal(contents: readonly Uint8Array[], run = this.current) {
    const receiveTime = unixMillis(1_750_000_000_000);
    return this.outbox.journal(
      run,
      contents.map((bytes) => ({ bytes, receiveTime })),
    );
  }

  /** Journals and closes: `count` readings of `size` random bytes. */
  async bundle(count: number, size = 100, run = this.current): Promise<void> {
    const { range } = this.journal(
      Array.from({ length: count }, () => new Uint8Array(randomBytes(size))),
      run,
    );
    await this.outbox.closeBundle(run, range.first + BigInt(range.count));
  }

  /** As after a kill: nothing that waits in memory is written, and the database is opened anew. */
  crash(config: Partial<OutboxConfig> = {}): void {
    this.database.close();
    this.database = this.#openDatabase();
    this.failure = undefined;
    this.outbox = this.#openOutbox({ ...testConfig, ...config });
  }

  /** What the rows cost, added up from the rows. */
  countedBytes(config: Partial<OutboxConfig> = {}): number {
    const { maxCount } = { ...testConfig, ...config };
    const sum = (sql: string) =>
      present(this.database.prepare<[], number>(sql).pluck().get(), "sum");
    const lengths = this.database
      .prepare<[], number>("SELECT length(bytes) FROM journal")
      .pluck()
      .all();
    return (
      lengths.reduce((total, length) => total + journalCost(length, maxCount), 0) +
      sum(`SELECT coalesce(sum(length(bytes) + (length(bytes) + 7) / 8 + 320
           + coalesce(length(rejection), 0)), 0) FROM statement`) +
      sum("SELECT coalesce(sum(length(bytes) + (length(bytes) + 7) / 8 + 64), 0) FROM body") +
      rangeCost * sum("SELECT (SELECT count(*) FROM gap) + (SELECT count(*) FROM settled)") +
      runCost * sum("SELECT count(*) FROM run")
    );
  }

  remove(): void {
    this.outbox.close();
    this.database.close();
    rmSync(this.directory, { recursive: true });
  }

  #openDatabase(): Database {
    return openDatabase(join(this.directory, "outbox.db"), { migrations: outboxMigrations });
  }

  #openOutbox(config: OutboxConfig): SqliteOutbox {
    return new SqliteOutbox({
      database: this.database,
      rows: this.rows(this.database),
      config,
      address: { channel: identifier("grid"), device: identifier("device-1") },
      signer: this.#signer,
      clock: this.#clock,
      crypto: nodeCrypto,
      randomBytes: (length) => randomBytes(length),
      onStatement: () => undefined,
      onFailure: (error) => {
        this.failure = error;
      },
    });
  }
}

export function identifier(text: string) {
  const parsed = parseIdentifier(text);
  assert(parsed.ok, "an identifier");
  return parsed.value;
}

/** The readings of a body as it was sent. */
export function readingsOf(body: EncodedBody | undefined): readonly Uint8Array[] {
  if (body === undefined) return [];
  const plain = body.encoding === "brotli" ? brotliDecompressSync(body.bytes) : body.bytes;
  assert(plain.length === body.length, "the length that was declared");
  const parsed = parseBody(plain);
  assert(parsed.ok, "a body parses");
  return parsed.value.readings;
}

/** What a device's statement says. */
export function claimsOf(statement: { readonly bytes: Uint8Array }): DeviceClaims {
  const parsed = parseStatement(statement.bytes);
  assert(parsed.ok, "statement");
  const { type } = parsed.value.header;
  assert(type === "bundle" || type === "gap" || type === "start" || type === "heartbeat", type);
  const claims = parseDeviceClaims(type, parsed.value.claims);
  assert(claims.ok, "claims");
  return claims.value;
}
