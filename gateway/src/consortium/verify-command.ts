/** `tamga-gateway ledger verify`: the channel's whole database, checked again after a doubtful disk. */

import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { DatabaseCheck } from "@tamga/ledger-core/ledger/sqlite-snapshots";
import { verifyDatabase } from "@tamga/ledger-core/ledger/sqlite-snapshots";
import type { Command } from "commander";
import type { ConfigSource } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { readLedgerBook } from "./ledger-book.ts";

export function addLedgerVerifyCommand(ledger: Command, where: () => ConfigSource): void {
  ledger
    .command("verify")
    .description(
      "hash every leaf, follow every header and judge every transaction of the database again",
    )
    .option("--json", "as one JSON object")
    .action((options: { json?: boolean }) => {
      // Damage is thrown with its code, and ends the command by that.
      const check = readLedgerBook(readGatewayConfig(where()), ({ channel }) =>
        verifyDatabase(channel, nodeCrypto),
      );
      const lines =
        options.json === true ? [JSON.stringify({ valid: true, ...check })] : sentences(check);
      process.stdout.write(`${lines.join("\n")}\n`);
    });
}

function sentences({ leaves, judgedFrom, blocks, prunedBelow }: DatabaseCheck): readonly string[] {
  const judged = leaves - judgedFrom;
  return [
    `all ${leaves} leaves hash to the log's root, and each is found by its statement`,
    blocks.to < blocks.from
      ? "no block is final yet"
      : `blocks ${blocks.from} to ${blocks.to} follow each other, and the newest is final by a quorum`,
    `${judged} transactions, from leaf ${judgedFrom} on, were judged again and lead to the state`,
    ...(prunedBelow === 1
      ? []
      : [
          `NOT CHECKED: blocks below ${prunedBelow}, which were pruned, and the transactions of leaves 1 to ` +
            `${judgedFrom - 1}: their state is what the quorum of block ${blocks.from} voted for`,
        ]),
  ];
}
