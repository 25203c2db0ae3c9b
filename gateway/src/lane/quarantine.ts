/** Authenticated messages that were refused: kept within a quota for each device (DESIGN §1). */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { quarantineBytesPerDeviceMax } from "../limits.ts";
import type { DeviceRow } from "./device-rows.ts";
import type { LanePlace } from "./lane.ts";
import { placeKey, placeOfKey } from "./lane-schema.ts";
import type { Position } from "./statement-rows.ts";
import { storedBytes, storedDigest, storedIdentifier } from "./stored.ts";

export type Refused = {
  readonly digest: Digest;
  readonly code: string;
  readonly at: UnixMillis;
  /** Exact bytes of the message. */
  readonly bytes: Uint8Array;
  readonly position: Position | undefined;
};

/** One refused message as a list shows it. `kept` is false where the quota took its bytes. */
export type QuarantineItem = LanePlace & {
  readonly id: number;
  readonly device: Identifier;
  readonly digest: Digest;
  readonly code: string;
  readonly at: UnixMillis;
  readonly length: number;
  readonly kept: boolean;
};

type Stored = {
  readonly id: number;
  readonly device: string;
  readonly digest: Uint8Array;
  readonly place: number;
  readonly code: string;
  readonly at: number;
  readonly length: number;
  readonly kept: number;
};

const sqliteIntegerMax = 2n ** 63n - 1n;

export class Quarantine {
  readonly #insert;
  readonly #find;
  readonly #bytes;
  readonly #list;

  constructor(db: Database) {
    this.#insert = db.prepare<
      [
        number,
        Uint8Array,
        number,
        string,
        number,
        string | null,
        Uint8Array | null,
        bigint | null,
        number | null,
        number,
        Uint8Array | null,
      ]
    >("INSERT INTO quarantine VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#find = db.prepare<
      [number, Uint8Array],
      { readonly place: number; readonly code: string }
    >("SELECT place, code FROM quarantine WHERE device = ? AND digest = ?");
    this.#bytes = db
      .prepare<[number], Uint8Array | null>("SELECT bytes FROM quarantine WHERE id = ?")
      .pluck();
    this.#list = db.prepare<[number, string | null, string | null, number], Stored>(
      `SELECT q.id, d.name AS device, q.digest, q.place, q.code, q.at, q.length,
         q.bytes IS NOT NULL AS kept
       FROM quarantine q JOIN device d ON d.id = q.device
       WHERE q.id > ? AND (? IS NULL OR d.name = ?) ORDER BY q.id LIMIT ?`,
    );
  }

  /** Keeps a refusal, and its bytes as far as the device's quota goes; counts in `device`. */
  put(device: DeviceRow, place: LanePlace, refused: Refused): void {
    const { digest, code, at, bytes } = refused;
    const isKept = device.quarantineBytes + bytes.length <= quarantineBytesPerDeviceMax;
    if (isKept) device.quarantineBytes += bytes.length;
    else device.bytesDropped++;
    // A position that no statement of ours can have is not searched for either.
    const position = fits(refused.position) ? refused.position : undefined;
    this.#insert.run(
      device.id,
      digest,
      placeKey(place),
      code,
      at,
      position?.stream ?? null,
      position?.incarnation ?? null,
      position?.range.first ?? null,
      position?.range.count ?? null,
      bytes.length,
      isKept ? bytes : null,
    );
  }

  find(device: number, digest: Digest): (LanePlace & { readonly code: string }) | undefined {
    const row = this.#find.get(device, digest);
    return row === undefined ? undefined : { ...placeOfKey(row.place), code: row.code };
  }

  /** The message, undefined where it is unknown or only its digest remains. */
  bytes(id: number): Uint8Array | undefined {
    const bytes = this.#bytes.get(id);
    return bytes === undefined || bytes === null ? undefined : storedBytes(bytes);
  }

  /** In order of arrival, those after `afterId`. */
  list(page: {
    readonly device?: Identifier;
    readonly afterId: number;
    readonly limit: number;
  }): QuarantineItem[] {
    const device = page.device ?? null;
    return this.#list.all(page.afterId, device, device, page.limit).map((row) => ({
      ...placeOfKey(row.place),
      id: row.id,
      device: storedIdentifier(row.device),
      digest: storedDigest(row.digest),
      code: row.code,
      at: unixMillis(row.at),
      length: row.length,
      kept: row.kept === 1,
    }));
  }
}

function fits(position: Position | undefined): boolean {
  if (position === undefined) return false;
  const { first, count } = position.range;
  return count > 0 && first + BigInt(count) <= sqliteIntegerMax;
}
