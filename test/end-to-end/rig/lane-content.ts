/**
 * Reads a gateway's files without the gateway's code: exact leaves out of the lane's tables, bodies
 * beside them, lane heads out of the ledger's; parsed by the wire rules alone.
 */

import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { CompactRange } from "@tamga/ledger-core/log/compact-range";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { parseBody } from "@tamga/ledger-core/wire/body";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import type { DeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { parseGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { bodyBytesMax } from "@tamga/ledger-core/wire/limits";
import { parseReading } from "@tamga/ledger-core/wire/reading";
import { bundleHasher, saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";
import type { ParsedStatement } from "@tamga/ledger-core/wire/statement";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import SqliteDatabase from "better-sqlite3";
import { unwrap } from "../../support/test-device.ts";
import type { LaneStatement, Span, Violation } from "./account-types.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);

export type LaneContent = {
  readonly statements: readonly LaneStatement[];
  readonly lanes: readonly { readonly incarnation: string; readonly size: number }[];
  /** Ordered heads that were compared with the leaves. */
  readonly headsChecked: number;
  readonly violations: readonly Violation[];
};

type OrderedHead = { readonly size: number; readonly root: Digest };

/** @param options.bodies without them a bundle's digests are left out, which is much faster. */
export function readLane(
  gatewayDir: string,
  options: { readonly bodies: boolean; readonly owner: Owner },
): LaneContent {
  const { owner } = options;
  // The ledger first: what it knows of the lane is in the lane by then.
  const heads = orderedHeads(gatewayDir, owner);
  return withDatabase(join(gatewayDir, "lane.db"), owner, (db) => {
    const lanes = db
      .prepare<[], { ordinal: number; incarnation: Uint8Array }>(
        "SELECT ordinal, incarnation FROM lane ORDER BY ordinal",
      )
      .all();
    const bodies = options.bodies ? bodiesOf(db) : undefined;
    const statements: LaneStatement[] = [];
    const violations: Violation[] = [];
    const sizes: { incarnation: string; size: number }[] = [];
    let headsChecked = 0;
    for (const { ordinal, incarnation } of lanes) {
      const lane = toHex(incarnation);
      const ordered = heads.get(lane) ?? [];
      const finalSize = Math.max(0, ...ordered.map(({ size }) => size));
      const leaves = leavesOf(db, ordinal);
      sizes.push({ incarnation: lane, size: leaves.length });
      for (const { index, bytes } of leaves) {
        const read = readLeaf(bytes, bodies);
        if (read !== undefined)
          statements.push({ ...read, lane, leafIndex: index, final: index < finalSize });
      }
      const checked = checkHeads({ lane, leaves, ordered });
      headsChecked += checked.count;
      violations.push(...checked.violations);
    }
    return { statements, lanes: sizes, headsChecked, violations };
  });
}

type Leaf = { readonly index: number; readonly bytes: Uint8Array };

function leavesOf(db: SqliteDatabase.Database, ordinal: number): readonly Leaf[] {
  const rows = db
    .prepare<[], Leaf>(`SELECT idx AS "index", bytes FROM lane${ordinal}_entry ORDER BY idx`)
    .all();
  return rows.map(({ index, bytes }) => ({ index, bytes: new Uint8Array(bytes) }));
}

/**
 * Every head that the ledger ordered is the head of these leaves. One beyond the file's end belongs to a
 * lane that was lost and closed, and cannot be compared.
 */
function checkHeads(part: {
  readonly lane: string;
  readonly leaves: readonly Leaf[];
  readonly ordered: readonly OrderedHead[];
}): { readonly count: number; readonly violations: readonly Violation[] } {
  const { lane, leaves, ordered } = part;
  const range = CompactRange.empty(hasher);
  const violations: Violation[] = [];
  let count = 0;
  const bySize = Map.groupBy(ordered, ({ size }) => size);
  for (const [i, { index, bytes }] of leaves.entries()) {
    if (index !== i) {
      violations.push({ code: "HEAD_INCONSISTENT", what: `lane ${lane}: no leaf ${i}` });
      break;
    }
    range.append(hasher.leaf(bytes));
    for (const head of bySize.get(range.size) ?? []) {
      count++;
      if (!equal(range.root(), head.root))
        violations.push({ code: "HEAD_INCONSISTENT", what: `lane ${lane}, size ${head.size}` });
    }
  }
  return { count, violations };
}

function orderedHeads(
  gatewayDir: string,
  owner: Owner,
): ReadonlyMap<string, readonly OrderedHead[]> {
  return withDatabase(join(gatewayDir, "ledger.db"), owner, (db) => {
    const heads = new Map<string, OrderedHead[]>();
    const rows = db
      .prepare<[], Uint8Array>("SELECT bytes FROM channel_log_entry ORDER BY idx")
      .pluck()
      .all();
    for (const row of rows) {
      const statement = unwrap(parseStatement(new Uint8Array(row)));
      if (statement.header.type !== "lane-head") continue;
      const claims = unwrap(parseGatewayClaims("lane-head", statement.claims));
      if (claims.kind !== "lane-head") continue;
      const list = heads.get(toHex(claims.incarnation)) ?? [];
      list.push({ size: Number(claims.head.size), root: claims.head.root });
      heads.set(toHex(claims.incarnation), list);
    }
    return heads;
  });
}

type Bodies = (identity: Uint8Array) => Body | undefined;
type Body = { readonly encoding: number; readonly length: number; readonly bytes: Uint8Array };

function bodiesOf(db: SqliteDatabase.Database): Bodies {
  const bodyOf = new Map(
    db
      .prepare<[], { identity: Uint8Array; body: number }>(
        "SELECT identity, body FROM statement WHERE body IS NOT NULL",
      )
      .all()
      .map(({ identity, body }) => [toHex(identity), body]),
  );
  const select = db.prepare<[number], Body>(
    "SELECT encoding, length, bytes FROM body WHERE id = ?",
  );
  return (identity) => {
    const key = bodyOf.get(toHex(identity));
    return key === undefined ? undefined : select.get(key);
  };
}

type ReadLeaf = Omit<LaneStatement, "lane" | "leafIndex" | "final">;

/** @returns undefined for what is not of a device: the lane's genesis. */
function readLeaf(bytes: Uint8Array, bodies: Bodies | undefined): ReadLeaf | undefined {
  const statement = unwrap(parseStatement(bytes));
  const identity = identityOf(sha256, statement.part);
  const { type, issuer } = statement.header;
  switch (type) {
    case "bundle":
    case "gap":
    case "start":
    case "heartbeat":
    case "evidence":
    case "sm3-bundle": {
      const claims = unwrap(parseDeviceClaims(type, statement.claims));
      const body =
        claims.kind === "bundle" && bodies !== undefined
          ? readBody(bodies(identity), claims)
          : { digests: [] };
      return { ...base(claims), ...body, device: issuer, identity: toHex(identity) };
    }
    case "rejection":
      return { ...rejectionOf(statement), identity: toHex(identity) };
    default:
      return undefined;
  }
}

function base(claims: DeviceClaims): Omit<ReadLeaf, "device" | "identity"> {
  const { incarnation, range } = claims.position;
  const common = { kind: claims.kind, incarnation: toHex(incarnation), ...spanOf(range) };
  const none = { digests: [], missing: [] };
  if (claims.kind === "gap")
    return { ...common, ...none, missing: claims.missing.map(spanOf), reason: claims.reason };
  if (claims.kind !== "start" || claims.predecessor === undefined) return { ...common, ...none };
  const { incarnation: before, next } = claims.predecessor;
  return {
    ...common,
    ...none,
    predecessor: { incarnation: toHex(before), next: Number(next) },
  };
}

function rejectionOf(statement: ParsedStatement): Omit<ReadLeaf, "identity"> {
  const claims = unwrap(parseGatewayClaims("rejection", statement.claims));
  if (claims.kind !== "rejection") throw new Error("a rejection's claims");
  const { position, device, code } = claims;
  const span = position === undefined ? { from: 0, to: 0 } : spanOf(position.range);
  const incarnation = position === undefined ? "" : toHex(position.incarnation);
  return { kind: "rejection", device, incarnation, ...span, code, digests: [], missing: [] };
}

/** The readings' frame digests, if the body is the one that the statement signed. */
function readBody(
  body: Body | undefined,
  claims: Extract<DeviceClaims, { kind: "bundle" }>,
): { readonly digests: readonly string[]; readonly fault?: string } {
  if (body === undefined) return { digests: [], fault: "BODY_MISSING" };
  const plain =
    body.encoding === 1
      ? new Uint8Array(brotliDecompressSync(body.bytes, { maxOutputLength: bodyBytesMax }))
      : new Uint8Array(body.bytes);
  const { seed, readings } = unwrap(parseBody(plain));
  const { hash, root, position } = claims;
  if (readings.length !== position.range.count) return { digests: [], fault: "BODY_COUNT_WRONG" };
  const bundleHash = bundleHasher(nodeCrypto, hash);
  if (!equal(rootOf(treeHasher(bundleHash), saltedLeaves(bundleHash, seed, readings)), root))
    return { digests: [], fault: "BODY_ROOT_WRONG" };
  return { digests: readings.map((bytes) => toHex(unwrap(parseReading(bytes)).frameDigest)) };
}

function spanOf({ first, count }: { readonly first: bigint; readonly count: number }): Span {
  return { from: Number(first), to: Number(first) + count };
}

/** Whether the owner of a file runs: then SQLite keeps us apart, and a plain copy could be torn. */
export type Owner = "running" | "gone";

/** Looks into a database. What a killed owner left, `-wal` and all, stays as it is: a copy is read. */
export function withDatabase<T>(
  file: string,
  owner: Owner,
  use: (db: SqliteDatabase.Database) => T,
): T {
  if (owner === "gone") return withCopy(file, use);
  const db = new SqliteDatabase(file, { readonly: true });
  try {
    // One transaction: all is read at one moment.
    return db.transaction(() => use(db))();
  } finally {
    db.close();
  }
}

function withCopy<T>(file: string, use: (db: SqliteDatabase.Database) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "tamga-rig-read-"));
  const copy = join(dir, "copy.db");
  try {
    copyFileSync(file, copy);
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
    const db = new SqliteDatabase(copy);
    try {
      return use(db);
    } finally {
      db.close();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
