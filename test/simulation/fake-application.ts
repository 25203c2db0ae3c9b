/**
 * A fake ledger behind the consensus core: transactions of a few bytes, some of them invalid, a state root
 * that is a hash chain, and a real RFC 9162 log. Each state is immutable.
 */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, equal, toHex, u32, u64, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Fault, Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type {
  Application,
  BlockContent,
  Built,
  Executed,
  NextEpoch,
  PendingTransaction,
  Refusal,
  StateRoots,
} from "@tamga/ledger-core/consensus/application";
import { CompactRange } from "@tamga/ledger-core/log/compact-range";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { fakeCrypto } from "./fake-keys.ts";

const { sha256 } = fakeCrypto;
const hasher = treeHasher(sha256);

export type FakeState = {
  readonly ids: ReadonlySet<string>;
  readonly coins: ReadonlySet<number>;
  readonly chain: Digest;
  readonly log: CompactRange;
  /** Waits for the boundary block that carries it. */
  readonly next?: NextEpoch;
};

/** First byte of a transaction. */
const kinds = { note: 1, spend: 2, never: 3, validators: 4 } as const;

/** Always valid. */
export function noteTransaction(number: number): PendingTransaction {
  return pending(concat(Uint8Array.of(kinds.note), u32(number)));
}

/** Valid for whoever comes first for this coin. */
export function spendTransaction(coin: number, number: number): PendingTransaction {
  return pending(concat(Uint8Array.of(kinds.spend, coin), u32(number)));
}

/** A transaction in form, never valid. */
export function invalidTransaction(number: number): PendingTransaction {
  return pending(concat(Uint8Array.of(kinds.never), u32(number)));
}

/** Asks for set `index` of the application's, to follow the epoch that `previous` began. */
export function validatorsTransaction(index: number, previous: Digest): PendingTransaction {
  return pending(concat(Uint8Array.of(kinds.validators, index), previous));
}

/** Leaf hashes that a block adds to the log: its transactions, or a boundary's one entry. */
export function leavesOf(block: Pick<BlockContent, "transactions" | "boundary">): Digest[] {
  return block.boundary === undefined
    ? block.transactions.map((transaction) => hasher.leaf(transaction))
    : [hasher.leaf(boundaryEntry(block.boundary))];
}

export function rootsOf(state: FakeState, transactions: readonly Uint8Array[]): StateRoots {
  return {
    txRoot: txRootOf(transactions),
    stateRoot: state.chain,
    logSize: BigInt(state.log.size),
    logRoot: state.log.root(),
  };
}

function txRootOf(transactions: readonly Uint8Array[]): Digest {
  return rootOf(
    hasher,
    transactions.map((transaction) => hasher.leaf(transaction)),
  );
}

export const fakeGenesis: FakeState = {
  ids: new Set(),
  coins: new Set(),
  chain: sha256(utf8("fake genesis")),
  log: CompactRange.empty(hasher),
};

export class FakeApplication implements Application<FakeState> {
  readonly #setOf: (index: number, previous: Digest) => NextEpoch | undefined;

  /** @param setOf what a validators transaction stands for. */
  constructor(setOf: (index: number, previous: Digest) => NextEpoch | undefined = () => undefined) {
    this.#setOf = setOf;
  }

  identify(transaction: Uint8Array): Result<string, Fault> {
    const [kind] = transaction;
    const lengths: readonly number[] = [0, 5, 6, 5, 34];
    return kind !== undefined && kind > 0 && lengths[kind] === transaction.length
      ? ok(toHex(transaction))
      : err({ code: "FAKE_NO_TRANSACTION" });
  }

