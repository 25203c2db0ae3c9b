/** A fake ledger behind the consensus core: its transactions are short texts, its states immutable. */

import { assert } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, fromUtf8, u64, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { Fault, Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type {
  Application,
  BlockContent,
  Built,
  Executed,
  NextEpoch,
  PendingTransaction,
  Refusal,
} from "@tamga/ledger-core/consensus/application";
import type { FinalTip } from "@tamga/ledger-core/consensus/replica-io";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { fixedKey } from "./fixed-key.ts";

export type FakeState = {
  readonly ids: ReadonlySet<string>;
  readonly size: bigint;
  readonly root: Digest;
  readonly next?: NextEpoch;
};

const digest = (...parts: readonly Uint8Array[]) => nodeCrypto.sha256(concat(...parts));

export const fakeGenesis: FakeState = {
  ids: new Set(),
  size: 1n,
  root: digest(utf8("fake genesis")),
};

/** What an epoch 0 starts from. */
export function genesisTip(channel: Digest): FinalTip<FakeState> {
  const { size, root } = fakeGenesis;
  return {
    view: 0,
    height: 0,
    digest: channel,
    time: unixMillis(0),
    logSize: size,
    logRoot: root,
    state: fakeGenesis,
  };
}

/** A text as a submission. */
export const pending = (text: string): PendingTransaction => ({ id: text, bytes: utf8(text) });

/** The validators that `set:a,b,c` asks for. */
export function nextEpochOf(names: readonly string[], previous: Digest): NextEpoch {
  const validators = names.map((name) => ({
    name: mint<Identifier>(name),
    organisation: mint<Identifier>(`organisation-of-${name}`),
    publicKey: fixedKey("EdDSA", `validator ${name}`).spki.subarray(-32),
  }));
  return { validators, previous, approvals: [{ index: 0, signature: new Uint8Array(64) }] };
}

/**
 * `note:x` is valid once; `bad:x` never; `spend:c:x` only for the first x of a coin c; `set:a,b` asks for a
 * boundary to these validators. What begins otherwise is no transaction.
 */
export class FakeLedger implements Application<FakeState> {
  /** Set to something else, this ledger executes as a broken one would. */
  salt = "";

  txRoot(transactions: readonly Uint8Array[]): Digest {
    return digest(...transactions);
  }

  isOrdered(state: FakeState, id: string): boolean {
    return state.ids.has(id);
  }

  identify(transaction: Uint8Array): Result<string, Fault> {
    const text = fromUtf8(transaction);
    return text !== undefined && /^(note|bad|spend|set):/.test(text)
      ? ok(text)
      : err({ code: "FAKE_NO_TRANSACTION" });
  }

  execute(parent: FakeState, block: BlockContent): Result<Executed<FakeState>, Fault> {
    if (block.boundary !== undefined) {
      const { next: _, ...rest } = parent;
      const state = { ...rest, size: rest.size + 1n, root: digest(rest.root, utf8("boundary")) };
      return ok(this.#finish(state, [], []));
    }
    let state = parent;
    const ids: string[] = [];
    for (const transaction of block.transactions) {
      const id = this.identify(transaction);
      if (!id.ok) return id;
      const next = apply(state, id.value);
      if (!next.ok) return next;
      state = next.value;
      ids.push(id.value);
    }
    return ok(this.#finish(state, block.transactions, ids));
  }

  build(
    parent: FakeState,
    _block: unknown,
    candidates: Iterable<PendingTransaction>,
    limits: { readonly transactionsMax: number; readonly bytesMax: number },
  ): Built<FakeState> {
    // As of the real one.
    assert(this.nextEpoch(parent) === undefined, "a boundary is executed, not built");
    let state = parent;
    let room = limits.bytesMax;
    const transactions: Uint8Array[] = [];
    const ids: string[] = [];
    const refused: Refusal[] = [];
    const known: string[] = [];
    for (const { id, bytes } of candidates) {
      if (transactions.length === limits.transactionsMax || room < bytes.length) break;
      if (state.next !== undefined) break;
      const next = apply(state, id);
      if (next.ok) {
        state = next.value;
        transactions.push(bytes);
        ids.push(id);
        room -= bytes.length;
      } else if (next.fault.code === "FAKE_KNOWN") known.push(id);
      else refused.push({ id, fault: next.fault });
    }
    return { ...this.#finish(state, transactions, ids), transactions, refused, known };
  }

  nextEpoch(state: FakeState): NextEpoch | undefined {
    return state.next;
  }

  #finish(
    state: FakeState,
    transactions: readonly Uint8Array[],
    ids: readonly string[],
  ): Executed<FakeState> {
    const stateRoot = digest(state.root, u64(state.size), utf8(this.salt));
    const txRoot = this.txRoot(transactions);
    return { state, roots: { txRoot, stateRoot, logSize: state.size, logRoot: state.root }, ids };
  }
}

function apply(state: FakeState, id: string): Result<FakeState, Fault> {
  const [kind, name = ""] = id.split(":");
  if (state.ids.has(id)) return err({ code: "FAKE_KNOWN" });
  if (kind === "bad") return err({ code: "FAKE_BAD" });
  const coin = `coin ${name}`;
  if (kind === "spend" && state.ids.has(coin)) return err({ code: "FAKE_SPENT" });
  const ids = new Set([...state.ids, id, ...(kind === "spend" ? [coin] : [])]);
  const next = kind === "set" ? nextEpochOf(name.split(","), digest(utf8(id))) : undefined;
  const root = digest(state.root, utf8(id));
  return ok({ ids, size: state.size + 1n, root, ...(next === undefined ? {} : { next }) });
}
