/** The rules of the one signing function, each tried alone. */

import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { site } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { utf8 } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { verifyLogSignature } from "../wire/log-signature.ts";
import { SealSigner } from "./seal-signer.ts";
import { SqliteLog } from "./sqlite-log.ts";

const origin = "consortium.example/milk";
const key = createKey("EdDSA");
const publicKey = key.spki.subarray(-32);
const inconsistent = expect.objectContaining({ code: "SEAL_INCONSISTENT" });
let signed: number;
let db: Database.Database;
let log: SqliteLog;
let signer: SealSigner;

beforeEach(() => {
  signed = 0;
  db = new Database(":memory:");
  log = SqliteLog.open(db, { prefix: "channel_log", sha256: nodeCrypto.sha256 });
  const validatorKey = {
    publicKey,
    sign(message: Uint8Array) {
      signed++;
      return key.sign(message);
    },
  };
  const validator = { name: name("v"), organisation: site.organisation, publicKey };
  signer = new SealSigner(
    { db, log, crypto: nodeCrypto },
    { key: validatorKey, validator, origin },
  );
});
afterEach(() => {
  db.close();
});

function grow(text: string, now = 1_000): void {
  db.transaction(() => {
    log.append([utf8(text)]);
    signer.promise(unixMillis(now));
  })();
}

describe("the signing function", () => {
  it("signs nothing that was not promised", () => {
    db.transaction(() => log.append([utf8("a")]))();
    expect(signer.seal()).toBeUndefined();
    expect(signed).toBe(0);
  });

  it("signs the promised head, not a later one, and the same again", () => {
    grow("a", 5_999);
    const head = { size: 1n, root: log.root() };
    db.transaction(() => log.append([utf8("b")]))();
    const seal = signer.seal();
    expect(seal).toMatchObject({ ...head, at: 5_000 });
    expect(signer.seal()).toEqual(seal);
    const [signature] = seal?.signatures ?? [];
    expect(signature).toBeDefined();
    if (signature === undefined) return;
    const expected = { origin, ...head, key: key.publicKey };
    expect(verifyLogSignature(nodeCrypto, signature, expected).ok).toBe(true);
  });

  it("promises only with a commit, and signs only after it", () => {
    expect(() => signer.promise(unixMillis(1))).toThrow("commits with its block");
    db.transaction(() => expect(() => signer.seal()).toThrow("only what is durable"))();
    const failing = db.transaction(() => {
      log.append([utf8("a")]);
      signer.promise(unixMillis(1));
      throw new Error("no");
    });
    expect(failing).toThrow("no");
    expect(signer.seal()).toBeUndefined();
    expect(signed).toBe(0);
  });

  const rows = [
    ["a longer log", "size = 9"],
    ["another root", "root = zeroblob(32)"],
  ] as const;
  it.each(rows)("promises and signs nothing once it had promised %s", (_, change) => {
    grow("a");
    db.exec(`UPDATE channel_seal SET ${change}`);
    expect(() => grow("b")).toThrow(inconsistent);
    expect(log.size).toBe(1);
    expect(() => signer.seal()).toThrow(inconsistent);
    expect(signed).toBe(0);
  });

  it("keeps the time of a promise that is made twice, and never goes back", () => {
    grow("a", 9_000);
    db.transaction(() => signer.promise(unixMillis(20_000)))();
    expect(signer.seal()?.at).toBe(9_000);
    grow("b", 2_000);
    expect(signer.seal()?.at).toBe(9_000);
    grow("c", 30_000);
    expect(signer.seal()?.at).toBe(30_000);
  });

  it("gives no second signature that differs from the stored one", () => {
    grow("a");
    signer.seal();
    db.exec("UPDATE channel_seal SET note = 'other'");
    expect(() => signer.seal()).toThrow(inconsistent);
  });
});
