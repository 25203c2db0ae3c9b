/** The statements of one device's stream out of their receipts: an unbroken chain, and whose key made each. */

import type { ReadingEvent } from "@tamga/agent/agent-event";
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
 * Fetches and verifies the receipt of each statement of this incarnation that the agent called final.
 *
 * @returns them in their order. Throws where a sequence is missing between two of them, where one does not name the
 *   statement before it, or where a receipt does not verify.
 */
export async function verifiedChain(
  site: TestSite,
  policy: TrustPolicy,
  { device, events }: { readonly device: string; readonly events: readonly ReadingEvent[] },
  incarnation: string,
): Promise<readonly ChainLink[]> {
  const finals = new Map(
    events
      .filter((one) => one.event === "final" && one.incarnation === incarnation)
      .map((one) => [BigInt(one.sequence), one]),
  );
  const sorted = [...finals.keys()].toSorted((a, b) => (a < b ? -1 : 1));
  const links: ChainLink[] = [];
  let next = 0n;
  let last: string | undefined;
  for (const first of sorted) {
    const id = present(fromHex(incarnation), "incarnation");
    const receipt = unwrap(parseReceipt(await site.receipt(name(device), id, first)));
    const { claims, signer, final } = unwrap(verifyReceipt(nodeCrypto, policy, receipt));
    if (final === undefined) throw new Error(`${first} is not final`);
    if (!("position" in claims) || claims.kind === "rejection") throw new Error(claims.kind);
    const { range, previous } = claims.position;
    if (range.first !== next) throw new Error(`${next} is missing, ${range.first} is there`);
    if ((previous === undefined ? undefined : toHex(previous)) !== last)
      throw new Error(`${first} does not follow the statement before it`);
    const { header, part } = unwrap(parseStatement(receipt.statement));
    last = toHex(identityOf(nodeCrypto.sha256, part));
    next = first + BigInt(range.count);
    const keyKind = "keyKind" in signer ? String(signer.keyKind) : "";
    links.push({ first, count: range.count, kind: claims.kind, kid: toHex(header.kid), keyKind });
  }
  return links;
}