  execute(parent: FakeState, block: BlockContent): Result<Executed<FakeState>, Fault> {
    const draft = draftOf(parent);
    if (block.boundary !== undefined || parent.next !== undefined) {
      if (block.transactions.length > 0) return err({ code: "FAKE_BOUNDARY_WITH_TRANSACTIONS" });
      if (block.boundary === undefined || parent.next === undefined)
        return err({ code: "FAKE_BOUNDARY_OUT_OF_TURN" });
      if (!equal(boundaryEntry(block.boundary), boundaryEntry(parent.next)))
        return err({ code: "FAKE_BOUNDARY_OTHER" });
      delete draft.next;
    }
    const ids: string[] = [];
    for (const transaction of block.transactions) {
      const id = this.identify(transaction);
      if (!id.ok) return id;
      if (draft.ids.has(id.value)) return err({ code: "FAKE_KNOWN" });
      const fault = this.#apply(draft, transaction);
      if (fault !== undefined) return err(fault);
      draft.ids.add(id.value);
      ids.push(id.value);
    }
    return ok(finish(draft, block, ids));
  }

  build(
    parent: FakeState,
    block: Pick<BlockContent, "height" | "time" | "parentDigest">,
    candidates: Iterable<PendingTransaction>,
    limits: { readonly transactionsMax: number; readonly bytesMax: number },
  ): Built<FakeState> {
    const draft = draftOf(parent);
    const transactions: Uint8Array[] = [];
    const refused: Refusal[] = [];
    const known: string[] = [];
    const ids: string[] = [];
    let bytes = 0;
    for (const candidate of candidates) {
      if (transactions.length >= limits.transactionsMax || draft.next !== undefined) break;
      if (bytes + candidate.bytes.length > limits.bytesMax) break;
      if (draft.ids.has(candidate.id)) {
        known.push(candidate.id);
        continue;
      }
      const fault = this.#apply(draft, candidate.bytes);
      if (fault !== undefined) {
        refused.push({ id: candidate.id, fault });
        continue;
      }
      draft.ids.add(candidate.id);
      ids.push(candidate.id);
      transactions.push(candidate.bytes);
      bytes += candidate.bytes.length;
    }
    return { ...finish(draft, { ...block, transactions }, ids), transactions, refused, known };
  }

  txRoot(transactions: readonly Uint8Array[]): Digest {
    return txRootOf(transactions);
  }

  isOrdered(state: FakeState, id: string): boolean {
    return state.ids.has(id);
  }

  nextEpoch(state: FakeState): NextEpoch | undefined {
    return state.next;
  }

  #apply(draft: Draft, transaction: Uint8Array): Fault | undefined {
    // Nothing follows in a block that ends with the order for a boundary.
    if (draft.next !== undefined) return { code: "FAKE_BOUNDARY_WAITS" };
    const [kind, detail = 0] = transaction;
    if (kind === kinds.never) return { code: "FAKE_NEVER_VALID" };
    if (kind === kinds.spend) {
      if (draft.coins.has(detail)) return { code: "FAKE_COIN_SPENT" };
      draft.coins.add(detail);
    }
    if (kind === kinds.validators) {
      const previous = sha256(transaction);
      previous.set(transaction.subarray(2));
      const next = this.#setOf(detail, previous);
      if (next === undefined) return { code: "FAKE_SET_UNKNOWN" };
      draft.next = next;
    }
    return undefined;
  }
}

type Draft = {
  ids: Set<string>;
  coins: Set<number>;
  chain: Digest;
  log: CompactRange;
  next?: NextEpoch;
};

function draftOf(parent: FakeState): Draft {
  return {
    ...parent,
    ids: new Set(parent.ids),
    coins: new Set(parent.coins),
    log: parent.log.copy(),
  };
}

function finish(draft: Draft, block: BlockContent, ids: readonly string[]): Executed<FakeState> {
  const leaves = leavesOf(block);
  for (const leaf of leaves) draft.log.append(leaf);
  const state: FakeState = {
    ...draft,
    chain: sha256(
      concat(draft.chain, u64(BigInt(block.height)), u64(BigInt(block.time)), ...leaves),
    ),
  };
  return { state, roots: rootsOf(state, block.transactions), ids };
}

function boundaryEntry({ validators, previous, approvals }: NextEpoch): Uint8Array {
  return concat(
    previous,
    ...validators.map(({ name, publicKey }) => concat(utf8(name), publicKey)),
    ...approvals.map(({ index, signature }) => concat(u32(index), signature)),
  );
}

function pending(bytes: Uint8Array): PendingTransaction {
  return { id: toHex(present(bytes, "transaction")), bytes };
}
