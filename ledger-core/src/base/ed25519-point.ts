/**
 * Which Ed25519 points we take. Libraries differ where a point has a part of small order (RFC 8032
 * allows the check with or without the cofactor), so such points are refused before either asks.
 */

import { ed25519 } from "@noble/curves/ed25519.js";

/**
 * True for 32 bytes that encode, in the one canonical way, a point of the prime-order group other
 * than the identity. Every key that RFC 8032 §5.1.5 makes is one.
 */
export function isPrimeOrderKey(bytes: Uint8Array): boolean {
  const point = parsePoint(bytes);
  return point !== undefined && !point.isSmallOrder() && point.isTorsionFree();
}

/**
 * True where `signature` (R‖S, 64 bytes) has an R without a part of small order. With a key of
 * {@link isPrimeOrderKey} the checks with and without the cofactor then agree.
 */
export function isPrimeOrderSignature(signature: Uint8Array): boolean {
  return parsePoint(signature.subarray(0, 32))?.isTorsionFree() ?? false;
}

function parsePoint(bytes: Uint8Array) {
  try {
    return ed25519.Point.fromBytes(bytes, false);
  } catch {
    return undefined;
  }
}
