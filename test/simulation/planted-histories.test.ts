/** Histories written by hand that break one rule each: the oracle has to name it, and to take the history beside it. */

import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Block, Header } from "@tamga/ledger-core/consensus/block";
import { headerDigest } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { FinalizedBlock, SealPoint, VoteRow } from "@tamga/ledger-core/consensus/replica-io";
import type { Ballot, BlockBallot } from "@tamga/ledger-core/consensus/vote";
import { voteBytes } from "@tamga/ledger-core/consensus/vote";
import { expect, test } from "vitest";
import { unwrap } from "../support/unwrap.ts";
import type { FakeState } from "./fake-application.ts";
import { FakeApplication, fakeGenesis, noteTransaction } from "./fake-application.ts";
import { fakeCrypto, fakeKey } from "./fake-keys.ts";
import { Oracle } from "./oracle.ts";
import { OracleViolation } from "./oracle-violation.ts";
import { sealBytes } from "./seal-bytes.ts";
import { entryOf, namesUpTo } from "./validators.ts";

const channel = fakeCrypto.sha256(new TextEncoder().encode("channel of planted histories"));
const [x, y] = [fakeCrypto.sha256(Uint8Array.of(1)), fakeCrypto.sha256(Uint8Array.of(2))];
const names = namesUpTo(4);
const application = new FakeApplication();

/** A new oracle over four honest validators. */
const oracle = () => new Oracle(channel, names.map(entryOf), application);

const nameAt = (voter: number) => present(names[voter], "name of a validator");

function sign(voter: number, ballot: Ballot): Uint8Array {
  return fakeKey(nameAt(voter)).sign(voteBytes({ channel, epoch: 0 }, ballot));
}

const notarize = (view: number, digest = x, parentView = 0): BlockBallot => ({
  kind: "notarize",
  view,
  parentView,
  digest,
});
const finalize = (view: number, digest = x): Ballot => ({
  ...notarize(view, digest),
  kind: "finalize",
});
const nullify = (view: number): Ballot => ({ kind: "nullify", view });

/** The row that holds these votes of one view. */
function row(voter: number, ...ballots: readonly [Ballot, ...Ballot[]]): VoteRow {
  const cast: { -readonly [K in "notarized" | "nullified" | "finalized"]?: VoteRow[K] } = {};
  for (const ballot of ballots) {
    const signature = sign(voter, ballot);
    if (ballot.kind === "nullify") cast.nullified = { signature };
    else {
      const { parentView, digest } = ballot;
      cast[ballot.kind === "notarize" ? "notarized" : "finalized"] = {
        parentView,
        digest,
        signature,
      };
    }
  }
  return { epoch: 0, view: ballots[0].view, ...cast };
}

function certificate(ballot: Ballot, voters: readonly number[] = [0, 1, 2]): Certificate {
  return { epoch: 0, ballot, voters, signatures: voters.map((voter) => sign(voter, ballot)) };
}

type Finalized = FinalizedBlock<FakeState>;

/** A block that executes on `parent`, with one transaction. */
function blockOn(
  parent: Finalized | undefined,
  number: number,
  change: Partial<Header> = {},
): Finalized {
  const height = (parent?.block.header.height ?? 0) + 1;
  const parentDigest = parent?.digest ?? channel;
  const time = unixMillis(1_000 + height);
  const transactions = [noteTransaction(number).bytes];
  const content = { height, time, parentDigest, transactions };
  const executed = unwrap(application.execute(parent?.state ?? fakeGenesis, content));
  const header: Header = {
    ...executed.roots,
    channel,
    epoch: 0,
    view: height,
    height,
    parentView: height - 1,
    parentDigest,
    time,
    equivocationRoot: fakeCrypto.sha256(new Uint8Array()),
    seal: false,
    ...change,
  };
  const block: Block = { header, transactions, equivocations: [] };
  const { ids, state } = executed;
  return { block, digest: headerDigest(fakeCrypto, header), state, ids };
}

/** Makes the quorum's FINALIZE durable and lets `name` commit the block under it. */
function commit(
  judge: Oracle,
  name: string,
  one: Finalized,
  given: { readonly voters?: readonly number[]; readonly certificate?: Certificate } = {},
): void {
  const { view, parentView } = one.block.header;
  const ballot: Ballot = { kind: "finalize", view, parentView, digest: one.digest };
  const voters = given.voters ?? [0, 1, 2];
  for (const voter of new Set(voters)) judge.votes.rowDurable(nameAt(voter), row(voter, ballot));
  judge.committed(name, {
    type: "commit",
    blocks: [one],
    certificate: given.certificate ?? certificate(ballot, voters),
    floor: { epoch: 0, view },
  });
}

