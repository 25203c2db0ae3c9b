/** Lane heads in plenty, signed ahead: gateways whose lanes grow by a few entries from head to head. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { u32 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { buildConsistency, buildRoot } from "@tamga/ledger-core/log/proof-builder";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import type { LedgerSite, TestGateway } from "../../support/ledger-site.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const emptyList: TreeHead = { size: 0n, root: hasher.empty };
const entriesPerHead = 16;

/** All complete nodes of a lane, so that a head costs its new entries and no more. */
class LaneTree {
  readonly #levels: Digest[][] = [[]];

  get size(): number {
    return this.#levels[0]?.length ?? 0;
  }

  append(leaf: Digest): void {
    let node = leaf;
    for (let level = 0; ; level++) {
      const row = this.#levels[level] ?? [];
      this.#levels[level] = row;
      row.push(node);
      const left = row.at(-2);
      if (row.length % 2 === 1 || left === undefined) return;
      node = hasher.node(left, node);
    }
  }

  head(): TreeHead {
    return { size: BigInt(this.size), root: buildRoot(hasher, this.#read, this.size) };
  }

  consistency(size1: number): readonly Digest[] {
    return buildConsistency(hasher, this.#read, { size1, size2: this.size });
  }

  readonly #read = (level: number, index: number): Digest => {
    const node = this.#levels[level]?.[index];
    if (node === undefined) throw new Error(`no node ${index} at level ${level}`);
    return node;
  };
}

/**
 * The lane-opens of so many gateways, then `heads` lane heads of them in turn.
 *
 * @param channelId of the channel that the lanes are opened in.
 */
export function laneLoad(
  site: LedgerSite,
  channelId: Digest,
  of: { readonly prefix: string; readonly gateways: number; readonly heads: number },
): readonly Transaction[] {
  const lanes = Array.from({ length: of.gateways }, (_, i) => {
    const gateway = site.gateway(`${of.prefix}-${i}`);
    const opening = gateway.open(channelId);
    const tree = new LaneTree();
    tree.append(hasher.leaf(opening.statement));
    return { gateway, opening, tree };
  });
  const heads = Array.from({ length: of.heads }, (_, i) => {
    const lane = lanes[i % lanes.length];
    if (lane === undefined) throw new Error("no lane");
    return nextHead(lane);
  });
  return [...lanes.map(({ opening }) => opening), ...heads];
}

function nextHead({ gateway, tree }: { readonly gateway: TestGateway; readonly tree: LaneTree }) {
  const before = tree.size;
  for (let grown = 0; grown < entriesPerHead; grown++) tree.append(hasher.leaf(u32(tree.size)));
  const consistency = tree.consistency(before);
  return gateway.sayHead({ head: tree.head(), revocations: emptyList, consistency });
}
