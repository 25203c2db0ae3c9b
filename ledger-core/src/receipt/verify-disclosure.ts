/** Verifies that a disclosed reading is one of those that a bundle's root covers. */

import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { InclusionFault } from "../log/inclusion-proof.ts";
import { verifyInclusion } from "../log/inclusion-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { DeviceClaims } from "../wire/device-claims.ts";
import type { GatewayLeafClaims } from "../wire/gateway-claims.ts";
import type { Reading, ReadingFault } from "../wire/reading.ts";
import { parseReading } from "../wire/reading.ts";
import { bundleHasher, saltedLeaf } from "../wire/salted-leaf.ts";
import type { DisclosedReading } from "./receipt.ts";

/** A reading of a bundle and its position there, from 0. */
export type VerifiedReading = { readonly index: number; readonly reading: Reading };

export type DisclosureFault =
  | { readonly code: "RECEIPT_READING_UNEXPECTED" }
  | { readonly code: "RECEIPT_READING_NOT_IN_BUNDLE"; readonly cause: InclusionFault }
  | { readonly code: "RECEIPT_READING_MALFORMED"; readonly cause: ReadingFault };

/**
 * The reading, or undefined where none is disclosed. Faults: RECEIPT_READING_UNEXPECTED (the statement is
 * no bundle), RECEIPT_READING_NOT_IN_BUNDLE, RECEIPT_READING_MALFORMED (signed, and yet no reading).
 */
export function verifyDisclosure(
  crypto: CryptoPort,
  claims: DeviceClaims | GatewayLeafClaims,
  disclosed: DisclosedReading | undefined,
): Result<VerifiedReading | undefined, DisclosureFault> {
  if (disclosed === undefined) return ok(undefined);
  if (claims.kind !== "bundle") return err({ code: "RECEIPT_READING_UNEXPECTED" });
  const hash = bundleHasher(crypto, claims.hash);
  const included = verifyInclusion(treeHasher(hash), {
    leafIndex: BigInt(disclosed.index),
    treeSize: BigInt(claims.position.range.count),
    leafHash: saltedLeaf(hash, disclosed.salt, disclosed.reading),
    path: disclosed.path,
    root: claims.root,
  });
  if (!included.ok) return err({ code: "RECEIPT_READING_NOT_IN_BUNDLE", cause: included.fault });
  const reading = parseReading(disclosed.reading);
  if (!reading.ok) return err({ code: "RECEIPT_READING_MALFORMED", cause: reading.fault });
  return ok({ index: disclosed.index, reading: reading.value });
}
