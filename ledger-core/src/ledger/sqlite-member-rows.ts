/** The rows of a channel's members in SQLite: governance, epochs, devices, anchors, faults of lanes. */

import type Database from "better-sqlite3";
import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import { FieldReader } from "../base/field-reader.ts";
import { keyKinds } from "../wire/enrolment.ts";
import type { Identifier } from "../wire/identifier.ts";
import { certificateBytesMax, validatorsMax } from "../wire/limits.ts";
import type { Anchor, Device, DeviceKey } from "./channel-content.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { Governance } from "./governance.ts";
import { governanceValue, parseGovernance } from "./governance.ts";
import { digestOf, identifierOf, plain } from "./sqlite-columns.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS channel_lane_fault (
    gateway TEXT PRIMARY KEY, idx INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS channel_device (
    name TEXT PRIMARY KEY, organisation TEXT NOT NULL, kid BLOB NOT NULL,
    certificate BLOB NOT NULL, kind INTEGER NOT NULL, idx INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS channel_device_key (
    kid BLOB PRIMARY KEY, device TEXT NOT NULL, organisation TEXT NOT NULL, idx INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS channel_anchor (
    target TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, idx INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS channel_governance (
    one INTEGER PRIMARY KEY CHECK (one = 1), content BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS channel_boundary (
    epoch INTEGER PRIMARY KEY, size INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
`;

/** A boundary block: the epoch that it began, the log's size then, and its digest. */
export type BoundaryRow = {
  readonly epoch: number;
  readonly size: number;
  readonly digest: Digest;
};

/** Two certificates for each organisation, and room for the rest. */
const governanceBytesMax = 2 * validatorsMax * (certificateBytesMax + 1_024);

export type MemberRows = ReturnType<typeof openMemberRows>;

/** Makes sure of the tables and prepares every statement once. */
export function openMemberRows(db: Database.Database) {
  db.exec(schema);
  return { ...deviceRows(db), ...governanceRows(db) };
}

function deviceRows(db: Database.Database) {
  const putDevice = db.prepare<[string, string, Uint8Array, Uint8Array, number, number]>(
    "INSERT OR REPLACE INTO channel_device VALUES (?, ?, ?, ?, ?, ?)",
  );
  const devices = db.prepare<[], DeviceColumns>("SELECT * FROM channel_device ORDER BY name");
  const putDeviceKey = db.prepare<[Uint8Array, string, string, number]>(
    "INSERT OR IGNORE INTO channel_device_key VALUES (?, ?, ?, ?)",
  );
  const deviceKeys = db.prepare<[], DeviceKeyColumns>(
    "SELECT kid, device, organisation FROM channel_device_key ORDER BY kid",
  );
  return {
    putDevice({ name, organisation, kid, certificate, keyKind }: Device, index: number) {
      putDevice.run(name, organisation, kid, certificate, keyKinds.indexOf(keyKind), index);
      putDeviceKey.run(kid, name, organisation, index);
    },
    devices: (): Device[] =>
      devices.all().map((row) => ({
        name: identifierOf(row.name),
        organisation: identifierOf(row.organisation),
        kid: digestOf(row.kid),
        certificate: digestOf(row.certificate),
        keyKind: present(keyKinds[row.kind], "kind of a device's key"),
      })),
    deviceKeys: (): DeviceKey[] =>
      deviceKeys.all().map((row) => ({
        kid: digestOf(row.kid),
        device: identifierOf(row.device),
        organisation: identifierOf(row.organisation),
      })),
  };
}

function governanceRows(db: Database.Database) {
  const putFault = db.prepare<[string, number]>(
    "INSERT OR IGNORE INTO channel_lane_fault VALUES (?, ?)",
  );
  const putAnchor = db.prepare<[string, bigint, Uint8Array, number]>(
    "INSERT OR REPLACE INTO channel_anchor VALUES (?, ?, ?, ?)",
  );
  const anchors = db.prepare<[], AnchorColumns>("SELECT * FROM channel_anchor ORDER BY target");
  const putGovernance = db.prepare<[Uint8Array]>(
    "INSERT OR REPLACE INTO channel_governance VALUES (1, ?)",
  );
  const governance = db.prepare<[], Uint8Array>("SELECT content FROM channel_governance").pluck();
  const putBoundary = db.prepare<[number, number, Uint8Array]>(
    "INSERT INTO channel_boundary VALUES (?, ?, ?)",
  );
  const boundaries = db.prepare<[], BoundaryColumns>(
    "SELECT * FROM channel_boundary ORDER BY epoch",
  );
  return {
    putLaneFault: (gateway: Identifier, index: number) => void putFault.run(gateway, index),
    putAnchor({ target, head }: Omit<Anchor, "index">, index: number) {
      putAnchor.run(target, head.size, head.root, index);
    },
    anchors: (): Anchor[] =>
      anchors.all().map((row) => ({
        target: identifierOf(row.target),
        head: { size: BigInt(row.size), root: digestOf(row.root) },
        index: BigInt(row.idx),
      })),
    putGovernance: (of: Governance) => void putGovernance.run(encodeCbor(governanceValue(of))),
    /** Undefined where it is the genesis' still. */
    governance(genesis: ChannelGenesis): Governance | undefined {
      const content = governance.get();
      return content === undefined ? undefined : storedGovernance(plain(content), genesis);
    },
    putBoundary({ epoch, size, digest }: BoundaryRow) {
      putBoundary.run(epoch, size, digest);
    },
    boundaries: (): BoundaryRow[] =>
      boundaries.all().map((row) => ({ ...row, digest: digestOf(row.digest) })),
  };
}

function storedGovernance(content: Uint8Array, genesis: ChannelGenesis): Governance {
  const decoded = decodeCbor(content, governanceBytesMax);
  assert(decoded.ok, "stored governance is CBOR");
  const fields = new FieldReader(decoded.value);
  const parsed = fields.finish(parseGovernance(fields, genesis));
  assert(parsed.ok, "stored governance is complete");
  return present(parsed.value, "members that are a trust policy");
}

type DeviceColumns = {
  readonly name: string;
  readonly organisation: string;
  readonly kid: Uint8Array;
  readonly certificate: Uint8Array;
  readonly kind: number;
};
type DeviceKeyColumns = {
  readonly kid: Uint8Array;
  readonly device: string;
  readonly organisation: string;
};
type AnchorColumns = {
  readonly target: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly idx: number;
};
type BoundaryColumns = {
  readonly epoch: number;
  readonly size: number;
  readonly digest: Uint8Array;
};
