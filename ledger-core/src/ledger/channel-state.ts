/**
 * The state of a channel, as an immutable value: a change makes a new state and leaves the old one as it
 * was, so that several blocks may follow one parent. Pure.
 */

import { assertNever, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { TreeHasher } from "../log/leaf-hash.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { TrustPolicy } from "../receipt/trust-policy.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { ChannelChange, ChannelContent, Lane, Opening } from "./channel-content.ts";
import { emptyChannel } from "./channel-content.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { LedgerLimits } from "./limits.ts";
import { ledgerLimits } from "./limits.ts";
import type { MerkleMapKind } from "./merkle-map.ts";
import { MerkleMap, merkleMapKind } from "./merkle-map.ts";
import { RevocationTree } from "./revocation-tree.ts";
import { StatementMemory } from "./statement-memory.ts";

/** What is the same in every state of a channel. */
export type ChannelContext = {
  readonly crypto: CryptoPort;
  readonly genesis: ChannelGenesis;
  readonly limits: LedgerLimits;
  readonly hasher: TreeHasher;
  readonly memory: StatementMemory;
};

/** The sections of a state. */
type ChannelParts = {
  readonly lanes: MerkleMap<Lane>;
  readonly openings: MerkleMap<Opening>;
  readonly revocations: RevocationTree;
  readonly frozenCount: number;
};

export class ChannelState {
  readonly context: ChannelContext;
  readonly #parts: ChannelParts;
  #root: Digest | undefined;

  private constructor(context: ChannelContext, parts: ChannelParts) {
    this.context = context;
    this.#parts = parts;
  }

  static of(
    { crypto, genesis }: { readonly crypto: CryptoPort; readonly genesis: ChannelGenesis },
    content: ChannelContent = emptyChannel,
    limits: LedgerLimits = ledgerLimits,
  ): ChannelState {
    const sha256 = (bytes: Uint8Array) => crypto.sha256(bytes);
    const hasher = treeHasher(sha256);
    const { lanes, openings } = kindsOf(sha256);
    return new ChannelState(
      { crypto, genesis, limits, hasher, memory: new StatementMemory(crypto) },
      {
        lanes: MerkleMap.of(
          lanes,
          content.lanes.map((lane) => [lane.gateway, lane]),
        ),
        openings: MerkleMap.of(
          openings,
          content.openings.map((opening) => [toHex(opening.incarnation), opening]),
        ),
        revocations: RevocationTree.of(hasher, content.revocations),
        frozenCount: content.lanes.filter(({ frozen }) => frozen).length,
      },
    );
  }

  get genesis(): ChannelGenesis {
    return this.context.genesis;
  }

  /** The members as they are now. */
  get trust(): TrustPolicy {
    return this.context.genesis.policy;
  }

  get lanes(): MerkleMap<Lane> {
    return this.#parts.lanes;
  }

  lane(gateway: Identifier): Lane | undefined {
    return this.#parts.lanes.get(gateway);
  }

  get openings(): MerkleMap<Opening> {
    return this.#parts.openings;
  }

  /** Lanes of gateways that contradicted themselves. */
  get frozenCount(): number {
    return this.#parts.frozenCount;
  }

  get revocations(): RevocationTree {
    return this.#parts.revocations;
  }

  /** The state after a transaction that `judgeTransaction` accepted in this one. */
  apply(change: ChannelChange, index: bigint): ChannelState {
    const { lanes, openings, revocations } = this.#parts;
    switch (change.type) {
      case "lane-opened": {
        const { lane } = change;
        const { gateway, incarnation, kid } = lane;
        const opening = { incarnation, gateway, kid, root: lane.head.root };
        return this.#with({
          lanes: lanes.with(gateway, { ...lane, index }),
          openings: openings.with(toHex(incarnation), opening),
        });
      }
      case "lane-grown": {
        const lane = present(lanes.get(change.gateway), "lane that grew");
        return this.#with({
          lanes: lanes.with(change.gateway, { ...lane, head: change.head, index }),
        });
      }
      case "key-revoked":
        return this.#with({ revocations: revocations.with(change.revoked) });
      default:
        return assertNever(change);
    }
  }

  /** From two inconsistent heads on nothing more of this gateway is ordered. */
  freeze(gateway: Identifier): ChannelState {
    const { lanes, frozenCount } = this.#parts;
    const lane = present(lanes.get(gateway), "lane to freeze");
    if (lane.frozen) return this;
    return this.#with({
      lanes: lanes.with(gateway, { ...lane, frozen: true }),
      frozenCount: frozenCount + 1,
    });
  }

  /**
   * Commits to everything in the state and to nothing of how it came about: a state that was loaded has
   * the root of the one that was stored. SHA-256 over the sections' sizes and roots (DESIGN.md 19).
   */
  root(): Digest {
    this.#root ??= this.context.crypto.sha256(encodeCbor(this.#commitment()));
    return this.#root;
  }

  #commitment(): CborValue {
    const { lanes, openings, revocations } = this.#parts;
    const list = revocations.head;
    return [
      "tamga/state/1",
      this.genesis.identity.id,
      [lanes.size, lanes.root()],
      [openings.size, openings.root()],
      [list.size, list.root],
    ];
  }

  #with(parts: Partial<ChannelParts>): ChannelState {
    return new ChannelState(this.context, { ...this.#parts, ...parts });
  }
}

/** By what each entry of a section is committed to. */
function kindsOf(sha256: (bytes: Uint8Array) => Digest): {
  readonly lanes: MerkleMapKind<Lane>;
  readonly openings: MerkleMapKind<Opening>;
} {
  return {
    // The certificate's key is what counts, and its thumbprint is there.
    lanes: merkleMapKind(sha256, (lane) => [
      lane.organisation,
      lane.kid,
      lane.incarnation,
      lane.head.size,
      lane.head.root,
      lane.index,
      lane.frozen,
    ]),
    openings: merkleMapKind(sha256, ({ gateway, kid, root }) => [gateway, kid, root]),
  };
}
