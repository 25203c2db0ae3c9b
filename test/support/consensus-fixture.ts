/** Validators with real keys, and what they sign, for tests of the consensus core. */

import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, u64, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { MonotonicMillis, UnixMillis } from "@tamga/ledger-core/base/time";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { EquivocationProof } from "@tamga/ledger-core/consensus/equivocation-proof";
import type { VoteMessage } from "@tamga/ledger-core/consensus/message";
import type {
  ReplicaParameters,
  ReplicaPorts,
  SealPoint,
} from "@tamga/ledger-core/consensus/replica-io";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import type {
  Ballot,
  BlockBallot,
  NullifyBallot,
  SignedVote,
} from "@tamga/ledger-core/consensus/vote";
import { voteBytes } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { TestKey } from "./certificate-builder.ts";
import type { FakeState } from "./fake-ledger.ts";
import { FakeLedger } from "./fake-ledger.ts";
import { fixedKey } from "./fixed-key.ts";

export const digestOf = (text: string): Digest => nodeCrypto.sha256(utf8(text));
export const channel: Digest = digestOf("channel of the consensus tests");

export const parameters: ReplicaParameters = {
  deltaMs: 100,
  emptyHoldMs: 20,
  keepAliveMs: 1_000,
  skipMs: 5_000,
  blockTransactionsMax: 100,
  blockBytesMax: 10_000,
  sealEveryHeights: 1_000,
  sealBucketMs: 1_000_000_000,
};

/** When the tests begin, by the wall clock. */
export const wallStart = 1_790_000_000_000;

/** Both clocks run alike. */
export function momentAt(now: number): { now: MonotonicMillis; wall: UnixMillis } {
  return { now: monotonicMillis(now), wall: unixMillis(wallStart + now) };
}

const keys = new Map<string, TestKey>();

/** The same key for the same name in every run. */
export function keyOf(name: string): TestKey {
  const held = keys.get(name);
  if (held !== undefined) return held;
  const made = fixedKey("EdDSA", `validator ${name}`);
  keys.set(name, made);
  return made;
}

export function entryOf(name: string): ValidatorEntry {
  return {
    name: mint<Identifier>(name),
    organisation: mint<Identifier>(`organisation-of-${name}`),
    publicKey: keyOf(name).spki.subarray(-32),
  };
}

/** Validators v0 … v(n−1), or these names. */
export function setOf(of: number | readonly string[], epoch = 0): ValidatorSet {
  const names = typeof of === "number" ? Array.from({ length: of }, (_, at) => `v${at}`) : of;
  return new ValidatorSet(epoch, names.map(entryOf));
}

export const notarize = (view: number, digest: Digest, parentView = view - 1): BlockBallot => ({
  kind: "notarize",
  view,
  parentView,
  digest,
});
export const finalize = (view: number, digest: Digest, parentView = view - 1): BlockBallot => ({
  kind: "finalize",
  view,
  parentView,
  digest,
});
export const nullify = (view: number): NullifyBallot => ({ kind: "nullify", view });

/** A validator's signed vote. */
export function voteOf(set: ValidatorSet, voter: number, ballot: Ballot): SignedVote {
  const bytes = voteBytes({ channel, epoch: set.epoch }, ballot);
  return { ballot, voter, signature: keyOf(set.entryOf(voter).name).sign(bytes) };
}

export function voteMessage(set: ValidatorSet, voter: number, ballot: Ballot): VoteMessage {
  return { type: "vote", epoch: set.epoch, vote: voteOf(set, voter, ballot) };
}

/** A certificate by these voters; by the first quorum where none are given. */
export function certificateOf<B extends Ballot>(
  set: ValidatorSet,
  ballot: B,
  voters: readonly number[] = Array.from({ length: set.quorum }, (_, at) => at),
): Certificate<B> {
  const signatures = voters.map((voter) => voteOf(set, voter, ballot).signature);
  return { epoch: set.epoch, ballot, voters, signatures };
}

/** Two votes of one validator, whatever they say. */
export function proofOf(
  set: ValidatorSet,
  voter: number,
  [first, second]: readonly [Ballot, Ballot],
): EquivocationProof {
  const signed = (ballot: Ballot) => ({
    ballot,
    signature: voteOf(set, voter, ballot).signature,
  });
  return { epoch: set.epoch, voter, first: signed(first), second: signed(second) };
}

/** What the fake seals are signatures over. */
export function sealBytes({ epoch, size, root }: SealPoint): Uint8Array {
  return concat(utf8("fake seal"), u64(BigInt(epoch)), u64(size), root);
}

export function sealOf(name: string, point: SealPoint): Uint8Array {
  return keyOf(name).sign(sealBytes(point));
}

/** Real signatures, and a fake ledger. */
export function portsOf(name: string, changed: Partial<ReplicaPorts<FakeState>> = {}) {
  return {
    crypto: nodeCrypto,
    sign: (message: Uint8Array) => keyOf(name).sign(message),
    application: new FakeLedger(),
    verifySeal: ({ publicKey }: ValidatorEntry, point: SealPoint, payload: Uint8Array) =>
      nodeCrypto.verify({ algorithm: "EdDSA", point: publicKey }, sealBytes(point), payload),
    ...changed,
  } satisfies ReplicaPorts<FakeState>;
}
