/** Hashes leaves and inner nodes of a Merkle tree (RFC 9162 §2.1.1). */

import type { Digest } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";

/** SHA-256 as a port; it must not keep its argument, whose bytes change after the call. */
export type Sha256 = CryptoPort["sha256"];

/** The three hashes of a tree. It reuses its buffers, so one belongs to one thread. */
export type TreeHasher = {
  /** SHA-256(0x00 ‖ entry). */
  leaf(entry: Uint8Array): Digest;
  /** SHA-256(0x00 ‖ head ‖ tail): the leaf of the joined bytes, without joining them first. */
  leafOfTwo(head: Uint8Array, tail: Uint8Array): Digest;
  /** SHA-256(0x01 ‖ left ‖ right). */
  node(left: Digest, right: Digest): Digest;
  /** The root of a tree without leaves: SHA-256 of nothing. */
  readonly empty: Digest;
};

/** What the leaf buffer holds; a longer entry gets a buffer of its own for one call. */
const leafScratchBytes = 16_384;
const digestBytes = 32;

/** Makes the hashes of a tree out of SHA-256, or of SM3 for such a bundle's; two fixed buffers serve all calls. */
export function treeHasher(sha256: Sha256): TreeHasher {
  const nodeScratch = new Uint8Array(1 + 2 * digestBytes);
  nodeScratch[0] = 1;
  const leafScratch = new Uint8Array(leafScratchBytes);

  const room = (length: number): Uint8Array =>
    length > leafScratchBytes ? new Uint8Array(length) : leafScratch.subarray(0, length);

  return {
    leaf(entry) {
      const bytes = room(1 + entry.length);
      bytes.set(entry, 1);
      return sha256(bytes);
    },
    leafOfTwo(head, tail) {
      const bytes = room(1 + head.length + tail.length);
      bytes.set(head, 1);
      bytes.set(tail, 1 + head.length);
      return sha256(bytes);
    },
    node(left, right) {
      nodeScratch.set(left, 1);
      nodeScratch.set(right, 1 + digestBytes);
      return sha256(nodeScratch);
    },
    empty: sha256(new Uint8Array(0)),
  };
}
