/** A channel is recovered after its members had changed, and a recovery that was stopped midway is begun again. */

import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { at } from "../../../test/support/consortium.ts";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import { site } from "../../../test/support/ledger-site.ts";
import { soon } from "../../../test/support/soon.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import { followEpochs } from "../receipt/epoch-chain.ts";
import type { EpochItem } from "../receipt/epochs-file.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { recoveryBasis, signRecovery } from "./draft-recovery.ts";
import { recoverChannel } from "./recover-channel.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import { verifyDatabase } from "./sqlite-snapshots.ts";
import { SqliteVoteStore } from "./sqlite-vote-store.ts";

const { signal } = new AbortController();
let directory: string;
let consortium: LedgerConsortium;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-recover-channel-"));
  consortium = new LedgerConsortium(directory, 5);
  consortium.founders = 4;
  for (const index of consortium.members.keys()) await consortium.open(index);
  const ledger = consortium.ledgerOf(0);
  await allSealed(ledger);
  await order(consortium.change([0, 1, 2, 4], 1));
  await order(consortium.site.gateway("g1").open(ledger.channel.id));
  await vi.waitFor(() => expect(ledger.consensus()?.epoch).toBe(1), soon);
  await allSealed(ledger);
  await consortium.closeAll();
});
afterEach(async () => {
  await consortium.closeAll();
  rmSync(directory, { recursive: true });
});

async function order(transaction: Transaction) {
  const submitted = await consortium.ledgerOf(0).submit(transaction, { signal });
  expect(submitted.ok).toBe(true);
}

const fileOf = (name: string) => join(present(consortium.members[0], "member").directory, name);

/** Everything that leads to a channel with the first member as its only validator. */
async function recoveryItems(): Promise<readonly EpochItem[]> {
  const db = openDatabase(fileOf("ledger.db"));
  try {
    const basis = recoveryBasis(SqliteChannel.open(db, nodeCrypto));
    const { key, name } = present(consortium.members[0], "member");
    const { organisation } = site;
    const { signer, ca } = consortium.site;
    const proof = await signRecovery({ crypto: nodeCrypto, signer }, basis, {
      organisation,
      incarnation: new Uint8Array(16).fill(7),
      organisations: [{ name: organisation, ca }],
      validators: [{ name, organisation, publicKey: key.publicKey }],
      at,
    });
    return [...basis.items, proof];
  } finally {
    db.close();
  }
}

/** The channel that a database is of, and all that it holds, once that has been checked whole. */
function contentOf(path: string): {
  readonly id: string;
  readonly log: string;
  readonly state: string;
} {
  const db = openDatabase(path);
  try {
    const channel = SqliteChannel.open(db, nodeCrypto);
    verifyDatabase(channel, nodeCrypto);
    const genesis = channel.genesis();
    const state = channel.loadState(genesis).channel.root();
    return { id: toHex(genesis.identity.id), log: toHex(channel.log.root()), state: toHex(state) };
  } finally {
    db.close();
  }
}

function openingOf(path: string): ChannelGenesis {
  const db = openDatabase(path);
  try {
    return SqliteChannel.open(db, nodeCrypto).opening();
  } finally {
    db.close();
  }
}

function votesOf(path: string, channel: Digest) {
  const votes = SqliteVoteStore.open(path, nodeCrypto);
  try {
    return votes.load(channel);
  } finally {
    votes.close();
  }
}

