/** `tamga-gateway restore`: says that files came out of a backup, before the daemon trusts them. */

import { existsSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { lockDataDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { reopenChannel } from "@tamga/ledger-core/ledger/reopen-channel";
import { loadValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import type { Command } from "commander";
import type { GatewayConfig } from "./config.ts";
import { readGatewayConfig } from "./config.ts";
import { doubtVotes } from "./consortium/doubt-votes.ts";
import { restoredMarker } from "./lane/sqlite-lane.ts";
import { openCa, pathsOf } from "./site/site.ts";
import { caSigner } from "./site/site-ledger.ts";

export function addRestoreCommand(
  program: Command,
  where: () => { readonly config?: string; readonly data?: string },
): void {
  program
    .command("restore")
    .description(
      "after files of the data directory were restored from a backup; the gateway is stopped",
    )
    .option(
      "--ledger",
      "ledger.db is old too: opens the channel anew, and agents need a new answer file",
    )
    .option("--channel <name>", "which, where the gateway has several channels")
    .action((options: { ledger?: boolean; channel?: string }) =>
      restore(readGatewayConfig({ ...where(), forChannel: { name: options.channel } }), options),
    );
}

/**
 * The lane never grows from a copy: the next start opens its next incarnation and asks the agents for
 * what is missing. With one validator nobody else knows what an old ledger had already sealed, so a
 * restored one would sign a second history: the channel is opened anew, naming the old one. With several
 * validators the others know, and this one asks them before it signs again.
 */
async function restore(
  config: GatewayConfig,
  options: { readonly ledger?: boolean },
): Promise<void> {
  const paths = pathsOf(config);
  if (!existsSync(paths.lane)) {
    throw new OperationalError("SITE_NOT_STARTED", `${config.data_dir} holds no lane to restore.`);
  }
  const lock = lockDataDir(config.data_dir);
  try {
    writeFileDurable(restoredMarker(paths.lane), utf8("restored\n"), 0o600);
    process.stderr.write("the next start opens a new incarnation of the lane\n");
    const others = doubtVotes(paths);
    if (others !== undefined) {
      process.stderr.write(
        `this validator signs nothing until ${others} others have told it what it had signed: ` +
          "have them up before you start it\n",
      );
      return;
    }
    if (options.ledger !== true) return;
    const clock = new SystemClock();
    const ca = await openCa(config, clock.now());
    const reopened = await reopenChannel({
      path: paths.ledger,
      crypto: nodeCrypto,
      clock,
      validatorKey: loadValidatorKey(paths.validatorKey),
      organisation: config.organisation,
      signer: caSigner(ca),
    });
    const kept = present(reopened.keptAside, "the old ledger's new name");
    process.stderr.write(
      `the channel is opened anew; the old ledger is kept as ${kept}\n` +
        "give each agent a new answer file: tamga-gateway devices answer ID\n",
    );
  } finally {
    lock.release();
  }
}
