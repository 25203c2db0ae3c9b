/** Final blocks out of a channel's database into a file, and out of a file into a ledger. */

import { assert, InvariantError } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { encodeMessage, parseMessage } from "../consensus/message-codec.ts";
import { isSnapshotAnswer } from "../consensus/snapshot-message.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ExportItem } from "./export-file.ts";
import { readExport, writeExport } from "./export-file.ts";
import type { ReplicatedLedger } from "./replicated-ledger.ts";
import type { AnswerLimits } from "./sqlite-chain.ts";
import { SqliteChain } from "./sqlite-chain.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { SqliteSeals } from "./sqlite-seals.ts";
import { SnapshotSource } from "./sqlite-snapshot-store.ts";
import { SqliteSnapshots } from "./sqlite-snapshots.ts";

/** Heights of the blocks that were written; `to` is below `from` where there were none. */
export type Exported = { readonly from: number; readonly to: number };

/**
 * Writes the final blocks from a height on, with their certificates and the newest seal. The database may
 * be in use: what is written is as it was at one moment.
 *
 * @param from the first block; without it the oldest that is here, and where earlier ones were pruned a
 *   snapshot before it.
 * @throws OperationalError EXPORT_PRUNED (blocks from there on are gone), FILE_UNWRITABLE, DATABASE_*.
 */
export function exportLedger(
  channel: SqliteChannel,
  path: string,
  { from: asked, limits }: { readonly from?: number; readonly limits?: AnswerLimits },
): Exported {
  const genesis = channel.genesis();
  const chain = new SqliteChain(channel, { crypto: channel.crypto, genesis }, limits);
  const seals = new SqliteSeals(channel.db);
  return channel.db.transaction(() => {
    const { prunedBelow } = chain;
    const from = asked ?? prunedBelow;
    if (from < prunedBelow) throw pruned(prunedBelow);
    const exported = { from, to: from - 1 };
    const parts = { channel, chain, genesis, seals };
    const hasSnapshot = asked === undefined && prunedBelow > 1;
    const snapshot = hasSnapshot
      ? new SnapshotSource({ ...parts, snapshots: new SqliteSnapshots(channel.db) })
      : undefined;
    writeExport(path, itemsOf({ ...parts, snapshot }, exported));
    return exported;
  })();
}

function* itemsOf(
  {
    channel,
    chain,
    genesis,
    seals,
    snapshot,
  }: {
    readonly channel: SqliteChannel;
    readonly chain: SqliteChain;
    readonly genesis: ChannelGenesis;
    readonly seals: SqliteSeals;
    readonly snapshot: SnapshotSource | undefined;
  },
  exported: { readonly from: number; to: number },
): Generator<ExportItem> {
  const { id } = genesis.identity;
  yield { type: "header", channel: id, from: exported.from };
  const opening = channel.transaction(0);
  if (opening !== undefined) yield { type: "opening", transaction: encodeTransaction(opening) };
  if (snapshot !== undefined)
    for (const part of snapshot.parts()) yield { type: "message", payload: encodeMessage(part) };
  for (;;) {
    const answer = chain.finalBlocks(exported.to + 1);
    if (answer === undefined) break;
    yield { type: "message", payload: encodeMessage(answer) };
    let first = answer.blocks[0]?.header.height ?? 0;
    const last = answer.blocks.at(-1)?.header.height ?? 0;
    while (first > exported.to + 1) {
      const blocks = chain
        .ancestors(first - 1)
        ?.blocks.filter(({ header }) => header.height > exported.to);
      assert(blocks !== undefined, "blocks from the first one on are there");
      yield { type: "message", payload: encodeMessage({ type: "blocks", blocks }) };
      first -= blocks.length;
    }
    exported.to = last;
  }
  const sealed = seals.newest();
  if (sealed === undefined) return;
  const { epoch, size } = sealed.point;
  yield {
    type: "message",
    payload: encodeMessage({ type: "sealed", epoch, size, seals: sealed.seals }),
  };
}

/**
 * Takes the blocks of a file as if a peer had sent them: the certificate, then the headers that lead to its
 * block, then the bodies by execution. What is there already is passed over. A snapshot in it is taken only
 * where its blocks begin beyond the newest here.
 *
 * @param took is told the height after each step of the way.
 * @returns the height of the newest final block afterwards.
 * @throws OperationalError EXPORT_OTHER_CHANNEL, EXPORT_REFUSED (a block is not final, or one before it is
 *   missing here), EXPORT_MALFORMED, EXPORT_OTHER_VERSION, FILE_UNREADABLE.
 */
export async function importLedger(
  ledger: ReplicatedLedger,
  path: string,
  took: (height: number) => void = () => undefined,
): Promise<number> {
  /** Of the last block of a commit whose first ones follow. */
  let awaited = 0;
  const requireAwaited = () => {
    if (ledger.height < awaited) throw refused(path, ledger, `block ${awaited}`);
  };
  let from = 0;
  for (const item of readExport(path)) {
    if (item.type === "header") {
      if (!equal(item.channel, ledger.channel.id)) throw otherChannel(path, ledger);
      from = item.from;
    }
    if (item.type !== "message") continue;
    const message = parseMessage(item.payload);
    if (!message.ok) throw refused(path, ledger, message.fault.code);
    const { value } = message;
    if (value.type === "sealed" || value.type === "blocks") {
      await ledger.takeFromFile(item.payload);
      continue;
    }
    if (isSnapshotAnswer(value)) {
      if (value.type === "snapshot" && ledger.height + 1 < from)
        awaited = value.block.header.height;
      if (ledger.height >= awaited) continue;
      const code = ledger.takeSnapshot(value);
      if (code !== undefined) throw refused(path, ledger, `its snapshot (${code})`);
      took(ledger.height);
      continue;
    }
    if (value.type !== "final-blocks") throw refused(path, ledger, value.type);
    requireAwaited();
    const last = value.blocks.at(-1)?.header.height ?? 0;
    if (last <= ledger.height) continue;
    const isTail = (value.blocks[0]?.header.height ?? 0) > ledger.height + 1;
    await ledger.takeFromFile(item.payload);
    awaited = last;
    if (!isTail) requireAwaited();
    took(ledger.height);
  }
  requireAwaited();
  return ledger.height;
}

/** Which channel a file is of, and the height of its first block; the whole file was read once for it. */
export function headOf(path: string): { readonly channel: Digest; readonly from: number } {
  for (const item of readExport(path)) {
    assert(item.type === "header", "an export begins with its header");
    return item;
  }
  throw new InvariantError("an export has a first item");
}

/** The channel-open transaction of a file, to create the channel's database with. */
export function openingOf(path: string): Uint8Array | undefined {
  for (const item of readExport(path)) if (item.type === "opening") return item.transaction;
  return undefined;
}

function pruned(below: number): OperationalError {
  return new OperationalError(
    "EXPORT_PRUNED",
    `Blocks below ${below} were pruned here: export from there on, or at a node that has them.`,
    { details: { below } },
  );
}

function otherChannel(path: string, { channel }: ReplicatedLedger): OperationalError {
  return new OperationalError(
    "EXPORT_OTHER_CHANNEL",
    `${path} is of another channel than ${channel.origin}.`,
  );
}

function refused(path: string, { height }: ReplicatedLedger, what: string): OperationalError {
  return new OperationalError(
    "EXPORT_REFUSED",
    `${path} does not go on from block ${height}, the newest here: ${what} was refused. Export at an ` +
      `honest node again, from block ${height + 1} or earlier.`,
    { details: { height } },
  );
}
