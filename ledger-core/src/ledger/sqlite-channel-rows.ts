/** The rows of a channel in SQLite beside its log: blocks, evidence, lanes, revocations and seals. */

import type Database from "better-sqlite3";
import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import { parseCertificate } from "../receipt/x509-certificate.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import { parsePath } from "../wire/downlink-message.ts";
import { FieldReader } from "../wire/field-reader.ts";
import type { Identifier } from "../wire/identifier.ts";
import { certificateBytesMax, validatorsMax } from "../wire/limits.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { Transaction } from "../wire/transaction.ts";
import { approvalsValue, parseApprovals, transactionBytesMax } from "../wire/transaction.ts";
import type { Lane, Opening } from "./channel-content.ts";
import { digestOf, identifierOf, plain } from "./sqlite-columns.ts";
import type { MemberRows } from "./sqlite-member-rows.ts";
import { openMemberRows } from "./sqlite-member-rows.ts";

/** A block's place in the log, and its header's time. */
export type BlockRow = {
  readonly first: number;
  readonly count: number;
  readonly time: UnixMillis;
};

type Evidence = Omit<Transaction, "statement">;

const schema = `
  CREATE TABLE IF NOT EXISTS channel_block (
    first INTEGER PRIMARY KEY, count INTEGER NOT NULL, time INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS channel_statement (
    identity BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS channel_evidence (
    idx INTEGER PRIMARY KEY, evidence BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS channel_lane (
    gateway TEXT PRIMARY KEY, organisation TEXT NOT NULL, certificate BLOB NOT NULL,
    incarnation BLOB NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, idx INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS channel_opening (
    incarnation BLOB PRIMARY KEY, idx INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS channel_opened_lane (
    idx INTEGER PRIMARY KEY, incarnation BLOB NOT NULL, gateway TEXT NOT NULL, kid BLOB NOT NULL,
    root BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS channel_revocation (
    idx INTEGER PRIMARY KEY, kid BLOB NOT NULL, reason INTEGER NOT NULL, since INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS channel_frozen (
    gateway TEXT PRIMARY KEY, statement BLOB NOT NULL) STRICT;
`;

export type ChannelRows = ReturnType<typeof historyRows> &
  ReturnType<typeof stateRows> &
  MemberRows;

/** Makes sure of the tables and prepares every statement once. */
export function openChannelRows(db: Database.Database): ChannelRows {
  db.exec(schema);
  const members = openMemberRows(db);
  return { ...historyRows(db), ...stateRows(db), ...members };
}

/** What was ordered: written once, never changed. */
function historyRows(db: Database.Database) {
  const putBlock = db.prepare<[number, number, number]>(
    "INSERT INTO channel_block VALUES (?, ?, ?)",
  );
  const lastBlock = db.prepare<[], BlockColumns>(
    "SELECT first, count, time FROM channel_block ORDER BY first DESC LIMIT 1",
  );
  const blocks = db.prepare<[], BlockColumns>(
    "SELECT first, count, time FROM channel_block ORDER BY first",
  );
  const putStatement = db.prepare<[Uint8Array, number]>(
    "INSERT INTO channel_statement VALUES (?, ?)",
  );
  const indexOf = db
    .prepare<[Uint8Array], number>("SELECT idx FROM channel_statement WHERE identity = ?")
    .pluck();
  const putEvidence = db.prepare<[number, Uint8Array]>(
    "INSERT INTO channel_evidence VALUES (?, ?)",
  );
  const evidence = db
    .prepare<[number], Uint8Array>("SELECT evidence FROM channel_evidence WHERE idx = ?")
    .pluck();
  return {
    putBlock: (block: BlockRow) => void putBlock.run(block.first, block.count, block.time),
    lastBlock: () => blockRow(lastBlock.get()),
    blocks: () => blocks.all().map((row) => ({ ...row, time: unixMillis(row.time) })),
    putStatement: (identity: Digest, index: number) => void putStatement.run(identity, index),
    indexOf: (identity: Digest) => indexOf.get(identity),
    putEvidence(index: number, { consistency, certificates, approvals }: Evidence) {
      const items: CborValue[] = [consistency, certificates];
      if (approvals !== undefined) items.push(approvalsValue(approvals));
      putEvidence.run(index, encodeCbor(items));
    },
    evidence(index: number): Evidence | undefined {
      const bytes = evidence.get(index);
      return bytes === undefined ? undefined : parseEvidence(plain(bytes));
    },
  };
}

