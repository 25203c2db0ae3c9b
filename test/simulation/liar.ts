/** What a lying validator has at hand: an honest engine inside, a mouth that changes what leaves it. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Application } from "@tamga/ledger-core/consensus/application";
import type { Block } from "@tamga/ledger-core/consensus/block";
import { headerDigest } from "@tamga/ledger-core/consensus/block";
import type { Message } from "@tamga/ledger-core/consensus/message";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import type { Ballot, SignedVote } from "@tamga/ledger-core/consensus/vote";
import { voteBytes } from "@tamga/ledger-core/consensus/vote";
import type { FakeState } from "./fake-application.ts";
import type { FakeKey } from "./fake-keys.ts";
import { fakeCrypto } from "./fake-keys.ts";
import type { Random } from "./random.ts";

export type LiarSetting = {
  readonly name: Identifier;
  /** Its own key and no other. */
  readonly key: FakeKey;
  readonly channel: Digest;
  readonly random: Random;
  readonly deltaMs: number;
  readonly application: Application<FakeState>;
  readonly entriesOf: (epoch: number) => readonly ValidatorEntry[];
  /** The state after a block that exists somewhere, so that a lie may be well made. */
  readonly stateAfter: (digest: Digest) => FakeState | undefined;
  /** Sends, whatever it is; `delay` in milliseconds. */
  readonly emit: (to: readonly Identifier[], message: Message, delay?: number) => void;
};

export interface Liar {
  /** The engine wants this sent; what really leaves is emitted. */
  speak(to: readonly Identifier[], message: Message): void;
  /** Everything that reaches it, before the engine sees it. */
  hear(from: Identifier, message: Message): void;
}

/** Tools of liars: own votes for anything, blocks that differ from honest ones. */
export class Forge {
  readonly setting: LiarSetting;

  constructor(setting: LiarSetting) {
    this.setting = setting;
  }

  indexIn(epoch: number): number {
    return this.setting.entriesOf(epoch).findIndex(({ name }) => name === this.setting.name);
  }

  others(epoch: number): Identifier[] {
    return this.setting
      .entriesOf(epoch)
      .map(({ name }) => name)
      .filter((name) => name !== this.setting.name);
  }

  sign(epoch: number, ballot: Ballot): Uint8Array {
    return this.setting.key.sign(voteBytes({ channel: this.setting.channel, epoch }, ballot));
  }

  vote(epoch: number, ballot: Ballot): SignedVote {
    return { ballot, voter: this.indexIn(epoch), signature: this.sign(epoch, ballot) };
  }

  sendVote(to: readonly Identifier[], epoch: number, ballot: Ballot, delay = 0): void {
    if (this.indexIn(epoch) < 0) return;
    const message: Message = { type: "vote", epoch, vote: this.vote(epoch, ballot) };
    this.setting.emit(to, message, delay);
  }

  digestOf(block: Block): Digest {
    return headerDigest(fakeCrypto, block.header);
  }

  digestOfBytes(bytes: Uint8Array): Digest {
    return fakeCrypto.sha256(bytes);
  }

  /** The block at another time, executed as it should be; undefined where its parent is unknown. */
  retimed(block: Block, later: number): Block | undefined {
    const { header, transactions } = block;
    const parent = this.setting.stateAfter(header.parentDigest);
    if (parent === undefined) return undefined;
    const time = unixMillis(header.time + later);
    const executed = this.setting.application.execute(parent, {
      height: header.height,
      time,
      parentDigest: header.parentDigest,
      transactions,
      ...(header.boundary === undefined ? {} : { boundary: header.boundary }),
    });
    if (!executed.ok) return undefined;
    return { ...block, header: { ...header, time, ...executed.value.roots } };
  }

  /** The block on another parent, executed as it should be. */
  rebased(
    block: Block,
    parent: { readonly digest: Digest; readonly view: number; readonly height: number },
  ): Block | undefined {
    const state = this.setting.stateAfter(parent.digest);
    if (state === undefined || this.setting.application.nextEpoch(state) !== undefined)
      return undefined;
    const height = parent.height + 1;
    const { time } = block.header;
    const candidates = block.transactions.flatMap((bytes) => {
      const id = this.setting.application.identify(bytes);
      return id.ok ? [{ id: id.value, bytes }] : [];
    });
    const content = { height, time, parentDigest: parent.digest };
    const limits = { transactionsMax: 8, bytesMax: 4_096 };
    const built = this.setting.application.build(state, content, candidates, limits);
    const { boundary: _, ...header } = block.header;
    return {
      ...block,
      transactions: built.transactions,
      header: {
        ...header,
        ...built.roots,
        height,
        parentView: parent.view,
        parentDigest: parent.digest,
      },
    };
  }

  /** One byte of a digest turned. */
  static bent(digest: Digest): Digest {
    const bent = fakeCrypto.sha256(digest);
    bent.set(digest.subarray(1), 1);
    return bent;
  }
}
