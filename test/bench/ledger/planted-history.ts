/**
 * A channel's history as four validators would have left it on disk, written straight there: real blocks with
 * real certificates, without the hours that ordering them one by one would take.
 */

import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Header } from "@tamga/ledger-core/consensus/block";
import { equivocationRootOf, headerDigest } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { FinalizedBlock } from "@tamga/ledger-core/consensus/replica-io";
import { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import { voteBytes } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import { LedgerApplication } from "@tamga/ledger-core/ledger/ledger-application";
import type { LedgerState } from "@tamga/ledger-core/ledger/ledger-state";
import { createLog, judgeOwn, selfOf } from "@tamga/ledger-core/ledger/own-channel";
import type { CommitEffect } from "@tamga/ledger-core/ledger/shell-io";
import { SqliteChannel } from "@tamga/ledger-core/ledger/sqlite-channel";
import { SqliteLedgerStore } from "@tamga/ledger-core/ledger/sqlite-ledger-store";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import { LedgerSite } from "../../support/ledger-site.ts";
import { laneLoad } from "./lane-load.ts";

const gateways = 64;
/** Blocks in one commit of the writer's: nobody waits for these. */
const blocksPerCommit = 500;

type Planting = {
  readonly directory: string;
  /** Of the validators in their order; the first one's databases are written. */
  readonly keys: readonly ValidatorKey[];
  /** Of one lane head each, after the first that opens the lanes. */
  readonly blocks: number;
};

/** @returns the channel's opening. */
export async function plantHistory({ directory, keys, blocks }: Planting): Promise<Transaction> {
  const site = new LedgerSite();
  const opening = await site.openChannel(...keys.map(({ publicKey }) => publicKey));
  const genesis = judgeOwn(nodeCrypto, opening);
  const { id } = genesis.identity;
  const db = openDatabase(join(directory, "ledger.db"));
  const votes = SqliteVoteStore.open(join(directory, "votes.db"), nodeCrypto);
  const channel = SqliteChannel.open(db, nodeCrypto);
  const key = present(keys[0], "a first validator");
  const clock = new SystemClock();
  const store = new SqliteLedgerStore({
    channel,
    genesis,
    votes,
    crypto: nodeCrypto,
    clock,
    self: selfOf(genesis, { validatorKey: key }),
    key,
    parameters: lanParameters,
    follows: false,
    snapshotEvery: blocks + 1,
  });
  votes.begin(id, { amnesia: false });
  createLog(channel, genesis, opening);
  store.recover();
  const writer = new Writer(new ValidatorSet(0, genesis.policy.validators), keys, id, store);
  const load = laneLoad(site, id, { prefix: "g", gateways, heads: blocks - 1 });
  writer.add(load.slice(0, gateways));
  for (const head of load.slice(gateways)) {
    writer.add([head]);
    if (writer.waiting >= blocksPerCommit) writer.write();
  }
  writer.write();
  votes.write([{ channel: id, writes: [{ type: "final", floor: { epoch: 0, view: blocks } }] }]);
  db.close();
  votes.close();
  return opening;
}

class Writer {
  readonly #set: ValidatorSet;
  readonly #keys: readonly ValidatorKey[];
  readonly #channel: Header["channel"];
  readonly #store: SqliteLedgerStore;
  readonly #application = new LedgerApplication({
    crypto: nodeCrypto,
    // What is written here is new by its making.
    history: { size: Number.MAX_SAFE_INTEGER, isOrdered: () => false },
  });
  #parent: { readonly height: number; readonly digest: Header["channel"] };
  #state: LedgerState;
  #commits: CommitEffect<LedgerState>[] = [];

  constructor(
    set: ValidatorSet,
    keys: readonly ValidatorKey[],
    channel: Header["channel"],
    store: SqliteLedgerStore,
  ) {
    this.#set = set;
    this.#keys = keys;
    this.#channel = channel;
    this.#store = store;
    this.#parent = { height: 0, digest: channel };
    this.#state = store.state;
  }

  get waiting(): number {
    return this.#commits.length;
  }

  add(transactions: readonly Transaction[]): void {
    const { height: below, digest: parentDigest } = this.#parent;
    const height = below + 1;
    const view = height;
    const time = unixMillis(this.#store.time);
    const bodies = transactions.map(encodeTransaction);
    const content = { height, time, parentDigest, transactions: bodies };
    const executed = this.#application.execute(this.#state, content);
    if (!executed.ok) throw new Error(JSON.stringify(executed.fault));
    const { state, ids, roots } = executed.value;
    const header: Header = {
      channel: this.#channel,
      epoch: 0,
      view,
      height,
      parentView: view - 1,
      parentDigest,
      time,
      equivocationRoot: equivocationRootOf(nodeCrypto, []),
      seal: false,
      ...roots,
    };
    const block = { header, transactions: bodies, equivocations: [] };
    const digest = headerDigest(nodeCrypto, header);
    const finalized: FinalizedBlock<LedgerState> = { block, digest, state, ids };
    this.#commits.push({
      type: "commit",
      blocks: [finalized],
      certificate: this.#certificate(view, digest),
      floor: { epoch: 0, view },
    });
    this.#parent = { height, digest };
    this.#state = state;
  }

  write(): void {
    if (this.#commits.length > 0) this.#store.commit(this.#commits);
    this.#commits = [];
  }

  #certificate(view: number, digest: Header["channel"]): Certificate {
    const ballot = { kind: "finalize", view, parentView: view - 1, digest } as const;
    const bytes = voteBytes({ channel: this.#channel, epoch: 0 }, ballot);
    const voters = Array.from({ length: this.#set.quorum }, (_, at) => at);
    const signatures = voters.map((at) => present(this.#keys[at], "a voter's key").sign(bytes));
    return { epoch: 0, ballot, voters, signatures };
  }
}
