/** SM2 keys and signatures for tests, wrong ones too: by OpenSSL, and in arithmetic of their own. */

import type { KeyObject } from "node:crypto";
import { createHash, createPrivateKey, createSign, generateKeyPairSync } from "node:crypto";
import { weierstrass } from "@noble/curves/abstract/weierstrass.js";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";

/** GB/T 32918.5-2017 §2, typed a second time: the code under test has its own. */
const curve = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  a: 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffcn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  Gx: 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n,
  Gy: 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  h: 1n,
};
export const sm2Curve = curve;
export const Sm2Point = weierstrass(curve);

/** One of OpenSSL's own making, as a file would hold it: Node's own in memory would sign plain ECDSA. */
export function createSm2PrivateKey(): KeyObject {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "SM2" });
  return createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }));
}

/** @param secret 32 bytes, from 1 to n - 2. */
export function sm2PrivateKey(secret: Uint8Array): KeyObject {
  const head = bytesOf("308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b02010104 20");
  const der = concat(head, secret, bytesOf("a144034200"), sm2PublicPoint(secret));
  return createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
}

/** The 32 bytes of a private key, to sign wrongly with. */
export function sm2SecretOf(key: KeyObject): Uint8Array {
  const der = new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  const at = Buffer.from(der).indexOf(bytesOf("0201010420")) + 5;
  return der.slice(at, at + 32);
}

/** Uncompressed, 65 bytes. */
export function sm2PublicPoint(secret: Uint8Array): Uint8Array {
  return Sm2Point.BASE.multiply(numberOf(secret)).toBytes(false);
}

/** GB/T 32918.2-2016 §5.5, from the standard's text. */
export function sm2Za(point: Uint8Array, userId: string | Uint8Array): Uint8Array {
  const id = typeof userId === "string" ? utf8(userId) : userId;
  const bits = Uint8Array.of((8 * id.length) >> 8, (8 * id.length) & 255);
  const { a, b, Gx, Gy } = curve;
  const whole = concat(bits, id, ...[a, b, Gx, Gy].map(bytes32), point.subarray(1));
  return Uint8Array.from(createHash("sm3").update(whole).digest());
}

export type Sm2Options = {
  /** k of the standard, 32 bytes; it must never sign twice. */
  readonly nonce: Uint8Array;
  readonly userId?: string;
};

/** r ‖ s by GB/T 32918.2-2016 §6.1, in arithmetic of @noble's. */
export function sm2Signature(
  secret: Uint8Array,
  message: Uint8Array,
  { nonce, userId = "1234567812345678" }: Sm2Options,
): Uint8Array {
  return sm2SignatureOf(secret, sm2Digest(sm2PublicPoint(secret), message, userId), nonce);
}

/** r ‖ s of a number e that somebody else hashed. */
export function sm2SignatureOf(secret: Uint8Array, e: bigint, nonce: Uint8Array): Uint8Array {
  const { n } = curve;
  const d = numberOf(secret);
  const k = numberOf(nonce) % n;
  const r = mod(e + xOf(k), n);
  return concat(bytes32(r), bytes32(mod(inverse(1n + d) * (k - r * d), n)));
}

/** e, the number that is signed. */
export function sm2Digest(
  point: Uint8Array,
  message: Uint8Array,
  userId: string | Uint8Array = "1234567812345678",
): bigint {
  const hash = createHash("sm3").update(sm2Za(point, userId)).update(message).digest();
  return numberOf(hash);
}

/** What only looks like SM2: r ‖ s of ECDSA on its curve, over SM3 of Z_A and the message. */
export function ecdsaOnSm2Curve(
  secret: Uint8Array,
  message: Uint8Array,
  { nonce, userId = "1234567812345678" }: Sm2Options,
): Uint8Array {
  const { n } = curve;
  const k = numberOf(nonce) % n;
  const r = mod(xOf(k), n);
  const e = sm2Digest(sm2PublicPoint(secret), message, userId);
  return concat(bytes32(r), bytes32(mod(inverse(k) * (e + r * numberOf(secret)), n)));
}

/** r ‖ s by OpenSSL, for the default user ID. */
export function sm2SignatureBy(key: KeyObject, point: Uint8Array, message: Uint8Array): Uint8Array {
  const preamble = sm2Za(point, "1234567812345678");
  return pairOf(createSign("sm3").update(preamble).update(message).sign(key));
}

/** r ‖ s of a DER SEQUENCE of two INTEGERs. */
export function pairOf(der: Uint8Array): Uint8Array {
  const first = 4 + (der[3] ?? 0);
  const [r, s] = [der.subarray(4, first), der.subarray(first + 2)];
  return concat(...[r, s].map((integer) => bytes32(numberOf(integer))));
}

export function bytes32(value: bigint): Uint8Array {
  return bytesOf(value.toString(16).padStart(64, "0"));
}

export function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

export function mod(value: bigint, by: bigint): bigint {
  return ((value % by) + by) % by;
}

function xOf(k: bigint): bigint {
  return Sm2Point.BASE.multiply(k).toAffine().x;
}

export function inverse(value: bigint): bigint {
  return Sm2Point.Fn.inv(mod(value, curve.n));
}

function bytesOf(hex: string): Uint8Array {
  return present(fromHex(hex.replace(/ /g, "")), "hexadecimal");
}