const first = blockOn(undefined, 1);
const second = blockOn(first, 2);

/** v0 has committed the first two blocks. */
function withTwoBlocks(): Oracle {
  const judge = oracle();
  commit(judge, "v0", first);
  commit(judge, "v0", second);
  return judge;
}

const pointOf = ({ block }: Finalized, change: Partial<SealPoint> = {}) => ({
  epoch: 0,
  height: block.header.height,
  size: block.header.logSize,
  root: block.header.logRoot,
  ...change,
});
const sealsOf = (point: SealPoint, voters: readonly number[]) =>
  voters.map((validator) => ({
    validator,
    payload: fakeKey(nameAt(validator)).sign(sealBytes(point)),
  }));
const final = (view: number) => ({ epoch: 0, view });

type Planted = {
  readonly name: string;
  readonly rule: string;
  /** As far as the last step, which alone breaks the rule. */
  readonly before?: (judge: Oracle) => void;
  readonly broken: (judge: Oracle) => void;
  /** The same step as it may be. */
  readonly legal: (judge: Oracle) => void;
  readonly from?: () => Oracle;
};

const votes: readonly Planted[] = [
  {
    name: "two NOTARIZE in a view, the row of the first gone",
    rule: "S1",
    before: (o) => o.votes.rowDurable("v0", row(0, notarize(1))),
    broken: (o) => o.votes.rowDurable("v0", row(0, notarize(1, y))),
    legal: (o) => o.votes.rowDurable("v0", row(0, notarize(1), finalize(1))),
  },
  {
    name: "FINALIZE after NULLIFY",
    rule: "S2",
    before: (o) => o.votes.rowDurable("v0", row(0, nullify(1))),
    broken: (o) => o.votes.rowDurable("v0", row(0, finalize(1))),
    legal: (o) => o.votes.rowDurable("v0", row(0, finalize(2))),
  },
  {
    name: "NULLIFY after FINALIZE",
    rule: "S2",
    before: (o) => o.votes.rowDurable("v0", row(0, finalize(1))),
    broken: (o) => o.votes.rowDurable("v0", row(0, nullify(1))),
    legal: (o) => o.votes.rowDurable("v0", row(0, notarize(1, y), finalize(1))),
  },
  {
    name: "two FINALIZE in a view",
    rule: "S2",
    before: (o) => o.votes.rowDurable("v0", row(0, finalize(1))),
    broken: (o) => o.votes.rowDurable("v0", row(0, finalize(1, y))),
    legal: (o) => o.votes.rowDurable("v0", row(0, finalize(1))),
  },
  {
    name: "NOTARIZE in a view that was left",
    rule: "S3",
    before: (o) => o.votes.rowDurable("v0", row(0, nullify(3))),
    broken: (o) => o.votes.rowDurable("v0", row(0, notarize(2))),
    legal: (o) => o.votes.rowDurable("v0", row(0, finalize(2))),
  },
  {
    name: "votes deleted that are not final",
    rule: "S4",
    broken: (o) => o.votes.cleanedUp("v0", final(2), final(1)),
    legal: (o) => o.votes.cleanedUp("v0", final(1), final(1)),
  },
  {
    name: "abstention that nobody asked for",
    rule: "S4",
    broken: (o) => o.votes.abstained("v0", final(2), final(1)),
    legal: (o) => o.votes.abstained("v0", final(1), final(1)),
  },
  {
    name: "a vote at the floor",
    rule: "S5",
    before: (o) => o.votes.floorDurable("v0", final(4)),
    broken: (o) => o.votes.rowDurable("v0", row(0, nullify(4))),
    legal: (o) => o.votes.rowDurable("v0", row(0, nullify(5))),
  },
  {
    name: "a floor that fell over a restart",
    rule: "S5",
    before: (o) => o.votes.floorDurable("v0", final(4)),
    broken: (o) => o.votes.floorRead("v0", final(3)),
    legal: (o) => o.votes.floorRead("v0", final(4)),
  },
  {
    name: "a vote of one that may have lost its votes",
    rule: "amnesia",
    before: (o) => o.votes.flagDurable("v0", true),
    broken: (o) => o.votes.rowDurable("v0", row(0, nullify(1))),
    legal: (o) => o.votes.abstained("v0", final(3), final(1)),
  },
  {
    name: "a vote on the wire that is on no disk",
    rule: "durable votes",
    before: (o) => o.votes.rowDurable("v0", row(0, notarize(1))),
    broken: (o) =>
      o.votes.seen(0, { ballot: finalize(1), voter: 0, signature: sign(0, finalize(1)) }),
    legal: (o) =>
      o.votes.seen(0, { ballot: notarize(1), voter: 0, signature: sign(0, notarize(1)) }),
  },
  {
    name: "two notarizations of a view, two of four lying",
    rule: "one notarization",
    before: (o) => {
      for (const liar of [0, 1]) {
        o.votes.unbind(nameAt(liar));
        for (const digest of [x, y])
          o.votes.rowDurable(nameAt(liar), row(liar, notarize(1, digest)));
      }
      o.votes.rowDurable("v2", row(2, notarize(1)));
    },
    broken: (o) => o.votes.rowDurable("v3", row(3, notarize(1, y))),
    legal: (o) => o.votes.rowDurable("v3", row(3, notarize(1))),
  },
  {
    name: "two finalizations of a view, two of four lying",
    rule: "one finalization",
    before: (o) => {
      for (const liar of [0, 1]) {
        o.votes.unbind(nameAt(liar));
        for (const digest of [x, y])
          o.votes.rowDurable(nameAt(liar), row(liar, finalize(1, digest)));
      }
      o.votes.rowDurable("v2", row(2, finalize(1)));
    },
    broken: (o) => o.votes.rowDurable("v3", row(3, finalize(1, y))),
    legal: (o) => o.votes.rowDurable("v3", row(3, finalize(1))),
  },
  {
    name: "a view that is final and null, two of four lying",
    rule: "final or null",
    before: (o) => {
      for (const liar of [0, 1]) {
        o.votes.unbind(nameAt(liar));
        o.votes.rowDurable(nameAt(liar), row(liar, finalize(1), nullify(1)));
      }
      o.votes.rowDurable("v2", row(2, finalize(1)));
    },
    broken: (o) => o.votes.rowDurable("v3", row(3, nullify(1))),
    legal: (o) => o.votes.rowDurable("v3", row(3, finalize(1))),
  },
];

