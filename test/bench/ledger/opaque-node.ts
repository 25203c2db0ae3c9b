/** A validator that orders opaque bytes: engine, shell, durable votes and durable blocks are the real ones' kind. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, u64 } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { PendingTransaction } from "@tamga/ledger-core/consensus/application";
import { encodeCertificate } from "@tamga/ledger-core/consensus/ballot-codec";
import { encodeBlock } from "@tamga/ledger-core/consensus/block";
import { ChannelEngine } from "@tamga/ledger-core/consensus/channel-engine";
import type { ReplicaParameters, SealPoint } from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { EngineShell } from "@tamga/ledger-core/ledger/engine-shell";
import type { CommitEffect, ShellSnapshots, ShellStore } from "@tamga/ledger-core/ledger/shell-io";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import { TurnLoop } from "@tamga/ledger-core/ledger/turn-loop";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import type { MemoryNetwork } from "../../support/memory-network.ts";
import type { OpaqueState } from "./opaque-application.ts";
import { emptyState, OpaqueApplication } from "./opaque-application.ts";

export type OpaqueNodeOptions = {
  readonly directory: string;
  readonly channel: Digest;
  readonly validators: ValidatorSet;
  readonly self: Identifier;
  readonly key: ValidatorKey;
  readonly parameters: ReplicaParameters;
  readonly network: MemoryNetwork;
  /** Identities that are final and on this node's disk. */
  readonly committed: (ids: readonly string[]) => void;
};

const clock = new SystemClock();

export class OpaqueNode {
  readonly #shell: EngineShell<OpaqueState>;
  readonly #votes: SqliteVoteStore;
  readonly #close: () => void;
  blocks = 0;

  constructor(options: OpaqueNodeOptions) {
    const { directory, channel, self, network } = options;
    this.#votes = SqliteVoteStore.open(join(directory, "votes.db"), nodeCrypto);
    this.#votes.begin(channel, { amnesia: false });
    const store = new OpaqueStore(options, this.#votes);
    this.#shell = new EngineShell<OpaqueState>({
      channel,
      self,
      store,
      loop: new TurnLoop(this.#votes),
      network: network.port(self),
      clock,
      nonce: () => new Uint8Array(randomBytes(8)),
      deliver: (delivery) => {
        if (delivery.type === "stopped") throw delivery.error;
        if (delivery.type !== "commit") return;
        this.blocks += delivery.blocks.length;
        for (const { ids } of delivery.blocks) options.committed(ids);
      },
    });
    network.attach(self, (peer, _channel, payload) => this.#shell.receive(peer, payload));
    this.#close = () => {
      network.attach(self, undefined);
      store.close();
    };
    this.#shell.start();
  }

  submit(transactions: readonly PendingTransaction[]): void {
    this.#shell.submit(transactions);
  }

  close(): void {
    this.#shell.close();
    this.#close();
    this.#votes.close();
  }
}

/** One row a block, in one commit with synchronous FULL. */
class OpaqueStore implements ShellStore<OpaqueState> {
  readonly #options: OpaqueNodeOptions;
  readonly #votes: SqliteVoteStore;
  readonly #application = new OpaqueApplication();
  readonly prunedBelow = 1;
  readonly snapshots: ShellSnapshots = {
    answer: () => undefined,
    catchUp: () => {
      throw new Error("nobody says that blocks are gone");
    },
    stage: () => undefined,
    unstage: () => undefined,
    install: () => undefined,
  };
  readonly #db: ReturnType<typeof openDatabase>;
  readonly #put: (height: number, block: Uint8Array, certificate: Uint8Array | null) => void;

  constructor(options: OpaqueNodeOptions, votes: SqliteVoteStore) {
    this.#options = options;
    this.#votes = votes;
    this.#db = openDatabase(join(options.directory, "blocks.db"));
    this.#db.exec(
      "CREATE TABLE block (height INTEGER PRIMARY KEY, block BLOB NOT NULL, certificate BLOB) STRICT",
    );
    const put = this.#db.prepare<[number, Uint8Array, Uint8Array | null]>(
      "INSERT INTO block VALUES (?, ?, ?)",
    );
    this.#put = (...row) => void put.run(...row);
  }

  recover(): ChannelEngine<OpaqueState> {
    const { channel, validators, self, key, parameters } = this.#options;
    const tip = {
      view: 0,
      height: 0,
      digest: channel,
      time: unixMillis(0),
      logSize: 0n,
      logRoot: emptyState.root,
      state: emptyState,
    };
    return new ChannelEngine(
      {
        crypto: nodeCrypto,
        sign: (message) => key.sign(message),
        application: this.#application,
        verifySeal: ({ publicKey: point }, seal, payload) =>
          nodeCrypto.verify({ algorithm: "EdDSA", point }, sealedBytes(seal), payload),
      },
      { channel, parameters, self: { name: self, publicKey: key.publicKey } },
      { ...this.#votes.load(channel), tip, validators },
    );
  }

  look<T>(work: () => T): T {
    return work();
  }

  commit(commits: readonly CommitEffect<OpaqueState>[]): void {
    const work = () => {
      for (const { blocks, certificate } of commits)
        for (const [at, { block }] of blocks.entries()) {
          const isLast = at === blocks.length - 1;
          const bytes = isLast ? encodeCertificate(certificate) : null;
          this.#put(block.header.height, encodeBlock(block), bytes);
        }
    };
    this.#db.transaction(work).immediate();
    for (const { blocks } of commits)
      for (const { ids } of blocks) this.#application.committed(ids);
  }

  sign(point: SealPoint): Uint8Array {
    return this.#options.key.sign(sealedBytes(point));
  }

  /** A bench that ends needs no seal afterwards. */
  keepSeal(): void {}

  /** Nobody is ever behind in a bench without losses. */
  finalBlocks(): undefined {}

  ancestors(): undefined {}

  close(): void {
    this.#db.close();
  }
}

function sealedBytes({ size, root }: SealPoint): Uint8Array {
  return concat(u64(size), present(root, "a root"));
}
