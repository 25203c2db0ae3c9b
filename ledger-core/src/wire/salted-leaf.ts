/** The salted leaves of a bundle (WIRE.md §6.1): meter values are guessed easily, their hashes not. */

import type { Digest } from "../base/bytes.ts";

type Sha256 = (bytes: Uint8Array) => Digest;

/** Bytes of a bundle's fresh random seed, and of a leaf's salt. */
export const seedLength = 32;
export const saltLength = 16;

/** salt_i: the first 16 bytes of SHA-256(0x02 ‖ seed ‖ u32 i). */
export function saltOf(sha256: Sha256, seed: Uint8Array, index: number): Uint8Array {
  const input = new Uint8Array(1 + seedLength + 4);
  input[0] = 0x02;
  input.set(seed, 1);
  new DataView(input.buffer).setUint32(1 + seedLength, index);
  return sha256(input).subarray(0, saltLength);
}

/** SHA-256(0x00 ‖ salt ‖ reading). */
export function saltedLeaf(sha256: Sha256, salt: Uint8Array, reading: Uint8Array): Digest {
  const input = new Uint8Array(1 + saltLength + reading.length);
  input.set(salt, 1);
  input.set(reading, 1 + saltLength);
  return sha256(input);
}

/** Leaf hashes of readings 0 … n−1 under one seed, in order. */
export function saltedLeaves(
  sha256: Sha256,
  seed: Uint8Array,
  readings: readonly Uint8Array[],
): Digest[] {
  return readings.map((reading, index) => saltedLeaf(sha256, saltOf(sha256, seed, index), reading));
}
