/** Lying leaders, each named by its fault. */

import type { Identifier } from "@tamga/ledger-core/base/identifier";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Block } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { Message, Propose } from "@tamga/ledger-core/consensus/message";
import type { BlockBallot } from "@tamga/ledger-core/consensus/vote";
import { Forge, type Liar } from "./liar.ts";

/** Honest but for its proposals. */
abstract class LyingLeader extends Forge implements Liar {
  speak(to: readonly Identifier[], message: Message): void {
    if (message.type === "propose") this.propose(to, message);
    else this.setting.emit(to, message);
  }

  hear(_from: Identifier, _message: Message): void {}

  abstract propose(to: readonly Identifier[], message: Propose): void;

  /** The proposal with another block, signed. */
  protected resigned(message: Propose, block: Block, parentView = message.parentView): Propose {
    const ballot: BlockBallot = {
      kind: "notarize",
      view: message.view,
      parentView,
      digest: this.digestOf(block),
    };
    return { ...message, block, parentView, signature: this.sign(message.epoch, ballot) };
  }
}

/** Proposes after its followers gave up, or just before. */
export class LateProposer extends LyingLeader {
  propose(to: readonly Identifier[], message: Propose): void {
    const { random, deltaMs, emit } = this.setting;
    emit(to, message, random.between(deltaMs, 4 * deltaMs));
  }
}

/** Two valid blocks in one view, each to a part of the others, and votes for both. */
export class EquivocatingLeader extends LyingLeader {
  propose(to: readonly Identifier[], message: Propose): void {
    const { random, emit } = this.setting;
    const { epoch, view, parentView } = message;
    const other = this.retimed(message.block, 1);
    if (other === undefined) {
      emit(to, message);
      return;
    }
    const first = random.sample(to, random.between(1, to.length));
    const second = random.chance(0.2) ? to : to.filter((name) => !first.includes(name));
    emit(first, message);
    emit(second, this.resigned(message, other));
    for (const block of [message.block, other]) {
      const content = { view, parentView, digest: this.digestOf(block) };
      const reach = random.chance(0.5) ? to : random.sample(to, random.between(1, to.length));
      this.sendVote(reach, epoch, { kind: "notarize", ...content });
      if (random.chance(0.7)) this.sendVote(reach, epoch, { kind: "finalize", ...content });
    }
    if (random.chance(0.3)) this.sendVote(to, epoch, { kind: "nullify", view });
  }
}

/** Blocks whose header says what their execution does not give. */
export class WrongRootLeader extends LyingLeader {
  propose(to: readonly Identifier[], message: Propose): void {
    const { random, emit } = this.setting;
    const { header } = message.block;
    const bent = random.pick([
      { stateRoot: Forge.bent(header.stateRoot) },
      { logRoot: Forge.bent(header.logRoot) },
      { txRoot: Forge.bent(header.txRoot) },
      { equivocationRoot: Forge.bent(header.equivocationRoot) },
      { logSize: header.logSize + 1n },
      { height: header.height + 1 },
      { time: unixMillis(header.time + 86_400_000) },
      { time: unixMillis(1) },
      { channel: Forge.bent(header.channel) },
      { epoch: header.epoch + 1 },
      { parentDigest: Forge.bent(header.parentDigest) },
      { parentView: Math.max(0, header.parentView - 1) },
    ]);
    const block = { ...message.block, header: { ...header, ...bent } };
    const proposal = this.resigned(message, block);
    if (random.chance(0.3)) emit(random.sample(to, to.length - 1), message);
    emit(to, proposal);
    const { epoch, view, parentView } = message;
    const content = { view, parentView, digest: this.digestOf(block) };
    this.sendVote(to, epoch, { kind: "finalize", ...content });
  }
}

/** Builds on an older block than it may, over views that nothing nullified; or proposes its parent once more. */
export class StaleParentLeader extends LyingLeader {
  readonly #certificates: Certificate[] = [];
  readonly #blocks = new Map<string, Block>();

  override hear(_from: Identifier, message: Message): void {
    if (message.type === "certificate") this.#certificates.push(message.certificate);
    if (message.type === "propose") this.#note(message);
  }

  #note({ block, parent }: Propose): void {
    this.#blocks.set(String(this.digestOf(block)), block);
    if (parent !== undefined) this.#certificates.push(parent);
  }

  propose(to: readonly Identifier[], message: Propose): void {
    this.#note(message);
    const { random, emit } = this.setting;
    const again = this.#blocks.get(String(message.block.header.parentDigest));
    if (again !== undefined && random.chance(0.3)) {
      emit(to, this.resigned(message, again));
      return;
    }
    const older = this.#certificates.filter(
      ({ epoch, ballot }) =>
        epoch === message.epoch && ballot.kind === "notarize" && ballot.view < message.parentView,
    );
    const parent = older.length === 0 ? undefined : random.pick(older.slice(-4));
    if (parent === undefined || parent.ballot.kind === "nullify") {
      emit(to, message);
      return;
    }
    const { view, digest } = parent.ballot;
    const height = this.#blocks.get(String(digest))?.header.height;
    const block =
      height === undefined ? undefined : this.rebased(message.block, { digest, view, height });
    if (block === undefined) {
      emit(to, message);
      return;
    }
    emit(to, { ...this.resigned(message, block, view), parent });
    const content = { view: message.view, parentView: view, digest: this.digestOf(block) };
    this.sendVote(to, message.epoch, { kind: "finalize", ...content });
  }
}
