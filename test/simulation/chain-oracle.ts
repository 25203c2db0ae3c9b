/** Judges the final chain: it executes every block again, keeps the log, and checks each seal. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type {
  Application,
  PendingTransaction,
  StateRoots,
} from "@tamga/ledger-core/consensus/application";
import type { Block, Header } from "@tamga/ledger-core/consensus/block";
import { headerDigest } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { FinalizedBlock, SealPoint } from "@tamga/ledger-core/consensus/replica-io";
import { CompactRange } from "@tamga/ledger-core/log/compact-range";
import { verifyConsistency } from "@tamga/ledger-core/log/consistency-proof";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { buildConsistency } from "@tamga/ledger-core/log/proof-builder";
import type { EpochBook } from "./epoch-book.ts";
import type { FakeState } from "./fake-application.ts";
import { fakeGenesis, leavesOf, rootsOf } from "./fake-application.ts";
import { fakeCrypto } from "./fake-keys.ts";
import { digestKey } from "./keys-of.ts";
import { require } from "./oracle-violation.ts";
import { sealBytes } from "./seal-bytes.ts";

const hasher = treeHasher(fakeCrypto.sha256);

export type FinalBlock = {
  readonly digest: Digest;
  readonly block: Block;
  readonly state: FakeState;
};

export class ChainOracle {
  readonly #book: EpochBook;
  readonly #application: Application<FakeState>;
  readonly #final: FinalBlock[] = [];
  readonly #blocks = new Map<string, Block>();
  readonly #digests = new WeakMap<Block, { readonly digest: Digest; readonly key: string }>();
  readonly #states = new Map<string, FakeState>();
  readonly #nodes = new Map<string, Digest>();
  readonly #log = CompactRange.empty(hasher);
  readonly #heights = new Map<string, number>();
  /** Roots that a quorum sealed, by size, ascending. */
  #lastSealed: { readonly size: bigint; readonly root: Digest } | undefined;

  constructor(book: EpochBook, application: Application<FakeState>) {
    this.#book = book;
    this.#application = application;
    this.#states.set(digestKey(book.channel), fakeGenesis);
  }

  get height(): number {
    return this.#final.length;
  }

  get logSize(): bigint {
    return BigInt(this.#log.size);
  }

  /** Whether a transaction of this identity is in a final block. */
  hasFinal(id: string): boolean {
    return this.#final.at(-1)?.state.ids.has(id) ?? false;
  }

  finalAt(height: number): FinalBlock | undefined {
    return this.#final[height - 1];
  }

  heightOf(name: string): number {
    return this.#heights.get(name) ?? 0;
  }

  /** A block exists somewhere. */
  blockSeen(block: Block): { readonly digest: Digest; readonly key: string } {
    const known = this.#digests.get(block);
    if (known !== undefined) return known;
    const digest = headerDigest(fakeCrypto, block.header);
    const named = { digest, key: digestKey(digest) };
    this.#digests.set(block, named);
    // The header commits to the transactions; a body that does not fit is no body of this digest.
    if (!this.#blocks.has(named.key) && this.#isWhole(block)) this.#blocks.set(named.key, block);
    return named;
  }

  /** The header with this digest, where a block with it exists somewhere. */
  headerOf(key: string): Header | undefined {
    return this.#blocks.get(key)?.header;
  }

  /** Whether the block with this digest is final. */
  isFinal(key: string): boolean {
    const height = this.#blocks.get(key)?.header.height ?? 0;
    const final = this.#final[height - 1];
    return final !== undefined && digestKey(final.digest) === key;
  }

  /** The state after a block that exists somewhere, whether it is final or not. */
  stateAfter(digest: Digest): FakeState | undefined {
    return this.#stateOf(digestKey(digest));
  }

  /** Whether the block executes to what its header says, on a chain of such blocks. */
  isExecutable(key: string): boolean {
    return this.#stateOf(key) !== undefined;
  }

  #isWhole(block: Block): boolean {
    return equal(rootsOf(fakeGenesis, block.transactions).txRoot, block.header.txRoot);
  }

  #stateOf(key: string): FakeState | undefined {
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const block = this.#blocks.get(key);
    if (block === undefined) return undefined;
    const parent = this.#stateOf(digestKey(block.header.parentDigest));
    if (parent === undefined) return undefined;
    const { height, time, parentDigest, boundary } = block.header;
    const executed = this.#application.execute(parent, {
      height,
      time,
      parentDigest,
      transactions: block.transactions,
      ...(boundary === undefined ? {} : { boundary }),
    });
    if (!executed.ok || !sameRoots(executed.value.roots, block.header)) return undefined;
    this.#states.set(key, executed.value.state);
    return executed.value.state;
  }

  /** `name` is set back to a height by a backup. */
  setBack(name: string, height: number): void {
    this.#heights.set(name, height);
  }

  committed(
    name: string,
    blocks: readonly FinalizedBlock<FakeState>[],
    certificate: Certificate,
  ): void {
    this.#book.requireCertificate("commit", certificate);
    const last = present(blocks.at(-1), "a block in a commit");
    require(certificate.ballot.kind !== "nullify" &&
      equal(certificate.ballot.digest, last.digest), "commit", () =>
      `${name} commits height ${last.block.header.height} without its finalization`);
    for (const block of blocks) {
      const expected = this.heightOf(name) + 1;
      const { height } = block.block.header;
      require(height === expected, "heights", () => `${name} commits ${height}, not ${expected}`);
      this.#commitOne(name, block);
      this.#heights.set(name, height);
    }
  }

  #commitOne(name: string, finalized: FinalizedBlock<FakeState>): void {
    const { block, digest, state } = finalized;
    const { header } = block;
    const { key } = this.blockSeen(block);
    require(key === digestKey(digest), "digest", () => `${name} commits under another digest`);
    require(sameRoots(rootsOf(state, block.transactions), header), "roots", () =>
      `${name} has another state at height ${header.height}`);
    const known = this.#final[header.height - 1];
    if (known !== undefined) {
      require(equal(known.digest, digest), "one block a height", () =>
        `${name} has another final block at height ${header.height}`);
      return;
    }
    this.#extend(name, block, digest, key);
  }

  #extend(name: string, block: Block, digest: Digest, key: string): void {
    const { header } = block;
    const parent = this.#final[header.height - 2];
    const where = `height ${header.height} of ${name}`;
    require(header.height === this.#final.length + 1, "heights", () => `a gap below ${where}`);
    require(equal(header.parentDigest, parent?.digest ?? this.#book.channel), "chain", () =>
      `${where} has another parent`);
    require(header.time >= (parent?.block.header.time ?? 0), "chain", () =>
      `time fell at ${where}`);
    const epoch =
      parent === undefined
        ? 0
        : parent.block.header.epoch + (parent.block.header.boundary === undefined ? 0 : 1);
    require(header.epoch === epoch, "chain", () => `${where} is of epoch ${header.epoch}`);
    const state = this.#stateOf(key);
    require(state !== undefined, "execution", () => `${where} does not execute`);
    this.#final.push({ digest, block, state });
    for (const leaf of leavesOf({ ...block, ...header }))
      this.#log.append(leaf, ({ level, index, hash }) =>
        this.#nodes.set(`${level}/${index}`, hash),
      );
    if (header.boundary !== undefined)
      this.#book.begin(header.epoch + 1, header.boundary.validators);
  }

  /** Whether the final state at a height does not take the transaction. */
  isInvalid(transaction: PendingTransaction, height: number): boolean {
    const final = this.#final[height - 1];
    const built = this.#application.build(
      final?.state ?? fakeGenesis,
      {
        height: height + 1,
        time: final?.block.header.time ?? unixMillis(0),
        parentDigest: final?.digest ?? this.#book.channel,
      },
      [transaction],
      { transactionsMax: 1, bytesMax: transaction.bytes.length },
    );
    return built.transactions.length === 0;
  }

  /** `name` is asked to sign a tree head, or has signed one. */
  sealAsked(name: string, point: SealPoint): void {
    const final = this.#final[point.height - 1];
    require(final !== undefined && point.height <= this.heightOf(name), "seal", () =>
      `${name} seals height ${point.height}, which is not final there`);
    const { header } = final.block;
    require(point.epoch === header.epoch && point.size === header.logSize, "seal", () =>
      `${name} seals size ${point.size} in epoch ${point.epoch} at height ${point.height}`);
    require(equal(point.root, header.logRoot), "seal", () => `${name} seals another root`);
  }

  sealed(
    name: string,
    point: SealPoint,
    seals: readonly { readonly validator: number; readonly payload: Uint8Array }[],
  ): void {
    const final = this.#final[point.height - 1];
    require(final !== undefined && equal(final.block.header.logRoot, point.root), "sealed", () =>
      `${name} holds seals over what is not final`);
    const voters = new Set(seals.map(({ validator }) => validator));
    require(voters.size >= this.#book.quorumOf(point.epoch), "sealed", () => `${name}: no quorum`);
    for (const { validator, payload } of seals) {
      const entry = this.#book.entryOf(point.epoch, validator);
      const key = { algorithm: "EdDSA" as const, point: entry?.publicKey ?? new Uint8Array(0) };
      require(fakeCrypto.verify(key, sealBytes(point), payload), "sealed", () =>
        `${name}: wrong seal of ${validator}`);
    }
    this.#judgeConsistency(name, point);
  }

  /** A consistency proof between this seal and the one before it verifies. */
  #judgeConsistency(name: string, point: SealPoint): void {
    const last = this.#lastSealed;
    if (last !== undefined) {
      const [first, second] = last.size <= point.size ? [last, point] : [point, last];
      const path =
        first.size === 0n || first.size === second.size
          ? []
          : buildConsistency(
              hasher,
              (level, index) => present(this.#nodes.get(`${level}/${index}`), "node of the log"),
              { size1: Number(first.size), size2: Number(second.size) },
            );
      const verified = verifyConsistency(hasher, {
        size1: first.size,
        size2: second.size,
        root1: first.root,
        root2: second.root,
        path,
      });
      require(verified.ok, "consistency", () =>
        `${name}: sizes ${first.size} and ${second.size} do not agree`);
    }
    if (last === undefined || point.size > last.size) this.#lastSealed = point;
  }
}

function sameRoots(a: StateRoots, b: StateRoots): boolean {
  return (
    a.logSize === b.logSize &&
    equal(a.txRoot, b.txRoot) &&
    equal(a.stateRoot, b.stateRoot) &&
    equal(a.logRoot, b.logRoot)
  );
}
