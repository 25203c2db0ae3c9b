/** A validator's disk: the votes database and the channel's, as CONSENSUS.md "Durable votes" has them. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Block } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { EngineRecovered } from "@tamga/ledger-core/consensus/engine-io";
import type {
  FinalizedBlock,
  FinalTip,
  SealedPoint,
  SealPoint,
  VoteFloor,
  VoteRow,
  VoteWrite,
} from "@tamga/ledger-core/consensus/replica-io";
import { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import type { FakeState } from "./fake-application.ts";
import { fakeGenesis } from "./fake-application.ts";
import { ballotKey, digestKey, isAtOrBelow } from "./keys-of.ts";
import { SimulatedStore } from "./simulated-store.ts";

export type VotesTables = {
  rows: Map<string, VoteRow>;
  blocks: Map<string, { readonly epoch: number; readonly digest: Digest; readonly block: Block }>;
  certificates: Map<string, Certificate>;
  floor: VoteFloor;
  amnesia: boolean;
};
/** `clean-up` follows a commit: the floor first, then what it makes needless. */
export type VotesWrite = VoteWrite | { readonly type: "clean-up"; readonly floor: VoteFloor };

export type ChannelTables = {
  /** At index h − 1 the final block of height h. */
  blocks: FinalizedBlock<FakeState>[];
  /** By height of the block that it finalizes. */
  certificates: Map<number, Certificate>;
  /** What was signed: the root by size. */
  seals: Map<string, Digest>;
  sealed: SealedPoint | undefined;
};
export type ChannelWrite =
  | {
      readonly type: "commit";
      readonly blocks: readonly FinalizedBlock<FakeState>[];
      readonly certificate: Certificate;
    }
  | { readonly type: "seal"; readonly point: SealPoint }
  | ({ readonly type: "sealed" } & SealedPoint);

/** Blocks that one answer to fetch-heights carries here: few, so that catching up takes several. */
const servedBlocksMax = 8;
const nothing: VotesTables = {
  rows: new Map(),
  blocks: new Map(),
  certificates: new Map(),
  floor: { epoch: 0, view: 0 },
  amnesia: false,
};

export type DiskSnapshot = { readonly votes: VotesTables; readonly channel: ChannelTables };

export class SimulatedDisk {
  readonly votes = new SimulatedStore(copyVotes(nothing), applyVotes, copyVotes);
  readonly channel: SimulatedStore<ChannelTables, ChannelWrite>;
  readonly #genesis: { readonly channel: Digest; readonly validators: ValidatorSet };

  constructor(genesis: { readonly channel: Digest; readonly validators: ValidatorSet }) {
    this.#genesis = genesis;
    this.channel = new SimulatedStore<ChannelTables, ChannelWrite>(
      { blocks: [], certificates: new Map(), seals: new Map(), sealed: undefined },
      applyChannel,
      copyChannel,
    );
  }

  snapshot(): DiskSnapshot {
    return { votes: this.votes.snapshot(), channel: this.channel.snapshot() };
  }

  /** The operator's `restore` while the node is down: some databases set back, and the flag, or not. */
  restore(
    snapshot: DiskSnapshot,
    what: {
      readonly votes: "kept" | "set-back" | "lost";
      readonly channel: "kept" | "set-back";
      readonly flag: boolean;
    },
  ): void {
    if (what.channel === "set-back") this.channel.restore(snapshot.channel);
    if (what.votes !== "kept") this.votes.restore(what.votes === "lost" ? nothing : snapshot.votes);
    if (!what.flag) return;
    this.votes.write([{ type: "amnesia", set: true }]);
    this.votes.sync();
  }

  /** What a start reads. */
  recover(): EngineRecovered<FakeState> {
    const { rows, blocks, certificates, floor, amnesia } = this.votes.durable;
    const channel = this.channel.durable;
    const newest = channel.blocks.findLast(({ sealPoint }) => sealPoint !== undefined)?.sealPoint;
    const isSealed = newest === undefined || newest.height <= (channel.sealed?.point.height ?? 0);
    const unsealed = isSealed ? undefined : newest;
    return {
      tip: this.tip(),
      validators: this.validators(),
      ...(channel.sealed === undefined ? {} : { sealed: channel.sealed }),
      ...(unsealed === undefined ? {} : { unsealed }),
      floor,
      amnesia,
      rows: [...rows.values()],
      blocks: [...blocks.values()].map(({ block }) => block),
      certificates: [...certificates.values()],
    };
  }

