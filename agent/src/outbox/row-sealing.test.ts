/** An outbox whose readings are encrypted on disk: what the files hold, and what comes out of them. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SealingName } from "../at-rest/rest-cipher.ts";
import {
  RestCipher,
  restKeyBytes,
  restOverheadBytes,
  sealingNames,
} from "../at-rest/rest-cipher.ts";
import type { RestKey } from "../at-rest/rest-key.ts";
import { OutboxTestBed, readingsOf } from "./outbox-test-bed.ts";
import { RowSealing, restCheckOf } from "./row-sealing.ts";

let sealing: SealingName = "aes-256-gcm";
const newKey = (): RestKey => {
  const key = new Uint8Array(randomBytes(restKeyBytes[sealing]));
  return { cipher: new RestCipher(sealing, key), check: RestCipher.checkOf(key) };
};

let bed: OutboxTestBed;
let key: RestKey;
const open = async (isOn = true) => {
  key = newKey();
  bed = await OutboxTestBed.create({}, { rows: (db) => RowSealing.open(db, { key, isOn }) });
  return bed;
};
afterEach(() => bed.remove());

/** Easily found, and of no use to a compression that would hide it. */
const reading = (n: number) => utf8(`1-0:1.8.0*255(0054${n}.157*kWh) ${"meter ".repeat(3)}`);
const readings = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => reading(from + i));

/** Whether any file of the outbox holds this text. */
function isOnDisk(text: string): boolean {
  const files = ["outbox.db", "outbox.db-wal"].map((name) => join(bed.directory, name));
  return files.some((file) => existsSync(file) && readFileSync(file).includes(text));
}

describe.each(sealingNames)("an outbox that is encrypted at rest with %s", (name) => {
  beforeEach(() => {
    sealing = name;
  });

  it("has no reading on disk, neither in its journal nor in its bodies, and sends them all", async () => {
    await open();
    const run = await bed.start();
    const contents = readings(10, 12);
    await bed.journal(contents).durable;
    await bed.outbox.closeBundle(run, 9n);
    expect(isOnDisk("meter")).toBe(false);
    // The ones that are not bundled yet come out of the journal of a run that was killed.
    bed.crash();
    await bed.start();
    const sent = bed.outbox
      .nextToSend({ room: 100 })
      .flatMap(({ message }) => readingsOf(message.body));
    expect(sent.map((bytes) => new TextDecoder().decode(bytes)).toSorted()).toEqual(
      contents.map((bytes) => new TextDecoder().decode(bytes)).toSorted(),
    );
    expect(isOnDisk("meter")).toBe(false);
    expect(bed.failure).toBeUndefined();
  });

  it("is found on disk without it, so that the look above can fail", async () => {
    await open(false);
    await bed.start();
    await bed.journal(readings(10, 4)).durable;
    expect(isOnDisk("meter")).toBe(true);
    expect(restCheckOf(bed.database)).toBeUndefined();
  });

  it("counts what the rows take on disk", async () => {
    await open();
    const run = await bed.start();
    await bed.journal(readings(10, 12)).durable;
    expect(bed.outbox.status()).toMatchObject({ atRest: name, usedBytes: bed.countedBytes() });
    const [row] = bed.database.prepare<[], Uint8Array>("SELECT bytes FROM journal").pluck().all();
    expect(present(row, "a row").length).toBe(reading(10).length + restOverheadBytes);
    await bed.outbox.closeBundle(run, 13n);
    expect(bed.outbox.status().usedBytes).toBe(bed.countedBytes());
    bed.crash();
    expect(bed.outbox.status().usedBytes).toBe(bed.countedBytes());
  });

  it("holds old rows and new ones when it is turned on, and when it is turned off again", async () => {
    await open(false);
    let count = 0;
    for (const isOn of [false, true, false]) {
      bed.rows = (db) => RowSealing.open(db, { key, isOn });
      bed.crash();
      await bed.start();
      await bed.bundle(3, 50);
      await bed.journal(readings(10, 2)).durable;
      count += 5;
    }
    bed.crash();
    await bed.start();
    const sent = bed.outbox
      .nextToSend({ room: 100 })
      .flatMap(({ message }) => readingsOf(message.body));
    expect(sent).toHaveLength(count);
    expect(restCheckOf(bed.database)).toEqual(key.check);
  });

  it("takes no row that was changed, moved, or encrypted under another key", async () => {
    await open();
    await bed.start();
    await bed.bundle(3, 50);
    await bed.bundle(3, 50);
    const [one, other] = bed.database
      .prepare<[], { ordinal: number; bytes: Uint8Array }>("SELECT ordinal, bytes FROM body")
      .all();
    const put = (bytes: Uint8Array) =>
      bed.database.prepare("UPDATE body SET bytes = ? WHERE ordinal = ?").run(bytes, one?.ordinal);
    const own = new Uint8Array(present(one, "a body").bytes);
    const changed = own.with(20, (own[20] ?? 0) ^ 1);
    const altered = expect.objectContaining({ code: "DATABASE_ROW_ALTERED" });
    for (const bytes of [changed, present(other, "another body").bytes, own.subarray(0, 20)]) {
      put(bytes);
      bed.crash();
      expect(() => bed.outbox.nextToSend({ room: 100 })).toThrow(altered);
    }
    put(own);
    bed.crash();
    expect(bed.outbox.nextToSend({ room: 100 })).toHaveLength(3);
    key = newKey();
    bed.crash();
    expect(() => bed.outbox.nextToSend({ room: 100 })).toThrow(altered);
  });
});
