/** The rules of the one signing function, each tried alone. */

import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { site } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import { sealPointsOpenMax } from "../consensus/limits.ts";
import type { SealPoint } from "../consensus/replica-io.ts";
import { ValidatorSet } from "../consensus/validator-set.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { sealsOf } from "../receipt/seal-evidence.ts";
import { verifyLogSignature } from "../wire/log-signature.ts";
import { PointSigner } from "./point-signer.ts";
import { combineSeals, parseSealPayload, verifySealPayload } from "./seal-payload.ts";
import { SqliteLog } from "./sqlite-log.ts";
import { SqliteSeals } from "./sqlite-seals.ts";

const origin = "consortium.example/milk";
const keys = Array.from({ length: 4 }, () => createKey("EdDSA"));
const validators = new ValidatorSet(
  0,
  keys.map((key, i) => ({
    name: name(`v${i}`),
    organisation: site.organisation,
    publicKey: key.spki.subarray(-32),
  })),
);
const inconsistent = expect.objectContaining({ code: "SEAL_INCONSISTENT" });
let signed: number;
let db: Database.Database;
let log: SqliteLog;
let signer: PointSigner;

beforeEach(() => {
  signed = 0;
  db = new Database(":memory:");
  log = SqliteLog.open(db, { prefix: "channel_log", sha256: nodeCrypto.sha256 });
  signer = signerOf(0);
});
afterEach(() => {
  db.close();
});

function signerOf(index: number): PointSigner {
  const key = present(keys[index], "key");
  const { publicKey } = validators.entryOf(index);
  const sign = (message: Uint8Array) => {
    signed++;
    return key.sign(message);
  };
  return new PointSigner({ db, log, crypto: nodeCrypto }, { key: { publicKey, sign }, origin });
}

/** The point at the log's end. */
function here(epoch = 0): SealPoint {
  return { epoch, height: log.size, size: BigInt(log.size), root: log.root() };
}

function grow(text: string, now = 1_000): SealPoint {
  return db.transaction(() => {
    log.append([utf8(text)]);
    signer.promise(here(), unixMillis(now));
    return here();
  })();
}

const timeOf = (point: SealPoint) => {
  const parsed = parseSealPayload(present(signer.sign(point), "payload"));
  return parsed.ok ? parsed.value.timeSeconds : undefined;
};