test("a channel whose members had changed is followed over the change and the loss, and orders again", async () => {
  const items = await recoveryItems();
  expect(items).toHaveLength(2);
  const path = fileOf("ledger.db");
  const chain = unwrap(followEpochs(nodeCrypto, openingOf(path).policy, items));
  expect(chain.epochs).toMatchObject([
    { epoch: 0, until: 2n },
    { epoch: 1, from: 2n, until: 3n, isLost: true },
    { epoch: 0, from: 3n, recovered: { ordinal: 1 } },
  ]);
  const recovered = recoverChannel({
    ...{ path, votesPath: fileOf("votes.db"), crypto: nodeCrypto, items },
  });
  expect(recovered.isDoubted).toBe(false);
  expect(contentOf(path).id).toBe(toHex(recovered.recovery.id));
  const ledger = await consortium.open(0);
  await order(consortium.site.gateway("g2").open(ledger.channel.id));
  // Opening, change of members, a lane, the recovery, and one lane more.
  expect(ledger.status()).toMatchObject({ size: 5, sealedSize: 5, validators: 1, reopened: true });
});

/** Stops as a crash does: nothing of what was under way is finished after it. */
class Stopped extends Error {}

/** Counts what is hashed, and stops at one of them. */
function stoppingAt(count: number): { readonly crypto: CryptoPort; readonly hashed: () => number } {
  let hashed = 0;
  const sha256: CryptoPort["sha256"] = (bytes) => {
    hashed++;
    if (hashed === count) throw new Stopped();
    return nodeCrypto.sha256(bytes);
  };
  return { crypto: { ...nodeCrypto, sha256 }, hashed: () => hashed };
}

/** A copy of the lost member's files in a directory of their own. */
function copied(name: string) {
  const own = join(directory, name);
  mkdirSync(own);
  const [path, votesPath] = [join(own, "ledger.db"), join(own, "votes.db")];
  copyFileSync(fileOf("ledger.db"), path);
  copyFileSync(fileOf("votes.db"), votesPath);
  return { own, path, votesPath };
}

test("a recovery that was stopped anywhere leaves the old channel or the new one, and ends the same", async () => {
  const items = await recoveryItems();
  const lost = contentOf(fileOf("ledger.db"));
  const whole = copied("whole");
  const { crypto, hashed } = stoppingAt(0);
  const { recovery } = recoverChannel({ ...whole, crypto, items });
  const begun = contentOf(whole.path);
  expect(begun.id).toBe(toHex(recovery.id));
  const steps = 24;
  const stops = Array.from({ length: steps }, (_, i) => Math.ceil(((i + 1) * hashed()) / steps));
  for (const stop of new Set(stops)) {
    const files = copied(`stop-${stop}`);
    const { crypto: stopping } = stoppingAt(stop);
    expect(() => recoverChannel({ ...files, crypto: stopping, items })).toThrow(Stopped);
    expect([lost, begun]).toContainEqual(contentOf(files.path));
    endsAsTheWhole(files);
  }

  function endsAsTheWhole({ own, path, votesPath }: typeof whole): void {
    expect(recoverChannel({ path, votesPath, crypto: nodeCrypto, items }).isDoubted).toBe(false);
    expect(contentOf(path)).toEqual(begun);
    expect(votesOf(votesPath, recovery.id)).toEqual(votesOf(whole.votesPath, recovery.id));
    expect(existsSync(`${path}.new`)).toBe(false);
    const kept = readdirSync(own).filter((file) => /^ledger\.db\.[0-9a-f]{32}(\.\d+)?$/.test(file));
    expect(kept.length).toBeGreaterThan(0);
    for (const file of kept) expect(contentOf(join(own, file))).toEqual(lost);
  }

  // Between its last steps nothing is hashed: the files as they stand there.
  const half = copied("half-a-copy");
  for (const suffix of ["", "-wal", "-shm"]) writeFileSync(`${half.path}.new${suffix}`, "half");
  endsAsTheWhole(half);
  const linked = copied("before-the-renaming");
  copyFileSync(whole.path, `${linked.path}.new`);
  copyFileSync(whole.votesPath, linked.votesPath);
  const aside = present(
    readdirSync(whole.own).find((file) => /^ledger\.db\.[0-9a-f]{32}$/.test(file)),
    "what was kept",
  );
  linkSync(linked.path, join(linked.own, aside));
  endsAsTheWhole(linked);
  endsAsTheWhole(whole);
});
