/** What the gateway serves as tiles of a channel: its log up to the newest seal, and the open lane in it. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromUtf8 } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { encodeLaneNote } from "@tamga/ledger-core/receipt/lane-note";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import type { ServedLog } from "./tiles.ts";

/** @param kid of the gateway's signing key. */
export function servedLogs(
  crypto: Pick<CryptoPort, "sha256">,
  {
    channel,
    ledger,
    lane,
    kid,
  }: {
    readonly channel: string;
    readonly ledger: Ledger;
    readonly lane: SqliteLane;
    readonly kid: Digest;
  },
): readonly ServedLog[] {
  const sealed = ledger.sealed();
  const { origin, incarnation } = ledger.channel;
  return [
    {
      kind: "channel",
      channel,
      origin,
      incarnation,
      size: sealed?.size ?? 0n,
      entry: (index) => ledger.entry(index),
      inclusion: (index, size) => ledger.inclusion(index, size),
      checkpoint: () => sealed?.note,
    },
    {
      kind: "lane",
      channel,
      origin: lane.origin,
      incarnation: lane.incarnation,
      size: lane.size(),
      entry: (index) => lane.entry(index),
      inclusion: (index, size) => lane.inclusion(index, size),
      checkpoint: () => {
        const head = { origin: lane.origin, size: lane.size(), root: lane.root() };
        const note = encodeLaneNote(crypto, head, { kid, signature: lane.logSignature() });
        return present(fromUtf8(note), "a note is text");
      },
    },
  ];
}
