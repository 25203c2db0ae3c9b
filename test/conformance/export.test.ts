/** What `tamga-verify export` writes under four validators, judged by a checker that shares no code with it. */

import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { present } from "@tamga/ledger-core/base/assert";
import { encodeReceipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  checkNote,
  checkTlogProof,
  checkTransparent,
  ed25519Key,
  leafOf,
  splitSequence,
} from "../support/plain-checker.ts";
import { SyntheticChannel } from "../support/synthetic-channel.ts";

const program = fileURLToPath(new URL("../../ledger-core/src/verify.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tamga-export-"));
afterAll(() => rmSync(folder, { recursive: true }));

const channel = new SyntheticChannel({ validators: 4 });
channel.lane.fillTo(1_000);
channel.log.fillTo(70_001);
const bundle = channel.bundle();
const index = channel.admit(bundle.statement);
channel.lane.fillTo(1_100);
const sealed = channel.seal({ logSize: 70_123 });
const receipt = channel.receipt(index, sealed, { disclosed: bundle.disclose(0) });

const validators = channel.policy.validators.map(({ name, publicKey }) => ({
  name,
  key: ed25519Key(publicKey),
}));
const certificate = new X509Certificate(present(channel.gateway.chain[0], "certificate"));
const gateway = { name: "gateway", key: certificate.publicKey };
const quorum = ["validator-1", "validator-2", "validator-3"];

function exported(format: string): Buffer {
  const [file, trust, out] = ["receipt", "trust.json", "out"].map((name) => join(folder, name));
  const paths = [file ?? "", "--trust", trust ?? "", "--format", format, "--out", out ?? ""];
  const { status, stderr } = spawnSync(process.execPath, [program, "export", ...paths], {
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([0, ""]);
  return readFileSync(out ?? "");
}

let cose: readonly [Buffer, Buffer];
let note: string;
let proof: string;
beforeAll(() => {
  writeFileSync(join(folder, "receipt"), encodeReceipt(receipt));
  writeFileSync(join(folder, "trust.json"), encodeTrustPolicy(channel.policy));
  cose = splitSequence(exported("cose"));
  note = exported("note").toString("utf8");
  proof = exported("tlog-proof").toString("utf8");
});

describe("an export at n = 4", () => {
  test("has the device's statement with the gateway's receipt", () => {
    const { statement, receipts } = checkTransparent(cose[0], [gateway]);
    expect(statement.equals(bundle.statement)).toBe(true);
    expect(receipts).toMatchObject([
      { signer: "gateway", origin: channel.laneOrigin, index: BigInt(index), size: 1_100n },
    ]);
    expect(receipts[0]?.root.equals(sealed.lane.root)).toBe(true);
  });

  test("has the lane head with a receipt of each of q validators, over one root", () => {
    const { statement, receipts } = checkTransparent(cose[1], validators);
    expect(statement.equals(sealed.laneHead)).toBe(true);
    expect(receipts.map(({ signer }) => signer)).toEqual(quorum);
    const { root } = channel.log.head();
    for (const one of receipts) {
      expect(one).toMatchObject({
        origin: "consortium.example/milk",
        index: 70_001n,
        size: 70_123n,
      });
      expect(one.root.equals(root)).toBe(true);
    }
  });

  test("has the checkpoint with their cosignatures, and a proof of the lane head under it", () => {
    expect(checkNote(note, validators)).toEqual(quorum);
    expect(checkTlogProof(proof, leafOf(Buffer.from(sealed.laneHead)))).toBe(note);
  });

  test("is refused by that checker with anything changed", () => {
    const [first, second] = cose;
    expect(() => checkTransparent(first, validators)).toThrow("unknown signer");
    expect(() => checkTransparent(second, validators.slice(1))).toThrow("unknown signer");
    for (const at of [20, 200, second.length - 1, second.length - 400, second.length - 900]) {
      const changed = Buffer.from(second);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(() => checkTransparent(changed, validators), String(at)).toThrow();
    }
    expect(() => checkNote(note.replace("\n70123\n", "\n70124\n"), validators)).toThrow();
    const other = leafOf(Buffer.from(bundle.statement));
    expect(() => checkTlogProof(proof, other)).toThrow("another root");
    expect(() => checkTlogProof(proof.replace("index 70001", "index 70000"), other)).toThrow();
  });
});
