import {
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SqliteDatabase from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { openDatabase, requireDurable } from "./sqlite.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-sqlite-"));
afterAll(() => rmSync(directory, { recursive: true }));
const schema = ["CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"];

function withCode(code: string) {
  return expect.objectContaining({ name: "OperationalError", code });
}

describe("openDatabase", () => {
  it("opens durable, strict, for its owner alone", () => {
    const file = join(directory, "fresh.db");
    const database = openDatabase(file, { migrations: schema });
    const pragma = (name: string) => database.pragma(name, { simple: true });
    expect(pragma("journal_mode")).toBe("wal");
    expect(pragma("synchronous")).toBe(2);
    expect(pragma("foreign_keys")).toBe(1);
    expect(pragma("trusted_schema")).toBe(0);
    expect(pragma("busy_timeout")).toBe(5000);
    expect(pragma("user_version")).toBe(1);
    for (const name of [file, `${file}-wal`]) expect(statSync(name).mode & 0o777).toBe(0o600);
    database.close();
  });

  it("refuses to go on below FULL or without WAL", () => {
    const database = openDatabase(join(directory, "weak.db"));
    database.pragma("synchronous = NORMAL");
    expect(() => requireDurable(database)).toThrow(withCode("DATABASE_NOT_DURABLE"));
    database.pragma("synchronous = EXTRA");
    expect(() => requireDurable(database)).not.toThrow();
    database.close();
    const memory = new SqliteDatabase(":memory:");
    expect(() => requireDurable(memory)).toThrow(withCode("DATABASE_NOT_DURABLE"));
  });

  it("runs each migration once, whole or not at all", () => {
    const file = join(directory, "migrated.db");
    openDatabase(file, { migrations: schema }).close();
    const broken = [...schema, "CREATE TABLE other (id INTEGER) STRICT; CREATE TABLE item (x)"];
    expect(() => openDatabase(file, { migrations: broken })).toThrow(/item already exists/);
    const right = [...schema, "CREATE TABLE other (id INTEGER) STRICT"];
    openDatabase(file, { migrations: right }).close();
    const database = openDatabase(file, { migrations: right });
    expect(database.prepare("SELECT count(*) AS n FROM other").get()).toEqual({ n: 0 });
    database.close();
    expect(() => openDatabase(file, { migrations: schema })).toThrow(withCode("DATABASE_TOO_NEW"));
  });

  it("looks on read-only while another writes, and only at the schema it knows", () => {
    const file = join(directory, "shared.db");
    const writer = openDatabase(file, { migrations: schema });
    writer.exec("INSERT INTO item VALUES (1, 'a')");
    const reader = openDatabase(file, { readonly: true, migrations: schema });
    expect(reader.prepare("SELECT id FROM item").get()).toEqual({ id: 1 });
    expect(() => reader.exec("DELETE FROM item")).toThrow(/readonly/);
    reader.close();
    const open = (migrations: readonly string[]) => () =>
      openDatabase(file, { readonly: true, migrations });
    expect(open([...schema, "SELECT 1"])).toThrow(withCode("DATABASE_TOO_OLD"));
    expect(open([])).toThrow(withCode("DATABASE_TOO_NEW"));
    writer.close();
  });

  it("says what is wrong with a path", () => {
    const absent = join(directory, "absent", "x.db");
    expect(() => openDatabase(absent)).toThrow(withCode("DATABASE_UNAVAILABLE"));
    expect(() => openDatabase(absent, { readonly: true })).toThrow(
      withCode("DATABASE_UNAVAILABLE"),
    );
    expect(() => openDatabase(directory)).toThrow(withCode("DATABASE_UNAVAILABLE"));
  });

  it("refuses what is no database, and a damaged one", () => {
    const text = join(directory, "text.db");
    writeFileSync(text, "this is not a database ".repeat(100));
    expect(() => openDatabase(text)).toThrow(withCode("DATABASE_CORRUPT"));

    const file = join(directory, "damaged.db");
    const database = openDatabase(file, { migrations: schema });
    const insert = database.prepare("INSERT INTO item (text) VALUES (?)");
    for (let i = 0; i < 200; i++) insert.run("x".repeat(500));
    database.close();
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, new Uint8Array(3 * 4096).fill(0xa5), 0, 3 * 4096, 4096 * 4);
    closeSync(descriptor);
    expect(() => openDatabase(file)).toThrow(withCode("DATABASE_CORRUPT"));
  });

  it("says that another writer holds it", () => {
    const file = join(directory, "busy.db");
    const other = openDatabase(file);
    other.exec("BEGIN IMMEDIATE");
    const open = () => openDatabase(file, { migrations: schema, busyTimeoutMs: 1 });
    expect(open).toThrow(withCode("DATABASE_BUSY"));
    other.exec("COMMIT");
    openDatabase(file, { migrations: schema }).close();
    other.close();
  });
});
