/** The statements of one device's stream out of their receipts: an unbroken chain, and whose key made each. */

import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { TestSite } from "./test-site.ts";
import { unwrap } from "./unwrap.ts";
import { name } from "./wire-samples.ts";

export type ChainLink = {
  readonly first: bigint;
  readonly count: number;
  readonly kind: string;
  readonly kid: string;
  readonly keyKind: string;
};

/**
 * Fetches and verifies the receipt of each statement of an incarnation, up to this sequence.
 *
 * @returns them in their order. Throws where a statement does not name the one before it, where a receipt does not
 *   verify, and where a sequence has neither a statement nor a gap statement that lists it.
 */
export async function verifiedChain(
  site: TestSite,
  policy: TrustPolicy,
  part: { readonly device: string; readonly incarnation: string; readonly upTo: bigint },
): Promise<readonly ChainLink[]> {
  const id = present(fromHex(part.incarnation), "incarnation");
  const links: ChainLink[] = [];
  const lacking: bigint[] = [];
  const listed = new Set<bigint>();
  let last: string | undefined;
  for (let next = 0n; next < part.upTo; ) {
    const file = await site.receipt(name(part.device), id, next).catch(() => undefined);
    if (file === undefined) {
      lacking.push(next++);
      continue;
    }
    const receipt = unwrap(parseReceipt(file));
    const { claims, signer, final } = unwrap(verifyReceipt(nodeCrypto, policy, receipt));
    if (final === undefined) throw new Error(`${next} is not final`);
    if (!("position" in claims) || claims.kind === "rejection") throw new Error(claims.kind);
    const { range, previous } = claims.position;
    if (range.first !== next) throw new Error(`${next} is in a statement that begins before it`);
    if ((previous === undefined ? undefined : toHex(previous)) !== last)
      throw new Error(`${next} does not follow the statement before it`);
    if (claims.kind === "gap")
      for (const { first, count } of claims.missing)
        for (let at = 0; at < count; at++) listed.add(first + BigInt(at));
    const { header, part: signed } = unwrap(parseStatement(receipt.statement));
    last = toHex(identityOf(nodeCrypto.sha256, signed));
    const keyKind = "keyKind" in signer ? String(signer.keyKind) : "";
    const { kind } = claims;
    links.push({ first: next, count: range.count, kind, kid: toHex(header.kid), keyKind });
    next += BigInt(range.count);
  }
  const lost = lacking.filter((sequence) => !listed.has(sequence));
  if (lost.length > 0) throw new Error(`nothing tells of ${lost.join(", ")}`);
  return links;
}
