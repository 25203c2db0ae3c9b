/** Validators that lie with votes and certificates, each named by its fault. */

import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { Message, Propose } from "@tamga/ledger-core/consensus/message";
import type { Ballot, SignedVote } from "@tamga/ledger-core/consensus/vote";
import { ballotKey } from "./keys-of.ts";
import { Forge, type Liar } from "./liar.ts";

/** Says nothing. */
export class Silent extends Forge implements Liar {
  speak(_to: readonly Identifier[], _message: Message): void {}
  hear(_from: Identifier, _message: Message): void {}
}

/** Acts once in each view that it hears of; else it is honest. */
abstract class OncePerView extends Forge implements Liar {
  readonly #seen = new Set<string>();

  speak(to: readonly Identifier[], message: Message): void {
    this.setting.emit(to, message);
    this.#note(message);
  }

  hear(_from: Identifier, message: Message): void {
    this.#note(message);
  }

  #note(message: Message): void {
    const proposed = message.type === "propose";
    if (!proposed && message.type !== "vote") return;
    const { epoch } = message;
    const ballot: Ballot = proposed
      ? { ...message, kind: "notarize", digest: this.digestOf(message.block) }
      : message.vote.ballot;
    const key = ballotKey(
      epoch,
      ballot.kind === "finalize" ? { ...ballot, kind: "notarize" } : ballot,
    );
    if (this.#seen.has(key) || this.indexIn(epoch) < 0) return;
    this.#seen.add(key);
    this.act(epoch, ballot);
  }

  abstract act(epoch: number, ballot: Ballot): void;
}

/** Nullifies every view, whatever it voted. */
export class Nullifier extends OncePerView {
  act(epoch: number, { view }: Ballot): void {
    const { random, deltaMs } = this.setting;
    const reach = random.chance(0.7) ? this.others(epoch) : random.sample(this.others(epoch), 2);
    this.sendVote(reach, epoch, { kind: "nullify", view }, random.between(0, 2 * deltaMs));
  }
}

/** Votes for every block of every view, to notarize and to finalize it, and nullifies the view too. */
export class FinalizeAndNullify extends OncePerView {
  act(epoch: number, ballot: Ballot): void {
    const { random, deltaMs } = this.setting;
    const others = this.others(epoch);
    const reach = () => random.sample(others, random.between(1, others.length));
    const later = () => random.between(0, 2 * deltaMs);
    this.sendVote(reach(), epoch, { kind: "nullify", view: ballot.view }, later());
    if (ballot.kind === "nullify") return;
    const { view, parentView, digest } = ballot;
    this.sendVote(reach(), epoch, { kind: "notarize", view, parentView, digest }, later());
    this.sendVote(reach(), epoch, { kind: "finalize", view, parentView, digest }, later());
  }
}

/** Repeats what was said long ago, also under the name of another epoch. */
export class OldEpochReplayer extends Forge implements Liar {
  readonly #heard: Message[] = [];

  speak(to: readonly Identifier[], message: Message): void {
    this.setting.emit(to, message);
    this.hear(this.setting.name, message);
  }

  hear(_from: Identifier, message: Message): void {
    const { random, emit, deltaMs } = this.setting;
    if (message.type === "status" || message.type === "transactions") return;
    if (this.#heard.length < 400) this.#heard.push(message);
    else this.#heard[random.int(400)] = message;
    if (!random.chance(0.15)) return;
    const old = random.pick(this.#heard);
    const epoch = "epoch" in old ? old.epoch : 0;
    const to = this.others(0);
    emit(to, old, random.between(0, 10 * deltaMs));
    for (const other of [epoch + 1, Math.max(0, epoch - 1)])
      if (old.type === "vote" || old.type === "propose" || old.type === "seal")
        emit(to, { ...old, epoch: other }, random.between(0, 4 * deltaMs));
      else if (old.type === "certificate")
        emit(to, { ...old, certificate: { ...old.certificate, epoch: other } });
  }
}

/**
 * Makes certificates out of too few votes, its own many times over, or others' for something else; votes and
 * proposes in others' names.
 */
export class CertificateForger extends Forge implements Liar {
  readonly #votes = new Map<string, Map<number, SignedVote>>();

  speak(to: readonly Identifier[], message: Message): void {
    this.setting.emit(to, message);
    this.#note(message);
  }

  hear(_from: Identifier, message: Message): void {
    this.#note(message);
  }

  #note(message: Message): void {
    if (message.type === "propose") this.#proposeAsAnother(message);
    if (message.type !== "vote" || this.indexIn(message.epoch) < 0) return;
    const { epoch, vote } = message;
    const key = ballotKey(epoch, vote.ballot);
    const votes = this.#votes.get(key) ?? new Map<number, SignedVote>();
    this.#votes.set(key, votes);
    votes.set(vote.voter, vote);
    votes.set(this.indexIn(epoch), this.vote(epoch, vote.ballot));
    if (!this.setting.random.chance(0.3)) return;
    this.setting.emit(this.others(epoch), {
      type: "certificate",
      certificate: this.#forge(epoch, vote.ballot, votes),
    });
    this.#voteAsAnother(epoch, vote.ballot);
  }

  #voteAsAnother(epoch: number, ballot: Ballot): void {
    const voter = this.setting.random.int(this.setting.entriesOf(epoch).length);
    const vote = { ...this.vote(epoch, ballot), voter };
    this.setting.emit(this.others(epoch), { type: "vote", epoch, vote });
  }

  #proposeAsAnother(message: Propose): void {
    const { epoch, view, parentView } = message;
    if (this.indexIn(epoch) < 0 || !this.setting.random.chance(0.3)) return;
    const block = this.retimed(message.block, 1);
    if (block === undefined) return;
    const digest = this.digestOf(block);
    const signature = this.sign(epoch, { kind: "notarize", view, parentView, digest });
    this.setting.emit(this.others(epoch), { ...message, block, signature });
  }

  #forge(epoch: number, ballot: Ballot, votes: ReadonlyMap<number, SignedVote>): Certificate {
    const { random } = this.setting;
    const all = [...votes.values()].sort((a, b) => a.voter - b.voter);
    const voters = all.map(({ voter }) => voter);
    const signatures = all.map(({ signature }) => signature);
    const size = this.setting.entriesOf(epoch).length;
    const everybody = Array.from({ length: size }, (_, voter) => voter);
    const own = this.vote(epoch, ballot);
    switch (random.int(4)) {
      case 0:
        return { epoch, ballot, voters, signatures };
      case 1: // Its own vote, as if many had cast it.
        return { epoch, ballot, voters: everybody, signatures: everybody.map(() => own.signature) };
      case 2: // One signer many times.
        return {
          epoch,
          ballot,
          voters: everybody.map(() => own.voter),
          signatures: everybody.map(() => own.signature),
        };
      default: // Votes for another kind.
        return {
          epoch,
          ballot:
            ballot.kind === "nullify"
              ? ballot
              : { ...ballot, kind: ballot.kind === "notarize" ? "finalize" : "notarize" },
          voters,
          signatures,
        };
    }
  }
}
