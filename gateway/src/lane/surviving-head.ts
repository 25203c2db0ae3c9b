/** Lane heads that a channel took over from the one that it was recovered from, under its own seals. */

import { present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { sealsOf } from "@tamga/ledger-core/receipt/seal-evidence";
import type { ChannelEvidence } from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { LaneLog } from "./lane-log.ts";
import type { OrderedHead } from "./ordered-head.ts";

/** Seals one log, which may go on that of a channel before it. */
export type SealingLedger = Pick<
  Ledger,
  "channel" | "entry" | "inclusion" | "sealed" | "trustPolicy"
>;

/**
 * The last head that the ledger holds of this gateway, before its next lane is opened there; undefined where
 * that lane never had one. It has no seals yet: {@link evidenceOf} gives those of the ledger's own validators.
 */
export function survivingHead(
  ledger: Pick<Ledger, "lane" | "entry" | "revocations">,
  gateway: Identifier,
): OrderedHead | undefined {
  const last = ledger.lane(gateway);
  if (last === undefined) return undefined;
  const { head, index } = last;
  const statement = present(ledger.entry(index), "ordered lane head");
  const parsed = parseStatement(statement);
  if (!parsed.ok || parsed.value.header.type !== "lane-head") return undefined;
  const evidence = { index, size: index + 1n, path: [], seals: [] };
  return { head, statement, evidence, revocations: ledger.revocations(index).entries };
}

/**
 * What proves an ordered head in the channel of now. A head of a channel before it is proven by the newest seal
 * where the log still has it: who trusts the recovered channel alone knows no older seals. Undefined until
 * there is a seal.
 */
export function evidenceOf(
  { ledger, crypto }: { readonly ledger: SealingLedger; readonly crypto: CryptoPort },
  { channelId }: Pick<LaneLog, "channelId">,
  { evidence, statement }: OrderedHead,
): ChannelEvidence | undefined {
  const { index, seals } = evidence;
  const asStored = seals.length === 0 ? undefined : evidence;
  if (equal(channelId, ledger.channel.id)) return asStored;
  const entry = ledger.entry(index);
  const isHeld = entry !== undefined && equal(entry, statement);
  const seal = ledger.sealed();
  if (!isHeld || seal === undefined || seal.size <= index) return asStored;
  return {
    index,
    size: seal.size,
    path: ledger.inclusion(index, seal.size),
    seals: sealsOf(crypto, seal.sealers ?? ledger.trustPolicy, seal),
  };
}