  tip(): FinalTip<FakeState> {
    const { blocks, certificates } = this.channel.durable;
    const last = blocks.at(-1);
    if (last === undefined)
      return {
        view: 0,
        height: 0,
        digest: this.#genesis.channel,
        time: unixMillis(0),
        logSize: 0n,
        logRoot: fakeGenesis.log.root(),
        state: fakeGenesis,
      };
    const { header } = last.block;
    const certificate = present(certificates.get(header.height), "certificate of the tip");
    const isBoundary = header.boundary !== undefined;
    return {
      view: isBoundary ? 0 : certificate.ballot.view,
      height: header.height,
      digest: last.digest,
      time: header.time,
      logSize: header.logSize,
      logRoot: header.logRoot,
      state: last.state,
      ...(isBoundary ? {} : { certificate }),
    };
  }

  /** Epoch and view in which the last final block was finalized. */
  finalView(): VoteFloor {
    const certificate = this.channel.durable.certificates.get(this.channel.durable.blocks.length);
    return { epoch: certificate?.epoch ?? 0, view: certificate?.ballot.view ?? 0 };
  }

  /** Of the epoch that the tip is in or that it began. */
  validators(): ValidatorSet {
    const boundary = this.channel.durable.blocks.findLast(
      ({ block }) => block.header.boundary !== undefined,
    )?.block.header;
    return boundary?.boundary === undefined
      ? this.#genesis.validators
      : new ValidatorSet(boundary.epoch + 1, boundary.boundary.validators);
  }

  /** Final blocks from a height on, up to one whose certificate is held, all of one epoch. */
  finalBlocks(
    from: number,
  ): { readonly blocks: readonly Block[]; readonly certificate: Certificate } | undefined {
    const { blocks, certificates } = this.channel.durable;
    let best: { blocks: readonly Block[]; certificate: Certificate } | undefined;
    for (let height = Math.max(1, from); height <= blocks.length; height++) {
      const certificate = certificates.get(height);
      if (certificate !== undefined) {
        const taken = blocks.slice(Math.max(1, from) - 1, height).map(({ block }) => block);
        best = { blocks: taken, certificate };
      }
      const isBoundary = blocks[height - 1]?.block.header.boundary !== undefined;
      if (isBoundary || (best !== undefined && best.blocks.length >= servedBlocksMax)) break;
    }
    return best;
  }

  /** The final block of a height and those below it, the newest first. */
  ancestors(height: number): readonly Block[] {
    const { blocks } = this.channel.durable;
    const from = Math.max(0, height - servedBlocksMax);
    return blocks
      .slice(from, height)
      .map(({ block }) => block)
      .reverse();
  }
}

function applyVotes(tables: VotesTables, write: VotesWrite): void {
  switch (write.type) {
    case "vote":
      tables.rows.set(`${write.row.epoch}/${write.row.view}`, write.row);
      return;
    case "block":
      tables.blocks.set(digestKey(write.digest), write);
      return;
    case "certificate": {
      const { epoch, ballot } = write.certificate;
      tables.certificates.set(ballotKey(epoch, ballot), write.certificate);
      return;
    }
    case "floor":
      tables.floor = higher(tables.floor, write.floor);
      return;
    case "amnesia":
      tables.amnesia = write.set;
      return;
    case "clean-up":
      tables.floor = higher(tables.floor, write.floor);
      dropUpTo(tables, write.floor);
  }
}

function dropUpTo({ rows, blocks, certificates }: VotesTables, floor: VoteFloor): void {
  for (const [key, row] of rows) if (isAtOrBelow(row, floor)) rows.delete(key);
  for (const [key, { epoch, block }] of blocks)
    if (isAtOrBelow({ epoch, view: block.header.view }, floor)) blocks.delete(key);
  for (const [key, { epoch, ballot }] of certificates)
    if (isAtOrBelow({ epoch, view: ballot.view }, floor)) certificates.delete(key);
}

function applyChannel(tables: ChannelTables, write: ChannelWrite): void {
  switch (write.type) {
    case "commit":
      tables.blocks.push(...write.blocks);
      tables.certificates.set(tables.blocks.length, write.certificate);
      return;
    case "seal":
      tables.seals.set(String(write.point.size), write.point.root);
      return;
    case "sealed":
      if (write.point.size > (tables.sealed?.point.size ?? -1n)) tables.sealed = write;
  }
}

function copyVotes(tables: VotesTables): VotesTables {
  return {
    ...tables,
    rows: new Map(tables.rows),
    blocks: new Map(tables.blocks),
    certificates: new Map(tables.certificates),
  };
}

function copyChannel(tables: ChannelTables): ChannelTables {
  return {
    blocks: [...tables.blocks],
    certificates: new Map(tables.certificates),
    seals: new Map(tables.seals),
    sealed: tables.sealed,
  };
}

function higher(a: VoteFloor, b: VoteFloor): VoteFloor {
  return isAtOrBelow(a, b) ? b : a;
}
