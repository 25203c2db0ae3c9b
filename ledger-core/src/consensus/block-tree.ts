/** The blocks above the last final one, each executed on its parent's state once that is here. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Application, Executed, NextEpoch, StateRoots } from "./application.ts";
import type { Block } from "./block.ts";
import { blockBytes, equivocationRootOf, headerDigest, nextEpochValue } from "./block.ts";
import { verifyEquivocation } from "./equivocation-proof.ts";
import { blockBytesMax, blockTransactionsMax, looseBlocksMax } from "./limits.ts";
import type { FinalTip } from "./replica-io.ts";
import type { ValidatorSet } from "./validator-set.ts";
import { digestKey } from "./view-tally.ts";

/** A block that is not final, and what is known of it. */
export type TreeBlock<State> = {
  readonly block: Block;
  readonly digest: Digest;
  readonly key: string;
  /** Set once its parent was executed and this block was valid on it. */
  executed?: Executed<State>;
  /** A stable code: why it is invalid on its parent, for ever. */
  invalid?: string;
  /** Voted for or certified here: stays until a final block decides. */
  kept: boolean;
  /** Final, and taken in while blocks before it were missing. */
  isTail: boolean;
};

export type ExecutionOutcome =
  | "executed"
  | "invalid"
  /** An ancestor is not here. */
  | "pending";

/** What a child needs of its parent. */
type ParentView<State> = {
  readonly height: number;
  readonly time: number;
  readonly state: State;
  readonly isBoundary: boolean;
};

export class BlockTree<State> {
  readonly #crypto: CryptoPort;
  readonly #application: Application<State>;
  readonly #channel: Digest;
  readonly #validators: ValidatorSet;
  readonly #blocks = new Map<string, TreeBlock<State>>();
  #tip: FinalTip<State>;
  #tipKey: string;

  constructor(
    ports: { readonly crypto: CryptoPort; readonly application: Application<State> },
    config: { readonly channel: Digest; readonly validators: ValidatorSet },
    tip: FinalTip<State>,
  ) {
    this.#crypto = ports.crypto;
    this.#application = ports.application;
    this.#channel = config.channel;
    this.#validators = config.validators;
    this.#tip = tip;
    this.#tipKey = digestKey(tip.digest);
  }

  get tip(): FinalTip<State> {
    return this.#tip;
  }

