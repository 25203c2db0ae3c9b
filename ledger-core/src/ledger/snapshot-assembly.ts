/**
 * Puts a snapshot together out of parts that nobody has to be trusted for. Pure: the boundaries lead to the
 * validators whose certificate makes the block final, its header has the root of the state and of the log,
 * and each part is held against them before it is given on.
 */

import { present } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { concat, equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Block, Header } from "../consensus/block.ts";
import { encodeHeader, equivocationRootOf, headerDigest } from "../consensus/block.ts";
import type { Certificate } from "../consensus/certificate.ts";
import { verifyCertificate } from "../consensus/certificate.ts";
import type {
  SnapshotAnswer,
  SnapshotBoundaries,
  SnapshotContent,
  SnapshotEntries,
  SnapshotHead,
  SnapshotPart,
  SnapshotSeal,
} from "../consensus/snapshot-message.ts";
import type { ValidatorSet } from "../consensus/validator-set.ts";
import type { CompactRange } from "../log/compact-range.ts";
import { verifyConsistency } from "../log/consistency-proof.ts";
import type { TreeHasher } from "../log/leaf-hash.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { rootOf } from "../log/merkle-root.ts";
import type { EpochStep } from "../receipt/epoch-boundary.ts";
import { firstEpoch, followBoundary } from "../receipt/epoch-boundary.ts";
import { epochsMax } from "../receipt/limits.ts";
import { secondKeyOf } from "../receipt/verify-ml-dsa.ts";
import { parseTransaction } from "../wire/transaction.ts";
import { parseContent } from "./channel-content-codec.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ChannelState } from "./channel-state.ts";
import { contentBytesMax } from "./limits.ts";
import { verifySealPayload } from "./seal-payload.ts";

/** A block that ended an epoch, verified: final by the validators before it. */
export type VerifiedBoundary = { readonly block: Block; readonly certificate: Certificate };

/** All of a snapshot, under the quorum's certificate; only {@link SnapshotAssembly} makes it. */
export type VerifiedSnapshot = Brand<
  {
    readonly block: Block;
    readonly digest: Digest;
    readonly certificate: Certificate;
    readonly state: ChannelState;
    readonly content: Uint8Array;
    /** Of all epochs before the block's. */
    readonly boundaries: readonly VerifiedBoundary[];
    readonly seal: SnapshotSeal | undefined;
    /** Whether the seal's signatures are over this root, which the log has at the seal's size. */
    readonly isSealOf: (root: Digest) => boolean;
  },
  "VerifiedSnapshot"
>;

/** Log entries that stand where they say, to be put aside until the rest is there. */
export type VerifiedEntries = { readonly first: number; readonly entries: readonly Uint8Array[] };

export type SnapshotFault =
  /** Not a final block's header, body and certificate. */
  | { readonly code: "SNAPSHOT_HEAD_WRONG"; readonly cause: string }
  | { readonly code: "SNAPSHOT_BOUNDARY_WRONG"; readonly cause: string }
  | { readonly code: "SNAPSHOT_CONTENT_WRONG"; readonly cause: string }
  | { readonly code: "SNAPSHOT_ENTRIES_WRONG"; readonly cause: string }
  | { readonly code: "SNAPSHOT_SEAL_WRONG" }
  /** A part that is not of this snapshot or does not go on where the last one ended. */
  | { readonly code: "SNAPSHOT_PART_UNASKED" };

export class SnapshotAssembly {
  readonly head: SnapshotHead;
  readonly digest: Digest;
  readonly #crypto: CryptoPort;
  readonly #genesis: ChannelGenesis;
  readonly #hasher: TreeHasher;
  readonly #log: CompactRange;
  readonly #boundaries: VerifiedBoundary[] = [];
  readonly #sets: ValidatorSet[];
  readonly #content: Uint8Array[] = [];
  #contentBytes = 0;
  #step: EpochStep;
  #isFinal = false;
  #state: ChannelState | undefined;

  private constructor(
    { crypto, genesis }: { readonly crypto: CryptoPort; readonly genesis: ChannelGenesis },
    { head, log }: { readonly head: SnapshotHead; readonly log: CompactRange },
  ) {
    this.#crypto = crypto;
    this.#genesis = genesis;
    this.#hasher = treeHasher((bytes) => crypto.sha256(bytes));
    this.#log = log;
    this.head = head;
    this.digest = headerDigest(crypto, head.block.header);
    this.#step = firstEpoch(genesis.policy);
    this.#sets = [this.#step.set];
  }

