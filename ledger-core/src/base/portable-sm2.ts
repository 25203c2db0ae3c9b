/** The check of an SM2 signature in plain JavaScript: sm-crypto-v2's arithmetic behind checks of ours. */

import { sm2 } from "sm-crypto-v2";
import { concat, toHex } from "./bytes.ts";
import { sm2Preamble } from "./sm2.ts";
import { sm3 } from "./sm3.ts";

/**
 * GB/T 32918.2-2016 §7.1. May throw where the key is no point of the curve.
 *
 * @param point the public key, 65 bytes, uncompressed.
 * @param signature r ‖ s, 64 bytes.
 */
export function verifySm2(point: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (point.length !== 65 || point[0] !== 4 || signature.length !== 64) return false;
  const [r, s] = [numberOf(signature.subarray(0, 32)), numberOf(signature.subarray(32))];
  // The library takes any r and s.
  if (r === 0n || r >= order || s === 0n || s >= order) return false;
  const digest = sm3(concat(sm2Preamble(sm3, point), message));
  // It takes the point at infinity for one with x = 0: who has the key could sign what OpenSSL refuses.
  if (r === numberOf(digest) % order) return false;
  return sm2.doVerifySignature(digest, toHex(signature), toHex(point));
}

/** n of the curve (GB/T 32918.5-2017 §2). */
const order = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n;

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}
