/** The closed set of signature algorithms and their COSE numbers (RFC 9053, RFC 8230; WIRE.md §3). */

import type { Digest } from "../base/bytes.ts";
import type { CborMap, CborValue } from "../base/cbor.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { Algorithm, PublicKey } from "../base/crypto-port.ts";

/** COSE algorithm numbers. SM2 with SM3 has none that is registered: −65538 is for private use (RFC 9052 §16.4). */
export const coseAlgorithms = { ES256: -7, EdDSA: -8, PS256: -37, "SM2-SM3": -65_538 } as const;

/** The SM2 curve in a COSE_Key, for private use as well (RFC 9053 §11.1). */
const coseCurveSm2 = -65_538;

/** @returns the algorithm of a COSE number, or undefined: never a string from the wire. */
export function algorithmOf(cose: CborValue | undefined): Algorithm | undefined {
  switch (cose) {
    case coseAlgorithms.ES256:
      return "ES256";
    case coseAlgorithms.EdDSA:
      return "EdDSA";
    case coseAlgorithms.PS256:
      return "PS256";
    case coseAlgorithms["SM2-SM3"]:
      return "SM2-SM3";
    default:
      return undefined;
  }
}

/** Signature length in bytes: fixed for the curves, the modulus' for PS256 (2048 to 4096 bits). */
export function signatureLengthFits(algorithm: Algorithm, length: number): boolean {
  return algorithm === "PS256" ? length >= 256 && length <= 512 : length === 64;
}

/**
 * The COSE_Key thumbprint (RFC 9679 §3) that every `kid` is: SHA-256 over the deterministic CBOR of
 * the key's required parameters.
 */
export function thumbprint(sha256: (bytes: Uint8Array) => Digest, key: PublicKey): Digest {
  return sha256(encodeCbor(requiredParameters(key)));
}

function requiredParameters(key: PublicKey): CborMap {
  switch (key.algorithm) {
    case "ES256":
      return pointParameters(1, key.point);
    case "SM2-SM3":
      return pointParameters(coseCurveSm2, key.point);
    case "EdDSA":
      return new Map<number, CborValue>([
        [1, 1],
        [-1, 6],
        [-2, key.point],
      ]);
    case "PS256": {
      const { modulus, exponent } = rsaParameters(key.spki);
      return new Map<number, CborValue>([
        [1, 3],
        [-1, modulus],
        [-2, exponent],
      ]);
    }
  }
}

/** Of an uncompressed point; key type EC2. */
function pointParameters(curve: number, point: Uint8Array): CborMap {
  return new Map<number, CborValue>([
    [1, 2],
    [-1, curve],
    [-2, point.subarray(1, 33)],
    [-3, point.subarray(33, 65)],
  ]);
}

/** n and e of an RSA SubjectPublicKeyInfo: the last two INTEGERs of its DER, without sign bytes. */
function rsaParameters(spki: Uint8Array): { modulus: Uint8Array; exponent: Uint8Array } {
  const integers: Uint8Array[] = [];
  const walk = (bytes: Uint8Array): void => {
    let offset = 0;
    while (offset + 2 <= bytes.length) {
      const tag = bytes[offset] ?? 0;
      let length = bytes[offset + 1] ?? 0;
      let start = offset + 2;
      if (length > 0x80) {
        const size = length & 0x7f;
        length = 0;
        for (let i = 0; i < size; i++) length = length * 256 + (bytes[start + i] ?? 0);
        start += size;
      }
      const content = bytes.subarray(start, start + length);
      if (tag === 0x30) walk(content);
      else if (tag === 0x03) walk(content.subarray(1));
      else if (tag === 0x02) integers.push(content[0] === 0 ? content.subarray(1) : content);
      offset = start + length;
    }
  };
  walk(spki);
  const [modulus, exponent] = integers;
  return { modulus: modulus ?? new Uint8Array(), exponent: exponent ?? new Uint8Array() };
}