/** What the blocks led to. */
function stateRows(db: Database.Database) {
  const putLane = db.prepare<[string, string, Uint8Array, Uint8Array, bigint, Uint8Array, bigint]>(
    "INSERT OR REPLACE INTO channel_lane VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const clearLanes = db.prepare<[]>("DELETE FROM channel_lane");
  const moveLane = db.prepare<[bigint, Uint8Array, number, string]>(
    "UPDATE channel_lane SET size = ?, root = ?, idx = ? WHERE gateway = ?",
  );
  const lanes = db.prepare<[], LaneColumns>(
    `SELECT *, EXISTS (SELECT 1 FROM channel_frozen f WHERE f.gateway = l.gateway)
        OR EXISTS (SELECT 1 FROM channel_lane_fault f WHERE f.gateway = l.gateway) AS frozen
      FROM channel_lane l ORDER BY gateway`,
  );
  const putOpening = db.prepare<[number, Uint8Array, string, Uint8Array, Uint8Array]>(
    "INSERT INTO channel_opened_lane VALUES (?, ?, ?, ?, ?)",
  );
  const openings = db.prepare<[], OpeningColumns>(
    "SELECT incarnation, gateway, kid, root FROM channel_opened_lane ORDER BY idx",
  );
  const bareOpenings = db
    .prepare<[], number>(
      "SELECT idx FROM channel_opening WHERE idx NOT IN (SELECT idx FROM channel_opened_lane)",
    )
    .pluck();
  const putRevocation = db.prepare<[number, Uint8Array, number, bigint]>(
    "INSERT INTO channel_revocation VALUES (?, ?, ?, ?)",
  );
  const revocations = db.prepare<[number], RevocationColumns>(
    "SELECT kid, reason, since FROM channel_revocation WHERE idx < ? ORDER BY idx",
  );
  const frozen = db.prepare<[], string>("SELECT gateway FROM channel_frozen").pluck();
  return {
    putLane(lane: Omit<Lane, "frozen">) {
      const { gateway, organisation, certificate, incarnation, head, index } = lane;
      putLane.run(gateway, organisation, certificate, incarnation, head.size, head.root, index);
    },
    /** Before those of another state are put. */
    clearLanes: () => void clearLanes.run(),
    moveLane(gateway: Identifier, to: { readonly head: TreeHead; readonly index: number }) {
      const { changes } = moveLane.run(to.head.size, to.head.root, to.index, gateway);
      assert(changes === 1, "the lane that grew is stored");
    },
    lanes: (crypto: CryptoPort) => lanes.all().map((row) => laneOf(crypto, row)),
    putOpening({ incarnation, gateway, kid, root }: Opening, index: number) {
      putOpening.run(index, incarnation, gateway, kid, root);
    },
    openings: (): Opening[] =>
      openings.all().map(({ incarnation, gateway, kid, root }) => ({
        incarnation: plain(incarnation),
        gateway: identifierOf(gateway),
        kid: digestOf(kid),
        root: digestOf(root),
      })),
    /** Leaf indices of openings of which an older release kept the incarnation alone. */
    bareOpenings: (): number[] => bareOpenings.all(),
    putRevocation(key: RevokedKey, index: number) {
      putRevocation.run(index, key.kid, key.reason, key.since);
    },
    /** Those ordered before leaf `end`, in their order. */
    revocationsBefore: (end: number): RevokedKey[] =>
      revocations.all(end).map(({ kid, reason, since }) => ({
        kid: digestOf(kid),
        reason,
        since: BigInt(since),
      })),
    /** Gateways that an older release froze: their lanes have no lane-fault in the log. */
    frozenWithoutTrace: (): Identifier[] => frozen.all().map(identifierOf),
  };
}

type BlockColumns = { readonly first: number; readonly count: number; readonly time: number };
type LaneColumns = {
  readonly gateway: string;
  readonly organisation: string;
  readonly certificate: Uint8Array;
  readonly incarnation: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  readonly idx: number;
  readonly frozen: number;
};
type OpeningColumns = {
  readonly incarnation: Uint8Array;
  readonly gateway: string;
  readonly kid: Uint8Array;
  readonly root: Uint8Array;
};
type RevocationColumns = {
  readonly kid: Uint8Array;
  readonly reason: number;
  readonly since: number;
};

function blockRow(row: BlockColumns | undefined): BlockRow | undefined {
  return row === undefined ? undefined : { ...row, time: unixMillis(row.time) };
}

function laneOf(crypto: CryptoPort, row: LaneColumns): Lane {
  const certificate = plain(row.certificate);
  const parsed = parseCertificate(certificate);
  assert(parsed.ok, "a stored certificate parses");
  const key = parsed.value.publicKey;
  return {
    gateway: identifierOf(row.gateway),
    organisation: identifierOf(row.organisation),
    key,
    kid: thumbprint((bytes) => crypto.sha256(bytes), key),
    certificate,
    incarnation: plain(row.incarnation),
    head: { size: BigInt(row.size), root: digestOf(row.root) },
    index: BigInt(row.idx),
    frozen: row.frozen === 1,
  };
}

function parseEvidence(bytes: Uint8Array): Evidence {
  const decoded = decodeCbor(bytes, transactionBytesMax);
  assert(decoded.ok, "stored evidence is CBOR");
  const fields = new FieldReader(decoded.value);
  const evidence = fields.finish({
    consistency: parsePath(fields, 0),
    certificates: fields.list(1, validatorsMax, (item) => item.bytes(0, certificateBytesMax)),
    ...(fields.has(2) ? { approvals: parseApprovals(fields, 2) } : {}),
  });
  assert(evidence.ok, "stored evidence is complete");
  return evidence.value;
}
