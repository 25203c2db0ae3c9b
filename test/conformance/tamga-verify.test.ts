/** `tamga-verify` as a process, from its source and packed, and the pure half of it in a browser's bundle. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { encodeEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import { encodeReceipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SecondKeys } from "../support/ml-dsa.ts";
import { sm3Channel, sm3ReceiptSamples } from "../support/sm3-bundle-samples.ts";
import { SparseLog } from "../support/sparse-log.ts";
import { issueReceipt, SyntheticChannel } from "../support/synthetic-channel.ts";
import { SyntheticEpochs } from "../support/synthetic-epochs.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const source = join(root, "ledger-core/src/verify.ts");
const packed = join(root, "ledger-core/dist/tamga-verify.mjs");
const browser = join(root, "ledger-core/dist/tamga-verify-browser.js");
const folder = mkdtempSync(join(tmpdir(), "tamga-verify-"));
afterAll(() => rmSync(folder, { recursive: true }));

const channel = new SyntheticChannel({ validators: 4 });
const receipt = issueReceipt(channel);
const firstHead = channel.log.head();
const receiptBytes = encodeReceipt(receipt);
const { final: _, ...provisional } = receipt;

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const good = file("good.receipt", receiptBytes);
const flipped = file(
  "flipped.receipt",
  Uint8Array.from(receiptBytes, (b, i) => (i === 900 ? b ^ 1 : b)),
);
const early = file("early.receipt", encodeReceipt(provisional));
const trust = file("trust.json", encodeTrustPolicy(channel.policy));
const other = file("other.json", encodeTrustPolicy(new SyntheticChannel().policy));
const gateway = file("gateway.pem", pem(channel.gateway.chain));
const second = new SecondKeys(channel, 4);
const secondNote = file("second.txt", second.note([0, 1, 2]));

/** A receipt that validator-4 alone sealed, after it took over from all four. */
const changed = new SyntheticEpochs(channel);
changed.end(changed.members.slice(3));
const alone = channel.validators.slice(3);
channel.log.fillTo(9);
const laterBundle = channel.bundle();
const laterIndex = channel.admit(laterBundle.statement);
const laterHead = channel.seal();
const laterReceipt = channel.receipt(laterIndex, {
  ...laterHead,
  channel: channel.evidence(Number(laterHead.channel.index), alone),
});
const later = file("later.receipt", encodeReceipt(laterReceipt));
const laterNote = file("later.txt", channel.note(channel.log.head(), alone));
const epochs = file("epochs.tamga", encodeEpochs(changed.boundaries));

const sm3File = (verdict: string) =>
  present(
    sm3ReceiptSamples.find((sample) => sample.verdict === verdict),
    verdict,
  ).bytes;
const sm3Good = file("sm3.receipt", sm3File("valid"));
const sm3Changed = file("sm3-changed.receipt", sm3File("RECEIPT_READING_NOT_IN_BUNDLE"));
const sm3Trust = file("sm3.json", encodeTrustPolicy(sm3Channel.policy));

const note = file("note.txt", channel.note(firstHead, channel.validators.slice(0, 3)));

/** Pinned receipts under SM2 keys: what is said of them, and their files. */
const sm2Vectors: {
  readonly policies: Readonly<Record<string, string>>;
  readonly receipts: readonly {
    readonly name: string;
    readonly policy: string;
    readonly verdict: string;
    readonly hex: string;
  }[];
} = JSON.parse(readFileSync(join(root, "test/vectors/sm2-statement-v1.json"), "utf8"));
const underSm2 = sm2Vectors.receipts.map(({ name, policy, verdict, hex }, i) => ({
  name,
  verdict,
  receipt: file(`sm2-${i}.receipt`, Buffer.from(hex, "hex")),
  policy: file(`sm2-${i}.json`, sm2Vectors.policies[policy] ?? ""),
}));

