/** What the processor alone can do, measured beside each bench: bare hashes, bare signature checks. */

import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { assert } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";

/** The least that a bundled reading costs: its salt, its leaf, and one inner node of the tree. */
const saltInputBytes = 37;
const leafPrefixBytes = 17;
const nodeInputBytes = 65;

const checkedKeys = 16;

/** CPU seconds of this process that `work` took, on all its threads. */
export function cpuSecondsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** Readings a CPU-second, if a reading were its three hashes and nothing else. */
export function bareReadingRate(
  readingBytes: number,
  readings: number,
  hash: (bytes: Uint8Array) => Digest = nodeCrypto.sha256,
): number {
  const inputs = [saltInputBytes, leafPrefixBytes + readingBytes, nodeInputBytes].map(
    (length) => new Uint8Array(randomBytes(length)),
  );
  const hashAll = (count: number) => {
    for (let i = 0; i < count; i++) for (const input of inputs) hash(input);
  };
  hashAll(Math.ceil(readings / 10));
  return readings / cpuSecondsOf(() => hashAll(readings));
}

/** SHA-256 over inputs of 65 to 200 bytes, as the daemons call it: hashes a CPU-second. */
export function bareHashRate(hashes: number): number {
  const inputs = Array.from(
    { length: 64 },
    (_, i) => new Uint8Array(randomBytes(65 + ((i * 135) >> 6))),
  );
  const hashAll = (count: number) => {
    for (let i = 0; i < count; i++)
      nodeCrypto.sha256(inputs[i & 63] ?? inputs[0] ?? new Uint8Array());
  };
  hashAll(Math.ceil(hashes / 10));
  return hashes / cpuSecondsOf(() => hashAll(hashes));
}

/** P-256 checks of statements of this length, as the daemons call them: checks a CPU-second. */
export function bareVerifyRate(messageBytes: number, checks: number): number {
  return checkRate(() => signedMessage(messageBytes), checks);
}

/** The same of Ed25519, which votes and seals are signed with. */
export function bareEd25519Rate(messageBytes: number, checks: number): number {
  return checkRate(() => edSignedMessage(messageBytes), checks);
}

type Signed = {
  readonly publicKey: PublicKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
};

function checkRate(make: () => Signed, checks: number): number {
  const signed = Array.from({ length: checkedKeys }, make);
  const checkAll = (count: number) => {
    for (let i = 0; i < count; i++) {
      const item = signed[i % checkedKeys];
      assert(
        item !== undefined && nodeCrypto.verify(item.publicKey, item.message, item.signature),
        "a signature of our own",
      );
    }
  };
  checkAll(Math.ceil(checks / 10));
  return checks / cpuSecondsOf(() => checkAll(checks));
}

function signedMessage(length: number): Signed {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const [left, right] = [Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
  const key: PublicKey = { algorithm: "ES256", point: concat(Uint8Array.of(4), left, right) };
  const message = new Uint8Array(randomBytes(length));
  const dsaEncoding = "ieee-p1363";
  const signature = new Uint8Array(sign("sha256", message, { key: privateKey, dsaEncoding }));
  return { publicKey: key, message, signature };
}

function edSignedMessage(length: number): Signed {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const spki = publicKey.export({ type: "spki", format: "der" });
  const message = new Uint8Array(randomBytes(length));
  const key: PublicKey = { algorithm: "EdDSA", point: new Uint8Array(spki.subarray(-32)) };
  return { publicKey: key, message, signature: new Uint8Array(sign(null, message, privateKey)) };
}