  isTip(digest: Uint8Array): boolean {
    return equal(digest, this.#tip.digest);
  }

  get(digest: Uint8Array): TreeBlock<State> | undefined {
    return this.#blocks.get(digestKey(digest));
  }

  /** Some kept block carries transactions: they are not final yet. */
  get hasOpenTransactions(): boolean {
    for (const { kept, block } of this.#blocks.values())
      if (kept && (block.transactions.length > 0 || block.header.boundary !== undefined))
        return true;
    return false;
  }

  /** What kept blocks order, if they become final. */
  get openIds(): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const { kept, executed } of this.#blocks.values())
      if (kept) for (const id of executed?.ids ?? []) ids.add(id);
    return ids;
  }

  /** Takes a block in; what is neither voted for nor certified makes room for what comes later. */
  add(
    block: Block,
    {
      kept,
      isTail = false,
      executed,
    }: { readonly kept: boolean; readonly isTail?: boolean; readonly executed?: Executed<State> },
  ): TreeBlock<State> {
    const digest = headerDigest(this.#crypto, block.header);
    const key = digestKey(digest);
    const held = this.#blocks.get(key);
    if (held !== undefined) {
      held.kept ||= kept;
      return held;
    }
    const added: TreeBlock<State> = {
      block,
      digest,
      key,
      kept,
      isTail,
      ...(executed === undefined ? {} : { executed }),
    };
    this.#blocks.set(key, added);
    this.#evictLoose();
    return added;
  }

  /** Bytes of the final blocks that wait for those before them. */
  get tailBytes(): number {
    let bytes = 0;
    for (const { isTail, block } of this.#blocks.values()) if (isTail) bytes += blockBytes(block);
    return bytes;
  }

  /** Forgets the final blocks that wait for those before them. */
  dropTail(): void {
    for (const { isTail, key } of [...this.#blocks.values()]) if (isTail) this.#blocks.delete(key);
  }

  /**
   * The blocks from the tip's child to `digest`, oldest first; or the first that is missing, with its height
   * where a child of it is here.
   */
  chainTo(
    digest: Digest,
  ):
    | { readonly blocks: readonly TreeBlock<State>[] }
    | { readonly missing: Digest; readonly height?: number } {
    const blocks: TreeBlock<State>[] = [];
    let at = digest;
    while (!this.isTip(at)) {
      const held = this.get(at);
      if (held === undefined) {
        const child = blocks.at(-1)?.block.header.height;
        return { missing: at, ...(child === undefined ? {} : { height: child - 1 }) };
      }
      // A chain that goes below the tip without meeting it is another history.
      if (held.block.header.height <= this.#tip.height) return { missing: at };
      blocks.push(held);
      at = held.block.header.parentDigest;
    }
    return { blocks: blocks.reverse() };
  }

  /** Executes a block and, before it, those of its ancestors that were not. */
  execute(of: TreeBlock<State>): ExecutionOutcome {
    if (of.executed !== undefined) return "executed";
    if (of.invalid !== undefined) return "invalid";
    const chain = this.chainTo(of.digest);
    if ("missing" in chain) return "pending";
    let parent: ParentView<State> = { ...this.#tip, isBoundary: false };
    for (const node of chain.blocks) {
      if (node.executed === undefined && node.invalid === undefined && !this.#judge(node, parent)) {
        this.#blocks.delete(node.key);
        return "pending";
      }
      if (node.executed === undefined) {
        of.invalid ??= "BLOCK_PARENT_INVALID";
        return "invalid";
      }
      const { height, time, boundary } = node.block.header;
      const { state } = node.executed;
      parent = { height, time, state, isBoundary: boundary !== undefined };
    }
    return "executed";
  }

  /** Moves the tip; blocks that can no longer become final are forgotten. */
  advance(tip: FinalTip<State>): void {
    assert(tip.height > this.#tip.height, "a final chain grows");
    this.#tip = tip;
    this.#tipKey = digestKey(tip.digest);
    for (const { key, block } of [...this.#blocks.values()])
      if (key === this.#tipKey || block.header.height <= tip.height) this.#blocks.delete(key);
  }

  /**
   * Executes a block on its parent, and notes the outcome for ever.
   *
   * @returns false where the body is not the header's: whoever sent it speaks for itself alone, and the
   *   block with this digest is still to come.
   */
  #judge(node: TreeBlock<State>, parent: ParentView<State>): boolean {
    const outcome = this.#outcome(node.block, parent);
    if (typeof outcome !== "string") node.executed = outcome;
    else if (this.hasOwnBody(node.block)) node.invalid = outcome;
    else return false;
    return true;
  }

  /** Whether the header commits to this very body, valid or not. */
  hasOwnBody({ header, transactions, equivocations }: Block): boolean {
    return (
      equal(this.#application.txRoot(transactions), header.txRoot) &&
      equal(equivocationRootOf(this.#crypto, equivocations), header.equivocationRoot)
    );
  }

  /** The state after the block, or a stable code: why it is invalid on this parent. */
  #outcome(block: Block, parent: ParentView<State>): Executed<State> | string {
    const code = this.#headerFault(block, parent) ?? this.#bodyFault(block);
    if (code !== undefined) return code;
    const { header, transactions } = block;
    const { height, time, parentDigest, boundary } = header;
    const content = {
      height,
      time,
      parentDigest,
      transactions,
      ...(boundary === undefined ? {} : { boundary }),
    };
    const executed = this.#application.execute(parent.state, content);
    if (!executed.ok) return executed.fault.code;
    return sameRoots(executed.value.roots, header) ? executed.value : "BLOCK_ROOTS_WRONG";
  }

  #headerFault({ header, transactions }: Block, parent: ParentView<State>): string | undefined {
    if (!equal(header.channel, this.#channel)) return "BLOCK_OTHER_CHANNEL";
    if (header.epoch !== this.#validators.epoch) return "BLOCK_OTHER_EPOCH";
    if (parent.isBoundary) return "BLOCK_AFTER_BOUNDARY";
    if (header.height !== parent.height + 1) return "BLOCK_HEIGHT_WRONG";
    if (header.view <= header.parentView) return "BLOCK_VIEW_WRONG";
    if (header.time < parent.time) return "BLOCK_TIME_BACK";
    const next = this.#application.nextEpoch(parent.state);
    if (!sameNextEpoch(next, header.boundary)) return "BLOCK_BOUNDARY_WRONG";
    if (next !== undefined && transactions.length > 0) return "BLOCK_BOUNDARY_NOT_EMPTY";
    return undefined;
  }

  #bodyFault({ header, transactions, equivocations }: Block): string | undefined {
    if (transactions.length > blockTransactionsMax) return "BLOCK_TOO_LONG";
    let bytes = 0;
    for (const transaction of transactions) bytes += transaction.length;
    if (bytes > blockBytesMax) return "BLOCK_TOO_LONG";
    if (!equal(equivocationRootOf(this.#crypto, equivocations), header.equivocationRoot))
      return "BLOCK_EQUIVOCATIONS_WRONG";
    const set = { channel: this.#channel, validators: this.#validators };
    for (const proof of equivocations)
      if (!verifyEquivocation(this.#crypto, set, proof).ok) return "BLOCK_EQUIVOCATIONS_WRONG";
    return undefined;
  }

  #evictLoose(): void {
    const loose = [...this.#blocks.values()].filter(({ kept }) => !kept);
    for (const { key } of loose.slice(0, Math.max(0, loose.length - looseBlocksMax)))
      this.#blocks.delete(key);
  }
}

function sameRoots(a: StateRoots, b: StateRoots): boolean {
  return (
    equal(a.txRoot, b.txRoot) &&
    equal(a.stateRoot, b.stateRoot) &&
    a.logSize === b.logSize &&
    equal(a.logRoot, b.logRoot)
  );
}

function sameNextEpoch(a: NextEpoch | undefined, b: NextEpoch | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return equal(encodeCbor(nextEpochValue(a)), encodeCbor(nextEpochValue(b)));
}
