/** Blocks on the fake ledger and their proposals, as any leader could have made them. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { NextEpoch } from "@tamga/ledger-core/consensus/application";
import type { Block, Header } from "@tamga/ledger-core/consensus/block";
import { equivocationRootOf, headerDigest } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { EquivocationProof } from "@tamga/ledger-core/consensus/equivocation-proof";
import type { Propose } from "@tamga/ledger-core/consensus/message";
import type { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import type { NullifyBallot } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { channel, notarize, voteOf, wallStart } from "./consensus-fixture.ts";
import type { FakeState } from "./fake-ledger.ts";
import { FakeLedger, fakeGenesis } from "./fake-ledger.ts";
import { unwrap } from "./unwrap.ts";

/** A block with what a child needs of it. */
export type Made = {
  readonly block: Block;
  readonly digest: Digest;
  readonly state: FakeState;
};

/** What the first block builds on: no block, only its place. */
export type Ground = {
  readonly digest: Digest;
  readonly state: FakeState;
  readonly block?: Block;
};
export const genesis: Ground = { digest: channel, state: fakeGenesis };

export type BlockWish = {
  readonly view: number;
  /** Where the parent was notarized; its own view where left out. */
  readonly parentView?: number;
  readonly epoch?: number;
  readonly texts?: readonly string[];
  readonly time?: number;
  readonly seal?: boolean;
  readonly boundary?: NextEpoch;
  readonly equivocations?: readonly EquivocationProof[];
  /** Header fields to be wrong on purpose. */
  readonly change?: Partial<Header>;
};

/** Executes the wished block on its parent; what is not valid there must be wrong by `change` alone. */
export function blockOn(parent: Ground, wish: BlockWish): Made {
  const { view, epoch = 0, boundary, texts = [], equivocations = [] } = wish;
  const transactions = texts.map(utf8);
  const above = parent.block?.header;
  const time = unixMillis(wish.time ?? Math.max(above?.time ?? 0, wallStart));
  const height = (above?.height ?? 0) + 1;
  const content = {
    height,
    time,
    parentDigest: parent.digest,
    transactions,
    ...(boundary === undefined ? {} : { boundary }),
  };
  const { state, roots } = unwrap(new FakeLedger().execute(parent.state, content));
  const header: Header = {
    channel,
    epoch,
    view,
    height,
    parentView: wish.parentView ?? (above?.epoch === epoch ? above.view : 0),
    parentDigest: parent.digest,
    time,
    equivocationRoot: equivocationRootOf(nodeCrypto, equivocations),
    seal: wish.seal ?? true,
    ...roots,
    ...(boundary === undefined ? {} : { boundary }),
    ...wish.change,
  };
  const block: Block = { header, transactions, equivocations };
  return { block, digest: headerDigest(nodeCrypto, header), state };
}

/** Signed by whoever leads the view, or by `by`. */
export function proposalOf(
  set: ValidatorSet,
  { block, digest }: Made,
  grounds: {
    readonly parent?: Certificate;
    readonly nullifications?: readonly Certificate<NullifyBallot>[];
    /** Another view than the header's. */
    readonly view?: number;
    readonly parentView?: number;
    readonly by?: number;
  } = {},
): Propose {
  const { parent, nullifications = [] } = grounds;
  const { view = block.header.view, parentView = block.header.parentView } = grounds;
  const { signature } = voteOf(
    set,
    grounds.by ?? set.leaderOf(view),
    notarize(view, digest, parentView),
  );
  return {
    type: "propose",
    epoch: set.epoch,
    view,
    parentView,
    block,
    signature,
    ...(parent === undefined ? {} : { parent }),
    nullifications,
  };
}
