/** Boundary blocks of a synthetic channel, with votes and approvals that are good unless a test asks otherwise. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { quorumOf } from "@tamga/ledger-core/base/quorum";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { approvalBytes, approvalsNeeded } from "@tamga/ledger-core/consensus/approval";
import type { Header } from "@tamga/ledger-core/consensus/block";
import { encodeHeader } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { Ballot } from "@tamga/ledger-core/consensus/vote";
import { voteBytes } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { TestKey } from "./certificate-builder.ts";
import type { SyntheticChannel } from "./synthetic-channel.ts";
import { pointOf } from "./synthetic-channel.ts";
import { name } from "./wire-samples.ts";

/** A validator of some epoch. */
export type Member = {
  readonly name: Identifier;
  readonly organisation: Identifier;
  readonly key: TestKey;
};

export type BoundaryOptions = {
  /** Of the channel's log at the boundary; what it is now where left out. */
  readonly size?: bigint;
  /** Changes of the header, before it is voted for. */
  readonly header?: Partial<Header>;
  /** Indices in the present set; a quorum from the first where left out. */
  readonly voters?: readonly number[];
  /** Changes of what is voted for. */
  readonly ballot?: Partial<Extract<Ballot, { digest: Digest }>>;
  /** Indices in the new set; as many as needed from the first where left out. */
  readonly approvers?: readonly number[];
  /** The epoch that they approve; the next one where left out. */
  readonly approvedEpoch?: number;
};

export class SyntheticEpochs {
  readonly boundaries: BoundaryProof[] = [];
  readonly #channel: SyntheticChannel;
  /** The present set. */
  members: readonly Member[];
  #previous: Digest;

  constructor(channel: SyntheticChannel) {
    this.#channel = channel;
    this.#previous = channel.policy.channelId;
    this.members = channel.validators.map(({ name: validator, key }, i) => ({
      name: validator,
      organisation: name(`organisation-${i + 1}`),
      key,
    }));
  }

  /** Ends the present epoch with a good boundary, which becomes part of the chain. */
  end(next: readonly Member[], options: BoundaryOptions = {}): BoundaryProof {
    const proof = this.boundary(next, options);
    this.boundaries.push(proof);
    this.#previous = nodeCrypto.sha256(proof.header);
    this.members = next;
    return proof;
  }

  /** A boundary after the chain as it stands, which stays as it is. */
  boundary(next: readonly Member[], options: BoundaryOptions = {}): BoundaryProof {
    const epoch = this.boundaries.length;
    const { size, root } = this.#channel.log.head();
    const { channelId } = this.#channel.policy;
    const header = encodeHeader({
      channel: channelId,
      epoch,
      view: 7,
      height: 100 * (epoch + 1),
      parentView: 6,
      parentDigest: nodeCrypto.sha256(utf8(`parent of boundary ${epoch}`)),
      txRoot: nodeCrypto.sha256(utf8("no transactions")),
      stateRoot: nodeCrypto.sha256(utf8(`state ${epoch}`)),
      logSize: options.size ?? size,
      logRoot: root,
      time: unixMillis(1_780_000_000_000 + epoch),
      equivocationRoot: nodeCrypto.sha256(utf8("none")),
      seal: true,
      boundary: this.#nextEpoch(next, options),
      ...options.header,
    });
    return { header, finalization: this.#finalize(header, options) };
  }

  #nextEpoch(next: readonly Member[], options: BoundaryOptions): NonNullable<Header["boundary"]> {
    const { channelId } = this.#channel.policy;
    const validators = next.map(({ name: validator, organisation, key }) => ({
      name: validator,
      organisation,
      publicKey: pointOf(key),
    }));
    const epoch = options.approvedEpoch ?? this.boundaries.length + 1;
    const bytes = approvalBytes(nodeCrypto, channelId, { epoch, validators });
    const approvers = options.approvers ?? first(approvalsNeeded(next.length));
    return {
      validators,
      previous: this.#previous,
      approvals: approvers.flatMap((index) => {
        const member = next[index];
        return member === undefined ? [] : [{ index, signature: member.key.sign(bytes) }];
      }),
    };
  }

  #finalize(header: Uint8Array, options: BoundaryOptions): Certificate {
    const epoch = this.boundaries.length;
    const digest = nodeCrypto.sha256(header);
    const ballot = { kind: "finalize", view: 9, parentView: 6, digest, ...options.ballot } as const;
    const bytes = voteBytes({ channel: this.#channel.policy.channelId, epoch }, ballot);
    const voters = options.voters ?? first(quorumOf(this.members.length));
    const signatures = voters.map((voter) => {
      return this.members[voter]?.key.sign(bytes) ?? new Uint8Array(64);
    });
    return { epoch, ballot, voters, signatures };
  }
}

function first(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}
