/** `tamga-gateway ledger prune`: forgets old blocks; every old receipt still verifies, and every proof is given. */

import { existsSync } from "node:fs";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import { SqliteChain } from "@tamga/ledger-core/ledger/sqlite-chain";
import { SqliteChannel } from "@tamga/ledger-core/ledger/sqlite-channel";
import { SqliteSeals } from "@tamga/ledger-core/ledger/sqlite-seals";
import { pruneBlocks, SqliteSnapshots } from "@tamga/ledger-core/ledger/sqlite-snapshots";
import type { Command } from "commander";
import type { ConfigSource, GatewayConfig } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";
import { parseHeight } from "./parse-height.ts";

type Where = () => ConfigSource;

export function addLedgerPruneCommand(ledger: Command, where: Where): void {
  ledger
    .command("prune")
    .description("forget the blocks below a height, for space; the gateway is stopped")
    .requiredOption("--below <height>", "of a block that stays; at most that of the newest seal")
    .action((options: { below: string }) => {
      const { from, below } = prune(readGatewayConfig(where()), parseHeight(options.below));
      process.stdout.write(
        from >= below
          ? `nothing to forget: blocks below ${from} are gone already\n`
          : `blocks ${from} to ${below - 1} are forgotten, but for those that changed the validators\n` +
              "their space is used for what comes; the file does not shrink\n",
      );
    });
}

/**
 * The log, its proofs, the state, the seals and each change of validators stay.
 *
 * @returns where the blocks began before.
 * @throws OperationalError DATA_DIR_IN_USE, LEDGER_MISSING, PRUNE_BEYOND_SEAL, DATABASE_*.
 */
function prune(
  config: GatewayConfig,
  below: number,
): { readonly from: number; readonly below: number } {
  const { ledger: path } = pathsOf(config);
  if (!existsSync(path)) {
    const sentence = `${path} is not there: this node has no ledger to prune.`;
    throw new OperationalError("LEDGER_MISSING", sentence);
  }
  const lock = lockDataDir(config.data_dir);
  const db = openDatabase(path);
  try {
    const channel = SqliteChannel.open(db, nodeCrypto);
    const genesis = channel.genesis();
    const chain = new SqliteChain(channel, { crypto: nodeCrypto, genesis });
    // What is not sealed yet may have to be shown to whoever seals it.
    const highest = Math.min(chain.height, new SqliteSeals(db).newest()?.point.height ?? 0);
    if (below > highest) {
      throw new OperationalError(
        "PRUNE_BEYOND_SEAL",
        `Block ${below} is not final under a seal here; the newest that is, is ${highest}.`,
        { details: { highest } },
      );
    }
    const from = chain.prunedBelow;
    if (below > from) {
      const { channel: state } = channel.loadState(genesis);
      const snapshots = new SqliteSnapshots(db);
      db.transaction(() => pruneBlocks({ chain, snapshots }, { below, state })).immediate();
    }
    return { from, below };
  } finally {
    db.close();
    lock.release();
  }
}
