/** Peers that lie about the chain or drown others, each named by its fault. */

import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { FinalBlocks, Message, Status } from "@tamga/ledger-core/consensus/message";
import { Forge, type Liar } from "./liar.ts";

/** Claims heights and views that do not exist, answers with other blocks, or not at all. */
export class LyingSyncPeer extends Forge implements Liar {
  speak(to: readonly Identifier[], message: Message): void {
    const { random, emit } = this.setting;
    if (message.type === "final-blocks" && random.chance(0.3)) return;
    emit(to, this.#lie(message));
  }

  hear(_from: Identifier, _message: Message): void {}

  #lie(message: Message): Message {
    const { random } = this.setting;
    switch (message.type) {
      case "status":
        return random.chance(0.5) ? this.#boast(message) : message;
      case "final-blocks":
        return this.#twisted(message);
      case "blocks":
        return {
          ...message,
          blocks: message.blocks.map((block) =>
            random.chance(0.5) ? { ...block, transactions: [random.bytes(5)] } : block,
          ),
        };
      default:
        return message;
    }
  }

  #boast(status: Status): Status {
    const { random } = this.setting;
    return {
      ...status,
      view: status.view + random.int(1_000),
      finalHeight: status.finalHeight + random.int(1_000),
      sealedSize: status.sealedSize + BigInt(random.int(1_000)),
    };
  }

  #twisted(message: FinalBlocks): FinalBlocks {
    const { random } = this.setting;
    const blocks = [...message.blocks];
    const at = random.int(blocks.length);
    const block = blocks[at];
    if (block === undefined) return message;
    const { header } = block;
    const lies = [
      { ...block, transactions: [random.bytes(5)] },
      { ...block, header: { ...header, stateRoot: Forge.bent(header.stateRoot) } },
      { ...block, header: { ...header, height: header.height + 1 } },
    ];
    blocks[at] = random.pick(lies);
    if (random.chance(0.2)) blocks.splice(at, 1);
    const { certificate } = message;
    const signatures = certificate.signatures.map((signature) =>
      random.chance(0.3) ? random.bytes(64) : signature,
    );
    return random.chance(0.5)
      ? { ...message, blocks }
      : { ...message, certificate: { ...certificate, signatures } };
  }
}

/** Sends ten times what it has to say, and much that means nothing. */
export class Flooder extends Forge implements Liar {
  #budget = 1_500;

  speak(to: readonly Identifier[], message: Message): void {
    this.setting.emit(to, message);
    this.#flood(message);
  }

  hear(_from: Identifier, message: Message): void {
    this.#flood(message);
  }

  #flood(message: Message): void {
    const { random, emit } = this.setting;
    if (message.type !== "vote" || this.indexIn(message.epoch) < 0) return;
    if (this.#budget <= 0 || !random.chance(0.3)) return;
    this.#budget--;
    const { epoch, vote } = message;
    const to = this.others(epoch);
    const view = vote.ballot.view + random.int(60);
    const digest = Forge.bent(this.digestOfBytes(random.bytes(8)));
    const junk: readonly (() => void)[] = [
      () => this.sendVote(to, epoch, { kind: "nullify", view }),
      () => this.sendVote(to, epoch, { kind: "notarize", view, parentView: view - 1, digest }),
      () => this.sendVote(to, epoch, { kind: "finalize", view, parentView: view - 1, digest }),
      () => emit(to, { type: "transactions", transactions: [random.bytes(random.between(1, 9))] }),
      () => emit(to, { type: "fetch-blocks", epoch, digests: [digest] }),
      () => emit(to, { type: "fetch-heights", from: random.int(30) }),
      () => emit(to, { type: "fetch-certificates", epoch, from: 0, to: view }),
      () =>
        emit(to, { type: "seal", epoch, size: BigInt(random.int(50)), payload: random.bytes(64) }),
      () => emit(to, message),
    ];
    random.pick(junk)();
  }
}