function pem(chain: readonly Uint8Array[]): string {
  const blocks = chain.map((der) => Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n"));
  return blocks
    .map((body) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`)
    .join("");
}

function run(script: string, ...parameters: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...parameters], {
    encoding: "utf8",
    input: Buffer.from(receiptBytes),
  });
  return { status, stdout, stderr };
}

beforeAll(() => {
  const built = spawnSync(process.execPath, [join(root, "ledger-core/build-verify.mjs")], {
    encoding: "utf8",
  });
  expect(built.stderr).toBe("");
  expect(built.status).toBe(0);
});

describe.each([
  ["from its source", source],
  ["packed", packed],
])("tamga-verify %s", (_, script) => {
  const verify = (...parameters: readonly string[]) => run(script, ...parameters);

  test("exits 0 for a valid receipt and says what it proves", () => {
    const { status, stdout, stderr } = verify("receipt", good, "--trust", trust);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^VALID: reading 1 of a bundle of 2/);
    expect(stdout).toMatch(/did not sign\.\n$/);
    const piped = verify("receipt", "-", "--trust", trust, "--lang", "zh");
    expect(piped.stdout).toMatch(/^有效：/);
    const json = verify("receipt", good, "--trust", trust, "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ valid: true, lane: { index: "1" } });
  });

  test.each(underSm2)("judges an SM2 receipt: $name", ({ receipt: of, policy, verdict }) => {
    const { status, stdout } = verify("receipt", of, "--trust", policy);
    expect(status).toBe(verdict === "valid" ? 0 : 1);
    expect(stdout).toMatch(verdict === "valid" ? /^VALID: reading 1/ : new RegExp(verdict));
  });

  test("exits 1 with a code and a sentence for an invalid one", () => {
    for (const [path, policy, code] of [
      [flipped, trust, ""],
      [good, other, "SEAL_SIGNER_UNKNOWN"],
      [early, trust, "RECEIPT_NOT_FINAL"],
      [trust, trust, "CBOR_MALFORMED"],
      [good, good, "TRUST_NOT_JSON"],
    ] as const) {
      const { status, stdout } = verify("receipt", path, "--trust", policy);
      expect(status, path).toBe(1);
      expect(stdout).toMatch(/^INVALID: [A-Z].*\. \[[A-Z0-9_, ]+\]\n$/);
      expect(stdout).toContain(code);
    }
    const json = verify("receipt", early, "--trust", trust, "--json", "--lang", "zh");
    expect(JSON.parse(json.stdout)).toMatchObject({
      valid: false,
      code: "RECEIPT_NOT_FINAL",
      sentence: "没有任何验证节点封存此回执，仅由网关单方担保。",
    });
  });

  test("takes a provisional receipt under the gateway's certificate only when told to", () => {
    const taken = verify("receipt", early, "--trust", trust, "--provisional", gateway);
    expect(taken.status).toBe(0);
    expect(taken.stdout).toMatch(/^PROVISIONAL, signed by the gateway alone/);
    const foreign = file("foreign.pem", pem(new SyntheticChannel().gateway.chain));
    const refused = verify("receipt", early, "--trust", trust, "--provisional", foreign);
    expect([refused.status, refused.stdout]).toMatchObject([1, /GATEWAY_CHAIN_BAD/]);
    const none = verify("receipt", early, "--trust", trust, "--provisional", trust);
    expect([none.status, none.stdout]).toMatchObject([1, /CHAIN_EMPTY/]);
  });

  test("judges a bare checkpoint", () => {
    const { status, stdout } = verify("checkpoint", note, "--trust", trust);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^VALID: checkpoint of consortium.example\/milk at size 2\n/);
    expect(stdout).toContain("Cosigned by validator-3 (organisation-3) at 2026-05-28T20:28:22Z");
    const wrong = verify("checkpoint", note, "--trust", other, "--json");
    expect([wrong.status, JSON.parse(wrong.stdout)]).toMatchObject([
      1,
      { valid: false, code: "SEAL_QUORUM_MISSING", fault: { have: 0, needed: 1 } },
    ]);
  });

  test("writes a receipt in other forms, once it has verified it", () => {
    const written = join(folder, "exported");
    for (const [format, pattern] of [
      ["note", /^consortium.example\/milk\n2\n/],
      ["tlog-proof", /^c2sp.org\/tlog-proof@v1\nindex 1\n/],
      ["cose", /application\/vnd.tamga.log-root.v1\+cose/],
    ] as const) {
      const out = ["--format", format, "--out", written];
      const { status, stdout } = verify("export", good, "--trust", trust, ...out);
      expect([status, stdout]).toEqual([0, `VALID: written to ${written}.\n`]);
      expect(readFileSync(written, "latin1")).toMatch(pattern);
      rmSync(written);
      const refused = verify("export", early, "--trust", trust, ...out);
      expect([refused.status, refused.stdout]).toMatchObject([1, /RECEIPT_NOT_FINAL/]);
      expect(existsSync(written)).toBe(false);
    }
    const nowhere = ["--format", "note", "--out", join(folder, "none", "note")];
    expect(verify("export", good, "--trust", trust, ...nowhere).status).toBe(74);
  });

  test("follows the channel's validators from the trust policy's on", () => {
    const refused = verify("receipt", later, "--trust", trust);
    expect([refused.status, refused.stdout]).toMatchObject([
      1,
      /an epochs file is needed\. \[SEAL/,
    ]);
    const followed = ["--trust", trust, "--epochs", epochs];
    const taken = verify("receipt", later, ...followed);
    expect([taken.status, taken.stderr]).toEqual([0, ""]);
    expect(taken.stdout).toContain("Cosigned by 1 of 1 organisations: organisation-4\n");
    expect(verify("receipt", good, ...followed).stdout).toContain("by 3 of 4 organisations");
    expect(verify("checkpoint", laterNote, ...followed).status).toBe(0);
    expect(verify("checkpoint", laterNote, "--trust", trust).stdout).toContain("QUORUM_MISSING");
    const out = ["--format", "note", "--out", join(folder, "later.note")];
    expect(verify("export", later, ...followed, ...out).status).toBe(0);
    expect(verify("export", later, "--trust", trust, ...out).status).toBe(1);
    const listed = verify("epochs", epochs, "--trust", trust);
    expect(listed.stdout).toMatch(/^VALID: channel consortium.example\/milk has had 2 sets/);
    const json = verify("epochs", epochs, "--trust", trust, "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ valid: true, epochs: [{}, { epoch: 1 }] });
    for (const [path, policy, code] of [
      [epochs, other, "EPOCH_CERTIFICATE_WRONG"],
      [good, trust, "FIELD_BAD"],
    ] as const) {
      const wrong = verify("epochs", path, "--trust", policy);
      expect([wrong.status, wrong.stdout.includes(code)], code).toEqual([1, true]);
    }
    const spoilt = verify("receipt", good, "--trust", trust, "--epochs", good);
    expect([spoilt.status, spoilt.stdout]).toMatchObject([1, /^INVALID/]);
    expect(verify("epochs", join(folder, "none"), "--trust", trust).status).toBe(74);
  });

  test("asks for ML-DSA-44 cosignatures where the policy requires them", () => {
    const policy = file("second.json", encodeTrustPolicy(second.policy(true)));
    const bare = verify("receipt", good, "--trust", policy);
    expect([bare.status, bare.stdout]).toMatchObject([1, /SEAL_ML_DSA_MISSING/]);
    const beside = verify("receipt", good, "--trust", policy, "--checkpoint", secondNote);
    expect([beside.status, beside.stderr]).toEqual([0, ""]);
    expect(beside.stdout).toContain(
      "Also cosigned with ML-DSA-44 by 3 of 4 validators: validator-1, ",
    );
    const checkpoint = verify("checkpoint", secondNote, "--trust", policy, "--json");
    expect(JSON.parse(checkpoint.stdout)).toMatchObject({ mlDsa: { cosignatures: [{}, {}, {}] } });
    expect(verify("checkpoint", note, "--trust", policy).stdout).toContain("SEAL_ML_DSA_MISSING");
    const out = ["--format", "note", "--out", join(folder, "second.note")];
    const taken = verify("export", good, "--trust", policy, "--checkpoint", secondNote, ...out);
    expect([taken.status, taken.stderr]).toEqual([0, ""]);
  });

  test("judges a reading of an SM3 bundle, and says that SM3 is inside", () => {
    const { status, stdout } = verify("receipt", sm3Good, "--trust", sm3Trust);
    expect([status, stdout]).toEqual([0, expect.stringContaining("Hashed with SM3 inside")]);
    const changed = verify("receipt", sm3Changed, "--trust", sm3Trust);
    expect([changed.status, changed.stdout]).toEqual([
      1,
      expect.stringContaining("RECEIPT_READING_NOT_IN_BUNDLE"),
    ]);
  });

  test("exits 74 for a file that cannot be read", () => {
    expect(verify("receipt", join(folder, "none"), "--trust", trust).status).toBe(74);
    expect(verify("receipt", good, "--trust", folder).status).toBe(74);
  });

  // One form is enough for the arguments: both have the same code.
  if (script === source) return;

  test("exits 64 for wrong use and 0 for help", () => {
    const zero = "00".repeat(32);
    const inclusion = (index: string, size: string, leaf: string, path: string) =>
      verify(
        "inclusion",
        "--index",
        index,
        "--size",
        size,
        "--leaf",
        leaf,
        "--root",
        zero,
        "--path",
        path,
      );
    expect(inclusion("-1", "1", zero, "").status).toBe(64);
    expect(inclusion("0", "18446744073709551616", zero, "").status).toBe(64);
    expect(inclusion("0", "1e3", zero, "").status).toBe(64);
    expect(inclusion("0", "1", `${zero}0`, "").status).toBe(64);
    expect(inclusion("0", "1", zero.slice(2), "").status).toBe(64);
    expect(inclusion("0", "2", zero, `${zero},`).status).toBe(64);
    expect(inclusion("0", "2", zero, "zz").status).toBe(64);
    expect(verify("receipt", good).status).toBe(64);
    expect(verify("receipt", good, "--trust", trust, "--lang", "xx").status).toBe(64);
    expect(verify("unknown").status).toBe(64);
    expect(verify().status).toBe(64);
    expect(verify("inclusion", "--help").stdout).toContain("leaf hash, SHA-256(0x00 || entry)");
    expect(verify("--help").status).toBe(0);
  });

  test("judges bare proofs, of trees of up to 2^64-1 leaves", () => {
    const log = new SparseLog();
    log.fillTo(4);
    const index = log.append(utf8("entry"));
    const hash = (digest: Digest) => toHex(digest);
    const list = (path: readonly Digest[]) => path.map(hash).join(",");
    const leaf = hash(treeHasher(nodeCrypto.sha256).leaf(utf8("entry")));
    const [five, four] = [log.head(), log.head(4)];
    const inclusion = (...more: readonly string[]) =>
      verify(
        "inclusion",
        "--leaf",
        leaf,
        "--root",
        hash(five.root),
        "--path",
        list(log.inclusion(index)),
        ...more,
      );
    expect(inclusion("--index", "4", "--size", "5").status).toBe(0);
    // The very weakness that signed sizes are for: a bare root cannot tell 4 of 5 from 1 of 2.
    expect(inclusion("--index", "1", "--size", "2").status).toBe(0);
    expect(inclusion("--index", "3", "--size", "5")).toMatchObject({ status: 1 });
    expect(inclusion("--index", "5", "--size", "5").stdout).toContain(
      "INCLUSION_INDEX_OUT_OF_RANGE",
    );
    const alone = ["--leaf", leaf, "--root", leaf, "--path", ""];
    expect(verify("inclusion", "--index", "0", "--size", "1", ...alone).status).toBe(0);
    const largest = ["--index", "18446744073709551614", "--size", "18446744073709551615"];
    const huge = verify("inclusion", ...largest, ...alone, "--json");
    expect(JSON.parse(huge.stdout)).toMatchObject({ code: "INCLUSION_PATH_TOO_SHORT" });
    const roots = ["--root1", hash(four.root), "--root2", hash(five.root)];
    const grown = ["--path", list(log.consistency(4, 5)), ...roots];
    expect(verify("consistency", "--size1", "4", "--size2", "5", ...grown).status).toBe(0);
    expect(verify("consistency", "--size1", "5", "--size2", "4", ...grown)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining("CONSISTENCY_SIZE_DECREASED"),
    });
    const same = ["--root1", hash(five.root), "--root2", hash(five.root), "--path", ""];
    expect(verify("consistency", "--size1", "5", "--size2", "5", ...same).status).toBe(0);
  });
});

describe("the verifying modules", () => {
  test("reach nothing of Node and no shell", () => {
    const start = [
      "verify-receipt",
      "verify-lane-head",
      "verify-proof",
      "describe-receipt",
      "receipt-view",
      "describe-epochs",
      "epochs-file",
    ];
    const queue = [...start, "trust-policy-file", "explain-fault"].map((name) =>
      join(root, `ledger-core/src/receipt/${name}.ts`),
    );
    const seen = new Set<string>();
    const foreign = new Set<string>();
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      for (const [, name = ""] of readFileSync(path, "utf8").matchAll(
        /(?:from|import)\s*\(?\s*"([^"]+)"/g,
      )) {
        if (name.startsWith(".")) queue.push(resolve(dirname(path), name));
        else foreign.add(name);
      }
    }
    expect(seen.size).toBeGreaterThan(30);
    expect([...seen].filter((path) => /ledger-core\/src\/(daemon|ledger)\//.test(path))).toEqual(
      [],
    );
    expect(
      [...foreign].filter((name) => !/^(@noble\/(curves|hashes)\/.+|cborg)$/.test(name)),
    ).toEqual([]);
  });

  test("judge in the browser's bundle, with nothing around it but the language and text coding", () => {
    expect(judgeInPage(good, trust)).toMatch(/^VALID: reading 1/);
    expect(judgeInPage(good, other)).toMatch(/seal that no validator/);
    expect(judgeInPage(flipped, trust)).not.toMatch(/^VALID/);
    expect(judgeInPage(sm3Good, sm3Trust)).toMatch(/^VALID: reading 2 of a bundle of 3/);
    expect(judgeInPage(sm3Changed, sm3Trust)).toMatch(/reading/);
    expect(judgeInPage(sm3Changed, sm3Trust)).not.toMatch(/^VALID/);
  });

  test.each(underSm2)("judge an SM2 receipt there: $name", ({ receipt: of, policy, verdict }) => {
    const line = judgeInPage(of, policy);
    if (verdict === "valid") expect(line).toMatch(/^VALID: reading 1/);
    else expect(line).not.toMatch(/^VALID/);
  });
});

/** First line for a receipt, in a realm that has no global of Node. */
function judgeInPage(receiptFile: string, policyFile: string): unknown {
  const module = readFileSync(browser, "utf8");
  expect(module).not.toMatch(/\bimport\b[^;]*from "/);
  const script = module.replace(/^export \{([^}]*)\};$/m, (_, names: string) => {
    const fields = names.replace(/(\w+) as (\w+)/g, "$2: $1");
    return `globalThis.page = {${fields}};`;
  });
  const realm = createContext({ TextEncoder, TextDecoder });
  runInContext(script, realm);
  realm["receiptHex"] = readFileSync(receiptFile, "hex");
  realm["policyHex"] = readFileSync(policyFile, "hex");
  return runInContext(pageSource, realm);
}

/** What a page would do with two files that were dropped on it. */
const pageSource = `
(() => {
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  const { nobleCrypto, parseReceipt, parseTrustPolicy, verifyReceipt, describeReceipt } = page;
  const policy = parseTrustPolicy(bytes(policyHex));
  if (!policy.ok) return page.explainFault(policy.fault, "en");
  const receipt = parseReceipt(bytes(receiptHex));
  if (!receipt.ok) return page.explainFault(receipt.fault, "en");
  const verified = verifyReceipt(nobleCrypto, policy.value, receipt.value);
  if (!verified.ok) return page.explainFault(verified.fault, "en");
  return describeReceipt(nobleCrypto.sha256, verified.value, "en")[0];
})()
`;
