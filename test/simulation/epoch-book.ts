/** The validator sets that the oracle knows, with its own arithmetic of quorums. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { ValidatorEntry } from "@tamga/ledger-core/consensus/validator-set";
import type { Ballot } from "@tamga/ledger-core/consensus/vote";
import { voteBytes } from "@tamga/ledger-core/consensus/vote";
import { fakeCrypto } from "./fake-keys.ts";
import { require } from "./oracle-violation.ts";

export class EpochBook {
  readonly channel: Digest;
  readonly #sets: (readonly ValidatorEntry[])[];

  constructor(channel: Digest, genesis: readonly ValidatorEntry[]) {
    this.channel = channel;
    this.#sets = [genesis];
  }

  /** The last one that began. */
  get newest(): number {
    return this.#sets.length - 1;
  }

  begin(epoch: number, entries: readonly ValidatorEntry[]): void {
    if (epoch === this.#sets.length) this.#sets.push(entries);
  }

  entriesOf(epoch: number): readonly ValidatorEntry[] {
    return present(this.#sets[epoch], "validators of the epoch");
  }

  has(epoch: number): boolean {
    return this.#sets[epoch] !== undefined;
  }

  entryOf(epoch: number, voter: number): ValidatorEntry | undefined {
    return this.#sets[epoch]?.[voter];
  }

  /** ⌊(n+f)/2⌋+1, f = ⌊(n−1)/3⌋, on purpose not the code under test. */
  quorumOf(epoch: number): number {
    const n = this.entriesOf(epoch).length;
    return 1 + Math.floor((n + Math.floor((n - 1) / 3)) / 2);
  }

  isSigned(epoch: number, ballot: Ballot, voter: number, signature: Uint8Array): boolean {
    const entry = this.entryOf(epoch, voter);
    return (
      entry !== undefined &&
      fakeCrypto.verify(
        { algorithm: "EdDSA", point: entry.publicKey },
        voteBytes({ channel: this.channel, epoch }, ballot),
        signature,
      )
    );
  }

  /** A certificate that an honest validator built on. */
  requireCertificate(rule: string, { epoch, ballot, voters, signatures }: Certificate): void {
    const what = () => `certificate for ${ballot.kind} of view ${ballot.view}, epoch ${epoch}`;
    require(this.has(epoch), rule, () => `${what()}: no such epoch`);
    require(new Set(voters).size === voters.length, rule, () => `${what()}: repeated voter`);
    require(voters.length >= this.quorumOf(epoch), rule, () => `${what()}: no quorum`);
    for (const [at, voter] of voters.entries()) {
      const signature = signatures[at];
      require(signature !== undefined && this.isSigned(epoch, ballot, voter, signature), rule, () =>
        `${what()}: wrong signature of ${voter}`);
    }
  }
}