const other = blockOn(undefined, 7, { view: 5, parentView: 0 });
const finalOf = ({ block, digest }: Finalized): Ballot => {
  const { view, parentView } = block.header;
  return { kind: "finalize", view, parentView, digest };
};

const chains: readonly Planted[] = [
  {
    name: "a commit under two signatures",
    rule: "commit",
    broken: (o) => commit(o, "v0", first, { voters: [0, 1] }),
    legal: (o) => commit(o, "v0", first),
  },
  {
    name: "a commit under one signature three times",
    rule: "commit",
    broken: (o) => commit(o, "v0", first, { voters: [0, 0, 0] }),
    legal: (o) => commit(o, "v0", first),
  },
  {
    name: "a commit under another block's finalization",
    rule: "commit",
    broken: (o) => commit(o, "v0", first, { certificate: certificate(finalOf(other)) }),
    legal: (o) => commit(o, "v0", first),
    // Nobody is bound here: that these votes are on no disk is not the rule.
    before: (o) => {
      for (const name of names) o.votes.unbind(name);
    },
  },
  {
    name: "a height left out",
    rule: "heights",
    broken: (o) => commit(o, "v0", second),
    legal: (o) => commit(o, "v0", first),
  },
  {
    name: "another block at a height that is final",
    rule: "one block a height",
    from: withTwoBlocks,
    before: (o) => {
      for (const name of names) o.votes.unbind(name);
    },
    broken: (o) => commit(o, "v1", blockOn(undefined, 7, { view: 9, parentView: 0 })),
    legal: (o) => commit(o, "v1", first),
  },
  {
    name: "a parent that is not the final one",
    rule: "chain",
    before: (o) => commit(o, "v0", first),
    broken: (o) => commit(o, "v0", blockOn(other, 2)),
    legal: (o) => commit(o, "v0", second),
  },
  {
    name: "a time before the parent's",
    rule: "chain",
    before: (o) => commit(o, "v0", first),
    broken: (o) => commit(o, "v0", blockOn(first, 2, { time: unixMillis(3) })),
    legal: (o) => commit(o, "v0", second),
  },
  {
    name: "a block of an epoch that never began",
    rule: "chain",
    before: (o) => commit(o, "v0", first),
    broken: (o) => commit(o, "v0", blockOn(first, 2, { epoch: 1 })),
    legal: (o) => commit(o, "v0", second),
  },
  {
    name: "a block that does not execute to its state root",
    rule: "roots",
    broken: (o) => commit(o, "v0", blockOn(undefined, 1, { stateRoot: y })),
    legal: (o) => commit(o, "v0", first),
  },
];

