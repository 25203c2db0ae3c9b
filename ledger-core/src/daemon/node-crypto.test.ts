import { generateKeyPairSync, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import { concat, u32 } from "../base/bytes.ts";
import type { PublicKey } from "../base/crypto-port.ts";
import { nodeCrypto } from "./node-crypto.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const { x = "", y = "" } = publicKey.export({ format: "jwk" });
const [left, right] = [Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
const key: PublicKey = { algorithm: "ES256", point: concat(Uint8Array.of(4), left, right) };

test("takes r ‖ s of every shape: short ones, and those with a high first bit", () => {
  const shapes = new Set<string>();
  for (let i = 0; i < 2_000; i++) {
    const message = u32(i);
    const raw = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
    const signature = new Uint8Array(raw);
    expect(nodeCrypto.verify(key, message, signature)).toBe(true);
    for (const at of [0, 32]) {
      const first = signature[at] ?? 0;
      shapes.add(first === 0 ? "short" : first >= 0x80 ? "high" : "plain");
    }
  }
  expect([...shapes].sort()).toEqual(["high", "plain", "short"]);
});

test("judges impossible pairs as OpenSSL judges them in the other form", () => {
  const order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  const numbers = [
    new Uint8Array(32),
    new Uint8Array(32).fill(0xff),
    new Uint8Array(Buffer.from(order, "hex")),
    new Uint8Array(32).fill(1, 31),
  ];
  const message = u32(7);
  for (const r of numbers) {
    for (const s of numbers) {
      const pair = concat(r, s);
      const theirs = verify("sha256", message, { key: publicKey, dsaEncoding: "ieee-p1363" }, pair);
      expect(nodeCrypto.verify(key, message, pair)).toBe(theirs);
      expect(theirs).toBe(false);
    }
  }
});