  /**
   * Begins with a head of which nothing is believed yet.
   *
   * @param log the log as it is here, with what was put aside of it, and no longer than the head's; it grows
   *   by what is taken.
   * Faults: SNAPSHOT_HEAD_WRONG, and SNAPSHOT_SEAL_WRONG where no epoch has to be fetched for it.
   */
  static begin(
    parts: { readonly crypto: CryptoPort; readonly genesis: ChannelGenesis },
    given: { readonly head: SnapshotHead; readonly log: CompactRange },
  ): Result<SnapshotAssembly, SnapshotFault> {
    const { header } = given.head.block;
    const wrong = (cause: string) => err({ code: "SNAPSHOT_HEAD_WRONG", cause } as const);
    if (!equal(header.channel, parts.genesis.identity.id)) return wrong("OTHER_CHANNEL");
    if (header.height === 0) return wrong("HEIGHT");
    if (header.epoch > epochsMax) return wrong("EPOCHS");
    if (header.logSize > BigInt(Number.MAX_SAFE_INTEGER)) return wrong("LOG_SIZE");
    if (header.logSize < BigInt(given.log.size)) return wrong("LOG_SHORTER");
    const { contentBytes } = given.head;
    if (contentBytes === 0 || contentBytes > contentBytesMax) return wrong("CONTENT_BYTES");
    const assembly = new SnapshotAssembly(parts, given);
    const fault = assembly.#settleHead();
    return fault === undefined ? ok(assembly) : err(fault);
  }

  get height(): number {
    return this.#header.height;
  }

