/** The salted leaves of a bundle (WIRE.md §6.1): meter values are guessed easily, their hashes not. */

import type { Digest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { BundleHash } from "./device-claims.ts";

/** SHA-256, or in an SM3 bundle SM3. */
type Hash = (bytes: Uint8Array) => Digest;

/** Bytes of a bundle's fresh random seed, and of a leaf's salt. */
export const seedLength = 32;
export const saltLength = 16;

/** What hashes the salts, leaves and nodes of such a bundle. */
export function bundleHasher(crypto: Pick<CryptoPort, "sha256" | "sm3">, hash: BundleHash): Hash {
  return hash === "sm3" ? (bytes) => crypto.sm3(bytes) : (bytes) => crypto.sha256(bytes);
}

/** salt_i: the first 16 bytes of H(0x02 ‖ seed ‖ u32 i). */
export function saltOf(hash: Hash, seed: Uint8Array, index: number): Uint8Array {
  const input = new Uint8Array(1 + seedLength + 4);
  input[0] = 0x02;
  input.set(seed, 1);
  new DataView(input.buffer).setUint32(1 + seedLength, index);
  return hash(input).subarray(0, saltLength);
}

/** H(0x00 ‖ salt ‖ reading). */
export function saltedLeaf(hash: Hash, salt: Uint8Array, reading: Uint8Array): Digest {
  const input = new Uint8Array(1 + saltLength + reading.length);
  input.set(salt, 1);
  input.set(reading, 1 + saltLength);
  return hash(input);
}

/** Leaf hashes of readings 0 … n−1 under one seed, in order. */
export function saltedLeaves(
  hash: Hash,
  seed: Uint8Array,
  readings: readonly Uint8Array[],
): Digest[] {
  return readings.map((reading, index) => saltedLeaf(hash, saltOf(hash, seed, index), reading));
}
