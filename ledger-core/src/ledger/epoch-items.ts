/** How a channel came to its present validators, out of its database: what an epochs file has (WIRE.md §18.5). */

import { OperationalError } from "../base/operational-error.ts";
import { encodeHeader } from "../consensus/block.ts";
import type { EpochItem } from "../receipt/epochs-file.ts";
import type { SqliteChain } from "./sqlite-chain.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { recoveryItems } from "./sqlite-recovery.ts";

/** @throws OperationalError EPOCHS_CERTIFICATE_MISSING, DATABASE_CORRUPT. */
export function epochItems(channel: SqliteChannel, chain: SqliteChain): readonly EpochItem[] {
  const items = [...recoveryItems(channel.db)];
  for (const { block, certificate } of chain.boundaries()) {
    const { header } = block;
    if (certificate === undefined) {
      throw new OperationalError(
        "EPOCHS_CERTIFICATE_MISSING",
        `The certificate of boundary block ${header.height} is not here: write the file at another member.`,
      );
    }
    items.push({ header: encodeHeader(header), finalization: certificate });
  }
  return items;
}
