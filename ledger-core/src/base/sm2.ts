/** What an SM2 signature is over (GB/T 32918.2-2016 §5.5): the signer's name, its curve and key, then the message. */

import { present } from "./assert.ts";
import type { Digest } from "./bytes.ts";
import { concat, fromHex, utf8 } from "./bytes.ts";

/** The user ID where nothing else is agreed (GB/T 35276-2017 §10, GM/T 0009-2012 §10): always, in Tamga. */
export const sm2UserId = "1234567812345678";

/**
 * Z_A: the digest that is hashed ahead of the message, SM3(ENTL ‖ ID ‖ a ‖ b ‖ x_G ‖ y_G ‖ x_A ‖ y_A).
 * Without it a signature is plain ECDSA's cousin on that curve, and no SM2.
 *
 * @param point the public key, 65 bytes, uncompressed.
 */
export function sm2Preamble(sm3: (bytes: Uint8Array) => Digest, point: Uint8Array): Digest {
  return sm3(concat(start, point.subarray(1)));
}

/** a, b, x_G, y_G of the recommended curve (GB/T 32918.5-2017 §2). */
const curve =
  "fffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc" +
  "28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93" +
  "32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7" +
  "bc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0";

/** ENTL, the ID's length in bits as u16, the ID, and the curve. */
const start = concat(
  Uint8Array.of(0, 8 * sm2UserId.length),
  utf8(sm2UserId),
  present(fromHex(curve), "the SM2 curve"),
);
