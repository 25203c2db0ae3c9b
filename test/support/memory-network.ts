/** A network that is a fake: frames between nodes of one process, in order, each a turn of the loop later. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import type { PeerFrame, PeerNetwork } from "@tamga/ledger-core/peers/network";

type Receive = (peer: Identifier, channel: Digest, payload: Uint8Array) => void;

export class MemoryNetwork {
  readonly #receivers = new Map<Identifier, Receive>();
  /** Decides what is lost; nothing unless set. */
  isLost: (from: Identifier, to: Identifier, payload: Uint8Array) => boolean = () => false;
  /** Frames and their bytes, lost ones too. */
  frames = 0;
  bytes = 0;

  /** Where frames for a node go; undefined while it is down. */
  attach(name: Identifier, receive: Receive | undefined): void {
    if (receive === undefined) this.#receivers.delete(name);
    else this.#receivers.set(name, receive);
  }

  /** What one node sends by. */
  port(from: Identifier): Pick<PeerNetwork, "send"> {
    return { send: (to, frame) => this.#send(from, to, frame) };
  }

  #send(from: Identifier, to: Identifier, { channel, payload }: PeerFrame): void {
    this.frames++;
    this.bytes += payload.length;
    if (this.isLost(from, to, payload)) return;
    setImmediate(() => this.#receivers.get(to)?.(from, channel, payload));
  }
}
