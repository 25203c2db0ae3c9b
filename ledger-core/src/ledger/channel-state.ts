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
import { stateMagic } from "../receipt/state-commitment.ts";
import type { TrustPolicy } from "../receipt/trust-policy.ts";
import { keyKinds } from "../wire/enrolment.ts";
import type { Identifier } from "../wire/identifier.ts";
import type {
  Anchor,
  ChannelChange,
  ChannelContent,
  Device,
  DeviceKey,
  Lane,
  Opening,
} from "./channel-content.ts";
import { emptyChannel } from "./channel-content.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { Governance } from "./governance.ts";
import { firstGovernance, governanceAfter, governanceValue, nextGovernance } from "./governance.ts";
import type { LedgerLimits } from "./limits.ts";
import { ledgerLimits } from "./limits.ts";
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
  readonly devices: MerkleMap<Device>;
  readonly deviceKeys: MerkleMap<DeviceKey>;
  readonly anchors: MerkleMap<Anchor>;
  readonly governance: Governance;
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
    const kinds = kindsOf(sha256);
    return new ChannelState(
      { crypto, genesis, limits, hasher, memory: new StatementMemory(crypto) },
      {
        lanes: MerkleMap.of(
          kinds.lanes,
          content.lanes.map((lane) => [lane.gateway, lane]),
        ),
        openings: MerkleMap.of(
          kinds.openings,
          content.openings.map((opening) => [toHex(opening.incarnation), opening]),
        ),
        revocations: RevocationTree.of(hasher, content.revocations),
        devices: MerkleMap.of(
          kinds.devices,
          content.devices.map((device) => [device.name, device]),
        ),
        deviceKeys: MerkleMap.of(
          kinds.deviceKeys,
          content.deviceKeys.map((key) => [toHex(key.kid), key]),
        ),
        anchors: MerkleMap.of(
          kinds.anchors,
          content.anchors.map((anchor) => [anchor.target, anchor]),
        ),
        governance: content.governance ?? firstGovernance(genesis),
        frozenCount: content.lanes.filter(({ frozen }) => frozen).length,
      },
    );
  }

  get genesis(): ChannelGenesis {
    return this.context.genesis;
  }

  /** The members as they are now. */
  get trust(): TrustPolicy {
    return this.#parts.governance.trust;
  }

  get governance(): Governance {
    return this.#parts.governance;
  }

  get devices(): MerkleMap<Device> {
    return this.#parts.devices;
  }

  /** By kid, hexadecimal. */
  get deviceKeys(): MerkleMap<DeviceKey> {
    return this.#parts.deviceKeys;
  }

  /** By target. */
  get anchors(): MerkleMap<Anchor> {
    return this.#parts.anchors;
  }

  get lanes(): MerkleMap<Lane> {
    return this.#parts.lanes;
  }

  lane(gateway: Identifier): Lane | undefined {
    return this.#parts.lanes.get(gateway);
  }

  /** By incarnation, hexadecimal. */
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
    const parts = this.#parts;
    switch (change.type) {
      case "lane-opened": {
        const { lane } = change;
        const { gateway, incarnation, kid } = lane;
        const opening = { incarnation, gateway, kid, root: lane.head.root };
        return this.#with({
          lanes: parts.lanes.with(gateway, { ...lane, index }),
          openings: parts.openings.with(toHex(incarnation), opening),
        });
      }
      case "lane-grown": {
        const { gateway, head } = change;
        const lane = present(parts.lanes.get(gateway), "lane that grew");
        return this.#with({ lanes: parts.lanes.with(gateway, { ...lane, head, index }) });
      }
      case "lane-frozen":
        return this.freeze(change.gateway);
      case "key-revoked":
        return this.#with({ revocations: parts.revocations.with(change.revoked) });
      case "device-key-stated": {
        const { name: device, kid, organisation } = change.device;
        return this.#with({
          devices: parts.devices.with(device, change.device),
          deviceKeys: parts.deviceKeys.with(toHex(kid), { kid, device, organisation }),
        });
      }
      case "anchored": {
        const { target, head } = change;
        return this.#with({ anchors: parts.anchors.with(target, { target, head, index }) });
      }
      case "policy-set":
      case "members-chosen":
        return this.#with({ governance: governanceAfter(parts.governance, change) });
      default:
        return assertNever(change);
    }
  }

  /** The state after the boundary block that the pending change of members asked for. */
  beginEpoch(): ChannelState {
    return this.#with({ governance: nextGovernance(this.#parts.governance) });
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

  /** All of it, each section in the order of its keys' hashes. */
  content(): ChannelContent & { readonly governance: Governance } {
    const { lanes, openings, revocations, devices, deviceKeys, anchors, governance } = this.#parts;
    return {
      lanes: [...lanes.values()],
      openings: [...openings.values()],
      revocations: revocations.entries,
      devices: [...devices.values()],
      deviceKeys: [...deviceKeys.values()],
      anchors: [...anchors.values()],
      governance,
    };
  }

  /**
   * Commits to everything in the state and to nothing of how it came about: a state that was loaded has
   * the root of the one that was stored. SHA-256 over the sections' sizes and roots (DESIGN.md 19).
   */
  root(): Digest {
    this.#root ??= this.context.crypto.sha256(this.commitment());
    return this.#root;
  }

  /** What the root is the hash of (WIRE.md §13.1). */
  commitment(): Uint8Array {
    return encodeCbor(this.#commitment());
  }

  #commitment(): CborValue {
    const { lanes, openings, revocations, devices, deviceKeys, anchors, governance } = this.#parts;
    const list = revocations.head;
    return [
      stateMagic,
      this.genesis.identity.id,
      ...[lanes, openings, devices, deviceKeys, anchors].map((map) => [map.size, map.root()]),
      [list.size, list.root],
      governanceValue(governance),
    ];
  }

  #with(parts: Partial<ChannelParts>): ChannelState {
    return new ChannelState(this.context, { ...this.#parts, ...parts });
  }
}

/** By what each entry of a section is committed to. */
function kindsOf(sha256: (bytes: Uint8Array) => Digest) {
  return {
    // The certificate's key is what counts, and its thumbprint is there.
    lanes: merkleMapKind<Lane>(sha256, (lane) => [
      lane.organisation,
      lane.kid,
      lane.incarnation,
      lane.head.size,
      lane.head.root,
      lane.index,
      lane.frozen,
    ]),
    openings: merkleMapKind<Opening>(sha256, ({ gateway, kid, root }) => [gateway, kid, root]),
    devices: merkleMapKind<Device>(sha256, (device) => [
      device.organisation,
      device.kid,
      device.certificate,
      keyKinds.indexOf(device.keyKind),
    ]),
    deviceKeys: merkleMapKind<DeviceKey>(sha256, ({ device, organisation }) => [
      device,
      organisation,
    ]),
    anchors: merkleMapKind<Anchor>(sha256, ({ head, index }) => [head.size, head.root, index]),
  };
}