const seals: readonly Planted[] = [
  {
    name: "a seal over a height that is not final there",
    rule: "seal",
    from: withTwoBlocks,
    broken: (o) => o.chain.sealAsked("v1", pointOf(second)),
    legal: (o) => o.chain.sealAsked("v0", pointOf(second)),
  },
  {
    name: "a seal over another size",
    rule: "seal",
    from: withTwoBlocks,
    broken: (o) => o.chain.sealAsked("v0", pointOf(second, { size: 3n })),
    legal: (o) => o.chain.sealAsked("v0", pointOf(second)),
  },
  {
    name: "a seal over another root",
    rule: "seal",
    from: withTwoBlocks,
    broken: (o) => o.chain.sealAsked("v0", pointOf(second, { root: y })),
    legal: (o) => o.chain.sealAsked("v0", pointOf(second)),
  },
  {
    name: "a sealed point of two validators",
    rule: "sealed",
    from: withTwoBlocks,
    broken: (o) => o.chain.sealed("v0", pointOf(second), sealsOf(pointOf(second), [0, 1])),
    legal: (o) => o.chain.sealed("v0", pointOf(second), sealsOf(pointOf(second), [0, 1, 3])),
  },
  {
    name: "a sealed point with one validator three times",
    rule: "sealed",
    from: withTwoBlocks,
    broken: (o) => o.chain.sealed("v0", pointOf(second), sealsOf(pointOf(second), [2, 2, 2])),
    legal: (o) => o.chain.sealed("v0", pointOf(second), sealsOf(pointOf(second), [1, 2, 3])),
  },
  {
    name: "a sealed point with a seal over an older size",
    rule: "sealed",
    from: withTwoBlocks,
    broken: (o) =>
      o.chain.sealed("v0", pointOf(second), [
        ...sealsOf(pointOf(second), [0, 1]),
        ...sealsOf(pointOf(first), [2]),
      ]),
    legal: (o) => o.chain.sealed("v0", pointOf(second), sealsOf(pointOf(second), [0, 1, 2])),
  },
  {
    name: "honest validator accused without proof",
    rule: "equivocation",
    broken: (o) =>
      o.accused("v0", {
        type: "equivocation",
        proof: {
          epoch: 0,
          voter: 1,
          first: { ballot: notarize(1), signature: sign(1, notarize(1)) },
          second: { ballot: notarize(1), signature: sign(1, notarize(1)) },
        },
      }),
    legal: (o) => {
      o.votes.unbind("v1");
      o.accused("v0", {
        type: "equivocation",
        proof: {
          epoch: 0,
          voter: 1,
          first: { ballot: notarize(1), signature: sign(1, notarize(1)) },
          second: { ballot: notarize(1, y), signature: sign(1, notarize(1, y)) },
        },
      });
    },
  },
  {
    name: "an honest validator blamed",
    rule: "blame",
    broken: (o) => o.blamed("v0", "v1", "VOTE_SIGNATURE_WRONG"),
    legal: (o) => {
      o.votes.unbind("v1");
      o.blamed("v0", "v1", "VOTE_SIGNATURE_WRONG");
    },
  },
];

test.each([...votes, ...chains, ...seals])("$rule: $name", (planted) => {
  const upToTheLast = () => {
    const judge = planted.from?.() ?? oracle();
    planted.before?.(judge);
    return judge;
  };
  planted.legal(upToTheLast());
  const judge = upToTheLast();
  let found: unknown;
  try {
    planted.broken(judge);
  } catch (error) {
    found = error;
  }
  expect(found).toBeInstanceOf(OracleViolation);
  expect(found).toMatchObject({ rule: planted.rule });
});
