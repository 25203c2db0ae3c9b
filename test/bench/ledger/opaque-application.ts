/**
 * A ledger that is no ledger: orders opaque bytes, hashes them and checks nothing in them. What is left is
 * consensus, durable votes and blocks: for the bench alone, to compare with others that are measured so.
 */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type {
  Application,
  BlockContent,
  Built,
  Executed,
  NextEpoch,
  PendingTransaction,
} from "@tamga/ledger-core/consensus/application";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { digestKey } from "@tamga/ledger-core/ledger/digest-key";

/** The hashes of all that was ordered, as a chain; identities of the blocks that are not final yet beside it. */
export type OpaqueState = {
  readonly size: bigint;
  readonly root: Digest;
  readonly ids: ReadonlySet<string>;
  /** Let go once it is final. */
  parent: OpaqueState | undefined;
};

type OpaqueFault = { readonly code: "OPAQUE_REPEATED" };

export const emptyState: OpaqueState = {
  size: 0n,
  root: nodeCrypto.sha256(utf8("nothing")),
  ids: new Set(),
  parent: undefined,
};

/** What an opaque transaction is known by. */
export function opaqueId(bytes: Uint8Array): string {
  return digestKey(nodeCrypto.sha256(bytes));
}

export class OpaqueApplication implements Application<OpaqueState> {
  /** Of all final blocks. */
  readonly #ordered = new Set<string>();
  #finalSize = 0n;

  /** Takes note of a final block, once it is stored. */
  committed(ids: readonly string[]): void {
    for (const id of ids) this.#ordered.add(id);
    this.#finalSize += BigInt(ids.length);
  }

  txRoot(transactions: readonly Uint8Array[]): Digest {
    return nodeCrypto.sha256(concat(...transactions.map((bytes) => nodeCrypto.sha256(bytes))));
  }

  isOrdered(state: OpaqueState, id: string): boolean {
    if (this.#ordered.has(id)) return true;
    for (let at: OpaqueState | undefined = state; at !== undefined; at = at.parent) {
      if (at.ids.has(id)) return true;
      if (at.parent !== undefined && at.parent.size <= this.#finalSize) at.parent = undefined;
    }
    return false;
  }

  identify(transaction: Uint8Array): Result<string, never> {
    return ok(opaqueId(transaction));
  }

  execute(
    parent: OpaqueState,
    { transactions }: BlockContent,
  ): Result<Executed<OpaqueState>, OpaqueFault> {
    const ids: string[] = [];
    const taken = new Set<string>();
    for (const bytes of transactions) {
      const id = opaqueId(bytes);
      if (taken.has(id) || this.isOrdered(parent, id)) return err({ code: "OPAQUE_REPEATED" });
      taken.add(id);
      ids.push(id);
    }
    return ok(this.#after(parent, transactions, ids));
  }

  build(
    parent: OpaqueState,
    _block: unknown,
    candidates: Iterable<PendingTransaction>,
    { transactionsMax, bytesMax }: { readonly transactionsMax: number; readonly bytesMax: number },
  ): Built<OpaqueState> {
    const transactions: Uint8Array[] = [];
    const ids: string[] = [];
    const known: string[] = [];
    let left = bytesMax;
    for (const { id, bytes } of candidates) {
      if (ids.length === transactionsMax || bytes.length > left) break;
      if (this.isOrdered(parent, id)) {
        known.push(id);
        continue;
      }
      transactions.push(bytes);
      ids.push(id);
      left -= bytes.length;
    }
    return { ...this.#after(parent, transactions, ids), transactions, refused: [], known };
  }

  nextEpoch(): NextEpoch | undefined {
    return undefined;
  }

  #after(
    parent: OpaqueState,
    transactions: readonly Uint8Array[],
    ids: readonly string[],
  ): Executed<OpaqueState> {
    const txRoot = this.txRoot(transactions);
    const root = nodeCrypto.sha256(concat(parent.root, txRoot));
    const size = parent.size + BigInt(ids.length);
    const state = { size, root, ids: new Set(ids), parent };
    return { state, roots: { txRoot, stateRoot: root, logSize: size, logRoot: root }, ids };
  }
}
