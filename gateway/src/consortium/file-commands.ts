/** `tamga-gateway ledger export|import|epochs`: what travels by file between sites, and to verifiers. */

import { existsSync } from "node:fs";
import { assert } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { lockDataDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { epochItems } from "@tamga/ledger-core/ledger/epoch-items";
import type { Exported } from "@tamga/ledger-core/ledger/export-ledger";
import { exportLedger, headOf, importLedger } from "@tamga/ledger-core/ledger/export-ledger";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import { loadValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { followEpochs } from "@tamga/ledger-core/receipt/epoch-chain";
import { encodeEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import type { Command } from "commander";
import type { ConfigSource, GatewayConfig } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";
import { readChannelFile } from "./channel-file.ts";
import { doubtVotes } from "./doubt-votes.ts";
import { readLedgerBook } from "./ledger-book.ts";
import { parseHeight } from "./parse-height.ts";

type Where = () => ConfigSource;

export function addLedgerFileCommands(ledger: Command, where: Where): void {
  ledger
    .command("export")
    .description("write the final blocks to a file, for a member that the network does not reach")
    .requiredOption("--to <file>", "a new file")
    .option("--from <height>", "the first block; the oldest that is here by default")
    .action((options: { to: string; from?: string }) => {
      const { from, to } = exportTo(readGatewayConfig(where()), options);
      process.stdout.write(`${options.to}: blocks ${from} to ${to}, and the newest seal\n`);
    });
  ledger
    .command("import")
    .description("take the final blocks of a file, verified as from a peer; the gateway is stopped")
    .argument("<file>")
    .action((file: string) => importFrom(readGatewayConfig(where()), file));
  ledger
    .command("epochs")
    .description("write how the validators changed, for tamga-verify --epochs")
    .requiredOption("--to <file>", "replaced where it is there")
    .action((options: { to: string }) => {
      const epochs = writeEpochs(readGatewayConfig(where()), options.to);
      process.stdout.write(
        `${options.to}: ${epochs === 1 ? "one set" : `${epochs} sets`} of validators\n`,
      );
    });
}

/**
 * Reads while a running gateway writes. @throws OperationalError EXPORT_EXISTS, EXPORT_EMPTY, EXPORT_PRUNED,
 *   FILE_UNWRITABLE, LEDGER_MISSING, USAGE_HEIGHT.
 */
export function exportTo(
  config: GatewayConfig,
  { to, from }: { readonly to: string; readonly from?: string },
): Exported {
  const height = from === undefined ? undefined : parseHeight(from);
  if (existsSync(to)) {
    const sentence = `${to} is there already: name another file, or remove it.`;
    throw new OperationalError("EXPORT_EXISTS", sentence);
  }
  return readLedgerBook(config, ({ channel, chain }) => {
    const first = height ?? chain.prunedBelow;
    if (first > chain.height) {
      throw new OperationalError(
        "EXPORT_EMPTY",
        `There is no final block ${first} here; the newest is ${chain.height}.`,
        { details: { height: chain.height } },
      );
    }
    return exportLedger(channel, to, height === undefined ? {} : { from: height });
  });
}

/**
 * Takes the blocks as a node that only follows: it votes for nothing meanwhile. Broken off, it goes on from
 * where it was with the same file.
 */
async function importFrom(config: GatewayConfig, file: string): Promise<void> {
  const paths = pathsOf(config);
  const { transaction, genesis } = readChannelFile(config);
  const head = headOf(file);
  if (!equal(head.channel, genesis.identity.id)) {
    throw new OperationalError(
      "EXPORT_OTHER_CHANNEL",
      `${file} is of another channel than ${genesis.identity.origin}.`,
    );
  }
  const lock = lockDataDir(config.data_dir);
  const hadVotes = existsSync(paths.votes);
  let hasTaken = false;
  const clock = new SystemClock();
  const node = LedgerNode.open({ votesPath: paths.votes, crypto: nodeCrypto, clock });
  try {
    const ledger = await node.openLedger({
      path: paths.ledger,
      validatorKey: loadValidatorKey(paths.validatorKey),
      self: config.gateway,
      follows: true,
      openChannel: async () => transaction,
    });
    const before = ledger.height;
    process.stderr.write(`block ${before} is the newest here; the file begins at ${head.from}\n`);
    let said = before;
    const height = await importLedger(ledger, file, (reached) => {
      hasTaken = true;
      if (reached < said + blocksPerLine) return;
      said = reached;
      process.stderr.write(`block ${reached}\n`);
    });
    process.stdout.write(`${taken(ledger, { before, height }).join("\n")}\n`);
  } finally {
    await node.close();
    // Blocks without votes: either this validator is new, or it lost what it had signed.
    if (hasTaken && !hadVotes) doubtVotes(paths);
    lock.release();
  }
}

/** What an import did, for people. */
function taken(
  ledger: ReplicatedLedger,
  { before, height }: { readonly before: number; readonly height: number },
): string[] {
  const { size, sealedSize } = ledger.status();
  const lines: string[] = [];
  let last = before;
  if (ledger.prunedBelow > before + 1) {
    last = ledger.prunedBelow;
    lines.push(`began from the snapshot of block ${last}: epochs, certificate, state and log hold`);
  }
  if (height > last)
    lines.push(
      `took blocks ${last + 1} to ${height}: each certificate, each header and, by execution, each of ` +
        "the transactions",
    );
  if (height === before) lines.push(`nothing new: block ${height} was here already`);
  return [...lines, `the log has ${size} leaves, ${sealedSize} of them sealed`];
}

/** Blocks between two lines that say how far an import is. */
const blocksPerLine = 1_000;

/**
 * @returns how many sets of validators the channel has had.
 * @throws OperationalError EPOCHS_CERTIFICATE_MISSING, FILE_UNWRITABLE, LEDGER_MISSING.
 */
export function writeEpochs(config: GatewayConfig, file: string): number {
  return readLedgerBook(config, ({ channel, chain }) => {
    const items = epochItems(channel, chain);
    const followed = followEpochs(nodeCrypto, channel.opening().policy, items);
    assert(
      followed.ok,
      `the boundaries of our own chain follow${followed.ok ? "" : followed.fault.code}`,
    );
    writeFileDurable(file, encodeEpochs(items), 0o644);
    return followed.value.epochs.length;
  });
}