describe("the signing function", () => {
  it("signs nothing that was not promised", () => {
    db.transaction(() => log.append([utf8("a")]))();
    expect(signer.sign(here())).toBeUndefined();
    expect(signer.promised()).toBeUndefined();
    expect(signed).toBe(0);
  });

  it("signs the promised head, not a later one, and the same again", () => {
    const point = grow("a", 5_999);
    db.transaction(() => log.append([utf8("b")]))();
    expect(signer.sign(here())).toBeUndefined();
    const payload = present(signer.sign(point), "payload");
    expect(signer.sign(point)).toEqual(payload);
    expect(signer.promised()).toEqual(point);
    expect(timeOf(point)).toBe(5);
    const head = { origin, ...point };
    expect(
      verifySealPayload(
        nodeCrypto,
        { validator: validators.entryOf(0), secondKey: undefined },
        head,
        payload,
      ),
    ).toBe(true);
    expect(
      verifySealPayload(
        nodeCrypto,
        { validator: validators.entryOf(1), secondKey: undefined },
        head,
        payload,
      ),
    ).toBe(false);
    const later = { ...head, size: 2n };
    expect(
      verifySealPayload(
        nodeCrypto,
        { validator: validators.entryOf(0), secondKey: undefined },
        later,
        payload,
      ),
    ).toBe(false);
  });

  it("promises only with a commit, and signs only after it", () => {
    expect(() => signer.promise(here(), unixMillis(1))).toThrow("commits with its block");
    db.transaction(() => expect(() => signer.sign(here())).toThrow("only what is durable"))();
    const failing = db.transaction(() => {
      log.append([utf8("a")]);
      signer.promise(here(), unixMillis(1));
      throw new Error("no");
    });
    expect(failing).toThrow("no");
    expect(signer.promised()).toBeUndefined();
    expect(signed).toBe(0);
  });

  const rows = [
    ["a longer log", "size = 9"],
    ["another root", "root = zeroblob(32)"],
  ] as const;
  it.each(rows)("promises and signs nothing once it had promised %s", (_, change) => {
    const point = grow("a");
    db.exec(`UPDATE channel_promise SET ${change}`);
    expect(() => grow("b")).toThrow(inconsistent);
    expect(log.size).toBe(1);
    const asked = { ...point, size: present(signer.promised(), "promise").size };
    expect(() => signer.sign(asked)).toThrow(inconsistent);
    expect(signed).toBe(0);
  });

  it("signs no other root and no other epoch than it promised", () => {
    const point = grow("a");
    const other = { ...point, root: nodeCrypto.sha256(utf8("other")) };
    expect(() => signer.sign(other)).toThrow(inconsistent);
    expect(() => signer.sign({ ...point, epoch: 1 })).toThrow(inconsistent);
    expect(() => db.transaction(() => signer.promise(other, unixMillis(1)))()).toThrow(
      inconsistent,
    );
    expect(signed).toBe(0);
  });

  it("promises no smaller size than it had", () => {
    const point = grow("a");
    grow("b");
    expect(() => db.transaction(() => signer.promise(point, unixMillis(1)))()).toThrow(
      inconsistent,
    );
  });

  it("keeps the time of a promise that is made twice, and never goes back", () => {
    const first = grow("a", 9_000);
    db.transaction(() => signer.promise(here(), unixMillis(20_000)))();
    expect(timeOf(first)).toBe(9);
    expect(timeOf(grow("b", 2_000))).toBe(9);
    expect(timeOf(grow("c", 30_000))).toBe(30);
  });

  it("keeps so many promises and no more", () => {
    const points = Array.from({ length: sealPointsOpenMax + 2 }, (_, i) => grow(`${i}`));
    const held = points.filter((point) => signer.sign(point) !== undefined);
    expect(held).toEqual(points.slice(2));
  });
});

describe("a quorum's signatures", () => {
  const sealed = (point: SealPoint, indices: readonly number[]) => ({
    point,
    seals: indices.map((validator) => ({
      validator,
      payload: new Uint8Array(present(signerOf(validator).sign(point), "payload")),
    })),
  });

  it("make one checkpoint with both signatures of each", () => {
    const point = grow("a", 7_000);
    const { seals } = sealed(point, [3, 0, 2]);
    const seal = combineSeals(
      nodeCrypto,
      { validators, secondKeyOf: () => undefined },
      { origin, ...point },
      seals,
    );
    expect(seal.note.split("\n").filter((line) => line.startsWith("—"))).toHaveLength(3);
    expect(seal.at).toBe(7_000);
    // Of whichever epoch they are: the seal says who made it.
    expect(sealsOf(nodeCrypto, present(seal.sealers, "sealers"), seal)).toHaveLength(3);
    for (const [at, index] of [0, 2, 3].entries()) {
      const key = present(keys[index], "key").publicKey;
      const signature = present(seal.signatures[at], "signature");
      const expected = { origin, size: point.size, root: point.root, key };
      expect(verifyLogSignature(nodeCrypto, signature, expected).ok).toBe(true);
    }
    expect(() =>
      combineSeals(
        nodeCrypto,
        { validators, secondKeyOf: () => undefined },
        { origin, ...point },
        seals.slice(1),
      ),
    ).toThrow("quorum");
  });

  it("are kept, the newest of an epoch", () => {
    const seals = new SqliteSeals(db);
    expect(seals.newest()).toBeUndefined();
    const older = sealed(grow("a"), [0, 1, 2]);
    const newer = sealed(grow("b"), [1, 2, 3]);
    seals.put(newer);
    seals.put(older);
    expect(seals.newest()).toEqual(newer);
    const next = { ...sealed(grow("c"), [0, 1, 3]) };
    seals.put({ ...next, point: { ...next.point, epoch: 1 } });
    expect(seals.newest()?.point).toMatchObject({ epoch: 1, size: 3n });
    expect(db.prepare("SELECT count(*) FROM channel_sealed").pluck().get()).toBe(2);
  });
});
