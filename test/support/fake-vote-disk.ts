/** A fake disk: what a validator has written down and committed, as its next start finds it. */

import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import type { Block } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { EngineEffect } from "@tamga/ledger-core/consensus/engine-io";
import type { FinalBlocks, LooseBlocks } from "@tamga/ledger-core/consensus/message";
import type {
  FinalizedBlock,
  FinalTip,
  Recovered,
  ReplicaEffect,
  SealedPoint,
  SealPoint,
  VoteFloor,
  VoteRow,
} from "@tamga/ledger-core/consensus/replica-io";
import type { FakeState } from "./fake-ledger.ts";

type Effect = ReplicaEffect<FakeState> | EngineEffect<FakeState>;

export class FakeVoteDisk {
  readonly #genesis: FinalTip<FakeState>;
  readonly rows = new Map<string, VoteRow>();
  readonly blocks = new Map<string, Block>();
  readonly certificates = new Map<string, Certificate>();
  readonly chain: FinalizedBlock<FakeState>[] = [];
  /** By the height of the block that it finalizes. */
  readonly finalizations = new Map<number, Certificate>();
  floor: VoteFloor = { epoch: 0, view: 0 };
  amnesia = false;
  sealed: SealedPoint | undefined;
  unsealed: SealPoint | undefined;
  /** Blocks in one answer. */
  servedMax = Number.POSITIVE_INFINITY;

  /** The log of the channel's beginning counts as sealed, so that there is nothing to order yet. */
  constructor(genesis: FinalTip<FakeState>) {
    this.#genesis = genesis;
    const { height, logSize: size, logRoot: root } = genesis;
    this.sealed = { point: { epoch: 0, height, size, root }, seals: [] };
  }

  get height(): number {
    return this.chain.length;
  }

  /** Writes down what an effect asks for. */
  take(effect: Effect): void {
    if (effect.type === "persist") for (const write of effect.writes) this.#write(write);
    if (effect.type === "commit") this.#commit(effect);
    if (effect.type === "sealed") {
      this.sealed = { point: effect.point, seals: effect.seals };
      if ((this.unsealed?.size ?? 0n) <= effect.point.size) this.unsealed = undefined;
    }
  }

  /** The last final block; that of `epoch` starts at view 0 where it is the boundary before it. */
  tip(epoch = 0): FinalTip<FakeState> {
    const last = this.chain.at(-1);
    if (last === undefined) return this.#genesis;
    const { block, digest, state } = last;
    const { height, time, logSize, logRoot } = block.header;
    const certificate = present(this.finalizations.get(height), "finalization of the tip");
    const tip = { height, digest, time, logSize, logRoot, state };
    if (certificate.epoch < epoch) return { ...tip, view: 0 };
    return { ...tip, view: certificate.ballot.view, certificate };
  }

  recovered(epoch = 0): Recovered<FakeState> {
    const { floor, amnesia, sealed, unsealed } = this;
    return {
      tip: this.tip(epoch),
      floor,
      amnesia,
      rows: [...this.rows.values()],
      blocks: [...this.blocks.values()],
      certificates: [...this.certificates.values()],
      ...(sealed === undefined ? {} : { sealed }),
      ...(unsealed === undefined ? {} : { unsealed }),
    };
  }

  /** Votes, blocks and certificates gone, the chain kept: a disk restored from a backup. */
  loseVotes(): void {
    this.rows.clear();
    this.blocks.clear();
    this.certificates.clear();
  }

  /** Final blocks from a height to the end of the first commit at or after it. */
  serve(from: number): FinalBlocks | undefined {
    const ends = [...this.finalizations.keys()].filter((height) => height >= from);
    if (ends.length === 0) return undefined;
    const to = Math.min(...ends);
    const certificate = present(this.finalizations.get(to), "finalization");
    const blocks = this.chain.slice(from - 1, to).map(({ block }) => block);
    return { type: "final-blocks", blocks: blocks.slice(-this.servedMax), certificate };
  }

  /** The final block of a height and those below it, the newest first. */
  ancestors(height: number): LooseBlocks | undefined {
    const blocks = this.chain.slice(Math.max(0, height - this.servedMax), height);
    if (blocks.length === 0) return undefined;
    return { type: "blocks", blocks: blocks.map(({ block }) => block).reverse() };
  }

  #write(write: Extract<Effect, { type: "persist" }>["writes"][number]): void {
    switch (write.type) {
      case "vote":
        this.rows.set(`${write.row.epoch} ${write.row.view}`, write.row);
        return;
      case "block":
        this.blocks.set(toHex(write.digest), write.block);
        return;
      case "certificate": {
        const { epoch, ballot } = write.certificate;
        this.certificates.set(`${epoch} ${ballot.view} ${ballot.kind}`, write.certificate);
        return;
      }
      case "floor":
        this.#raise(write.floor);
        return;
      case "amnesia":
        this.amnesia = write.set;
        return;
    }
  }

  #commit({ blocks, certificate, floor }: Extract<Effect, { type: "commit" }>): void {
    for (const block of blocks) {
      if (block.block.header.height !== this.chain.length + 1) throw new Error("a gap in heights");
      this.chain.push(block);
      if (block.sealPoint !== undefined) this.unsealed = block.sealPoint;
    }
    this.finalizations.set(this.chain.length, certificate);
    this.#raise(floor);
    for (const [key, { header }] of this.blocks)
      if (header.height <= this.chain.length) this.blocks.delete(key);
  }

  #raise(floor: VoteFloor): void {
    this.floor = floor;
    const isBelow = (epoch: number, view: number) =>
      epoch < floor.epoch || (epoch === floor.epoch && view <= floor.view);
    for (const [key, { epoch, view }] of this.rows) if (isBelow(epoch, view)) this.rows.delete(key);
    for (const [key, { epoch, ballot }] of this.certificates)
      if (isBelow(epoch, ballot.view)) this.certificates.delete(key);
  }
}
