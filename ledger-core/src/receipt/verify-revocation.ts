/** Verifies that a key is not in the channel's list of revoked keys, by its two neighbours there. */

import type { Digest } from "../base/bytes.ts";
import { compare, equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { InclusionFault } from "../log/inclusion-proof.ts";
import { verifyInclusion } from "../log/inclusion-proof.ts";
import type { TreeHasher } from "../log/leaf-hash.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { RevocationReason } from "../wire/channel-claims.ts";
import { revocationReasons } from "../wire/channel-claims.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import { encodeRevokedKey } from "../wire/revocation-list.ts";
import type { RevocationEvidence, RevokedNeighbour } from "./receipt.ts";

export type RevocationFault =
  | { readonly code: "REVOCATION_LIST_WRONG" }
  | { readonly code: "REVOCATION_NEIGHBOUR_MISSING" }
  | { readonly code: "REVOCATION_NEIGHBOUR_UNEXPECTED" }
  | { readonly code: "REVOCATION_NOT_IN_LIST"; readonly cause: InclusionFault }
  | { readonly code: "REVOCATION_NOT_ADJACENT" }
  | { readonly code: "REVOCATION_OUT_OF_ORDER" }
  | {
      readonly code: "REVOCATION_KEY_REVOKED";
      readonly reason: RevocationReason;
      readonly since: bigint;
      /** When the checkpoint was sealed: the statement existed by then. Absent where no seal was judged. */
      readonly sealed?: UnixMillis;
    };

/**
 * The list's leaves are sorted by kid: where two that stand side by side have the key strictly between
 * them, or the first stands above it, or the last below, the key is not in the list.
 *
 * @param list size and root of the list, out of a verified lane head.
 * Faults: REVOCATION_KEY_REVOKED (a proved neighbour is the key itself), and REVOCATION_* where the
 *   evidence proves nothing.
 */
export function verifyNotRevoked(
  crypto: CryptoPort,
  kid: Digest,
  { list, evidence }: { readonly list: TreeHead; readonly evidence: RevocationEvidence },
): Result<{ readonly revokedKeys: bigint }, RevocationFault> {
  const hasher = treeHasher((bytes) => crypto.sha256(bytes));
  const { below, above } = evidence;
  if (list.size === 0n) {
    if (!equal(list.root, hasher.empty)) return err({ code: "REVOCATION_LIST_WRONG" });
    if (below !== undefined || above !== undefined)
      return err({ code: "REVOCATION_NEIGHBOUR_UNEXPECTED" });
    return ok({ revokedKeys: 0n });
  }
  if (below === undefined && above === undefined)
    return err({ code: "REVOCATION_NEIGHBOUR_MISSING" });
  for (const neighbour of [below, above]) {
    if (neighbour === undefined) continue;
    const fault = judgeNeighbour(hasher, kid, neighbour, list);
    if (fault !== undefined) return err(fault);
  }
  const lowest = below === undefined ? above?.index === 0n : true;
  const highest = above === undefined ? below?.index === list.size - 1n : true;
  const between = below === undefined || above === undefined || below.index + 1n === above.index;
  if (!lowest || !highest || !between) return err({ code: "REVOCATION_NOT_ADJACENT" });
  if (below !== undefined && compare(below.kid, kid) >= 0)
    return err({ code: "REVOCATION_OUT_OF_ORDER" });
  if (above !== undefined && compare(kid, above.kid) >= 0)
    return err({ code: "REVOCATION_OUT_OF_ORDER" });
  return ok({ revokedKeys: list.size });
}

/** Whether a neighbour is in the list at its index, and is not the key itself. */
function judgeNeighbour(
  hasher: TreeHasher,
  kid: Digest,
  neighbour: RevokedNeighbour,
  list: TreeHead,
): RevocationFault | undefined {
  const included = verifyInclusion(hasher, {
    leafIndex: neighbour.index,
    treeSize: list.size,
    leafHash: hasher.leaf(encodeRevokedKey(neighbour)),
    path: neighbour.path,
    root: list.root,
  });
  if (!included.ok) return { code: "REVOCATION_NOT_IN_LIST", cause: included.fault };
  if (!equal(neighbour.kid, kid)) return undefined;
  const reason = revocationReasons[neighbour.reason] ?? "compromised";
  return { code: "REVOCATION_KEY_REVOKED", reason, since: neighbour.since };
}