  /** What to fetch next; undefined once all of it is here and holds. */
  get missing(): { readonly part: SnapshotPart; readonly from: number } | undefined {
    if (!this.#isFinal) return { part: "boundaries", from: this.#step.set.epoch };
    if (this.#state === undefined) return { part: "content", from: this.#contentBytes };
    const { size } = this.#log;
    return BigInt(size) < this.#header.logSize ? { part: "entries", from: size } : undefined;
  }

  /**
   * Takes the part that is missing, also one that begins earlier: of it only the rest.
   *
   * @returns the log entries that are new in it. After a fault nothing that it brought is kept; a content
   *   that is whole and wrong is gone altogether.
   */
  take(part: Exclude<SnapshotAnswer, SnapshotHead>): Result<VerifiedEntries, SnapshotFault> {
    const { missing } = this;
    const isAwaited =
      part.height === this.height &&
      missing !== undefined &&
      part.type === `snapshot-${missing.part}` &&
      part.from <= missing.from;
    if (!isAwaited) return unasked;
    switch (part.type) {
      case "snapshot-boundaries":
        return this.#takeBoundaries(part);
      case "snapshot-content":
        return this.#takeContent(part);
      case "snapshot-entries":
        return this.#takeEntries(part);
    }
  }

  /** Undefined while a part is missing. */
  verified(): VerifiedSnapshot | undefined {
    if (this.missing !== undefined) return undefined;
    const { block, certificate, seal } = this.head;
    return mint<VerifiedSnapshot>({
      block,
      digest: this.digest,
      certificate,
      state: present(this.#state, "the state of a snapshot that is whole"),
      content: concat(...this.#content),
      boundaries: this.#boundaries,
      seal,
      isSealOf: (root: Digest) => this.#isSealOf(root),
    });
  }

  get #header(): Header {
    return this.head.block.header;
  }

  #takeBoundaries(part: SnapshotBoundaries): Result<VerifiedEntries, SnapshotFault> {
    const wrong = (cause: string) => err({ code: "SNAPSHOT_BOUNDARY_WRONG", cause } as const);
    const fresh = part.boundaries.slice(this.#step.set.epoch - part.from);
    if (fresh.length === 0) return unasked;
    for (const boundary of fresh) {
      if (this.#step.set.epoch === this.#header.epoch) return unasked;
      const { block, certificate } = boundary;
      if (block.transactions.length > 0 || !hasBody(this.#crypto, this.#hasher, block))
        return wrong("BODY");
      const proof = { header: encodeHeader(block.header), finalization: certificate };
      const next = followBoundary(this.#crypto, this.#genesis.policy, { step: this.#step, proof });
      if (!next.ok) return wrong(next.fault.code);
      this.#step = next.value;
      this.#sets.push(this.#step.set);
      this.#boundaries.push(boundary);
    }
    const fault = this.#settleHead();
    return fault === undefined ? nothing : err(fault);
  }

  /** Once the epochs up to the head's are known: whether it is final, and sealed as it says. */
  #settleHead(): SnapshotFault | undefined {
    const { block, certificate } = this.head;
    const { header } = block;
    const { set, height, time, epoch } = this.#step;
    if (header.epoch !== set.epoch) return undefined;
    const wrong = (cause: string) => ({ code: "SNAPSHOT_HEAD_WRONG", cause }) as const;
    if (header.height <= height || header.time < time || header.logSize < epoch.from)
      return wrong("WENT_BACK");
    const { ballot } = certificate;
    if (ballot.kind !== "finalize" || !equal(ballot.digest, this.digest)) return wrong("NOT_FINAL");
    const of = { channel: header.channel, validators: set };
    const verified = verifyCertificate(this.#crypto, of, certificate);
    if (!verified.ok) return wrong(verified.fault.code);
    if (!hasBody(this.#crypto, this.#hasher, block)) return wrong("BODY");
    if (!this.#isSealFormed()) return { code: "SNAPSHOT_SEAL_WRONG" };
    const isWhole = BigInt(this.#log.size) === header.logSize;
    if (isWhole && !equal(this.#log.root(), header.logRoot)) return wrong("LOG_APART");
    this.#isFinal = true;
    return undefined;
  }

  /** A quorum of one epoch, over a size of this log; its signatures need the root there. */
  #isSealFormed(): boolean {
    const { seal } = this.head;
    if (seal === undefined) return true;
    const set = this.#sets[seal.epoch];
    const isInside = seal.size > 0n && seal.size <= this.#header.logSize;
    const voters = seal.seals.map(({ validator }) => validator);
    const isSet = set !== undefined && voters.every((voter, at) => voter > (voters[at - 1] ?? -1));
    return isInside && isSet && voters.length >= set.quorum && voters.every((at) => set.has(at));
  }

  #takeContent(part: SnapshotContent): Result<VerifiedEntries, SnapshotFault> {
    const wrong = (cause: string) => err({ code: "SNAPSHOT_CONTENT_WRONG", cause } as const);
    const fresh = part.bytes.subarray(this.#contentBytes - part.from);
    const { contentBytes } = this.head;
    if (fresh.length === 0 || this.#contentBytes + fresh.length > contentBytes) return unasked;
    this.#content.push(fresh);
    this.#contentBytes += fresh.length;
    if (this.#contentBytes < contentBytes) return nothing;
    const bytes = concat(...this.#content);
    const { stateRoot } = this.#header;
    const of = { crypto: this.#crypto, genesis: this.#genesis };
    const parsed = parseContent(of, { bytes, stateRoot });
    this.#content.length = 0;
    this.#contentBytes = 0;
    if (!parsed.ok) return wrong(parsed.fault.code);
    this.#content.push(bytes);
    this.#contentBytes = contentBytes;
    this.#state = parsed.value;
    return nothing;
  }

  #takeEntries(part: SnapshotEntries): Result<VerifiedEntries, SnapshotFault> {
    const wrong = (cause: string) => err({ code: "SNAPSHOT_ENTRIES_WRONG", cause } as const);
    const first = this.#log.size;
    const entries = part.entries.slice(first - part.from);
    const end = BigInt(first + entries.length);
    const { logSize, logRoot } = this.#header;
    if (entries.length === 0 || end > logSize) return unasked;
    if (entries.some((entry) => entry.length === 0)) return wrong("EMPTY");
    const leaves = entries.map((entry) => this.#hasher.leaf(entry));
    const grown = this.#log.copy();
    grown.appendAll(leaves);
    const consistent = verifyConsistency(this.#hasher, {
      size1: end,
      size2: logSize,
      root1: grown.root(),
      root2: logRoot,
      path: part.path,
    });
    if (!consistent.ok) return wrong(consistent.fault.code);
    this.#log.appendAll(leaves);
    return ok({ first, entries });
  }

  #isSealOf(root: Digest): boolean {
    const { seal } = this.head;
    const set = seal === undefined ? undefined : this.#sets[seal.epoch];
    if (seal === undefined || set === undefined) return false;
    const head = { origin: this.#genesis.identity.origin, size: seal.size, root };
    return seal.seals.every(({ validator: index, payload }) => {
      const validator = set.entryOf(index);
      const secondKey = secondKeyOf(this.#genesis.policy, validator);
      return verifySealPayload(this.#crypto, { validator, secondKey }, head, payload);
    });
  }
}

function hasBody(
  crypto: Pick<CryptoPort, "sha256">,
  hasher: TreeHasher,
  { header, transactions, equivocations }: Block,
): boolean {
  const leaves = transactions.map((transaction) => hasher.leaf(transaction));
  return (
    equal(rootOf(hasher, leaves), header.txRoot) &&
    equal(equivocationRootOf(crypto, equivocations), header.equivocationRoot) &&
    transactions.every((transaction) => parseTransaction(transaction).ok)
  );
}

const nothing: Result<VerifiedEntries, never> = ok({ first: 0, entries: [] });
const unasked = err({ code: "SNAPSHOT_PART_UNASKED" } as const);
