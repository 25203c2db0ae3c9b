/** Cuts the bytes of a link into frames: length, type, body (WIRE.md §17.1). Pure. */

import { concat, u32 } from "../base/bytes.ts";
import type { PeerLimits } from "./limits.ts";

/** Types by their numbers on the wire; `message` is the one that carries a channel's bytes. */
export const frameTypes = {
  hello: 1,
  refuse: 2,
  ping: 3,
  pong: 4,
  message: 8,
  relayOpen: 16,
  relayData: 17,
  relayCredit: 18,
  relayEnd: 19,
  relayClose: 20,
} as const;
export type FrameType = keyof typeof frameTypes;

/** The body is the reader's own copy. */
export type Frame = { readonly type: FrameType; readonly body: Uint8Array };

export type FrameFault =
  | { readonly code: "PEER_FRAME_TOO_LONG"; readonly limit: number; readonly declared: number }
  | { readonly code: "PEER_FRAME_UNKNOWN"; readonly type: number }
  | { readonly code: "PEER_FRAME_OUT_OF_PLACE"; readonly type: FrameType };

export type FrameRead =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "more" }
  | { readonly kind: "fault"; readonly fault: FrameFault };

/** Bytes before a body: u32 length of the body, u8 type. */
export const frameHeadBytes = 5;

/** Most bytes of each type's body; a relayed stream's number takes four. */
export function bodyBytesMax(type: FrameType, limits: PeerLimits): number {
  switch (type) {
    case "hello":
    case "refuse":
    case "relayOpen":
    case "relayClose":
      return limits.greetingBytesMax;
    case "ping":
    case "pong":
    case "relayCredit":
      return 8;
    case "message":
      return limits.frameBytesMax;
    case "relayData":
      return limits.relayDataBytesMax + 4;
    case "relayEnd":
      return 4;
  }
}

/** The frame's bytes in parts, so that a long body is not copied. */
export function frameParts(type: FrameType, ...body: readonly Uint8Array[]): readonly Uint8Array[] {
  let length = 0;
  for (const part of body) length += part.length;
  return [concat(u32(length), Uint8Array.of(frameTypes[type])), ...body];
}

/**
 * Holds at most the chunk that it was last given and the part of one frame that has come: a declared
 * length costs nothing until its bytes are there. After the first fault it says nothing else.
 */
export class FrameReader {
  readonly #limits: PeerLimits;
  readonly #head = new Uint8Array(frameHeadBytes);
  #isGreeted = false;
  #chunk: Uint8Array = nothing;
  #headLength = 0;
  #type: FrameType | undefined;
  #body: Uint8Array = nothing;
  #bodyLength = 0;
  #filled = 0;
  #fault: FrameFault | undefined;

  constructor(limits: PeerLimits) {
    this.#limits = limits;
  }

  /** Bytes that are held: never more than the last chunk and the longest body. */
  get heldBytes(): number {
    return this.#chunk.length + this.#body.length;
  }

  /** The hello was good: from now on every type but another hello may come. */
  greeted(): void {
    this.#isGreeted = true;
  }

  /** Gives the next bytes; only after {@link next} has said "more". */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
  }

  next(): FrameRead {
    if (this.#fault !== undefined) return { kind: "fault", fault: this.#fault };
    if (this.#type === undefined) {
      const wanted = frameHeadBytes - this.#headLength;
      this.#headLength += this.#take(this.#head, this.#headLength, wanted);
      if (this.#headLength < frameHeadBytes) return { kind: "more" };
      const fault = this.#open();
      if (fault !== undefined) {
        this.#fault = fault;
        this.#chunk = nothing;
        return { kind: "fault", fault };
      }
    }
    this.#fill();
    if (this.#type === undefined || this.#filled < this.#bodyLength) return { kind: "more" };
    const frame = { type: this.#type, body: this.#body };
    this.#type = undefined;
    this.#headLength = 0;
    this.#body = nothing;
    this.#filled = 0;
    return { kind: "frame", frame };
  }

  /** Judges a head that is complete. */
  #open(): FrameFault | undefined {
    const declared = new DataView(this.#head.buffer).getUint32(0);
    const number = this.#head[4] ?? 0;
    const type = typesByNumber.get(number);
    if (type === undefined) return { code: "PEER_FRAME_UNKNOWN", type: number };
    const limit = bodyBytesMax(type, this.#limits);
    if (declared > limit) return { code: "PEER_FRAME_TOO_LONG", limit, declared };
    const mayCome = type === "refuse" || (type === "hello") !== this.#isGreeted;
    if (!mayCome) return { code: "PEER_FRAME_OUT_OF_PLACE", type };
    this.#type = type;
    this.#bodyLength = declared;
    this.#body = new Uint8Array(Math.min(declared, firstBytes));
    return undefined;
  }

  /** Room grows with what has come, at most to the double, never with what is declared. */
  #fill(): void {
    while (this.#filled < this.#bodyLength && this.#chunk.length > 0) {
      if (this.#filled === this.#body.length) {
        const needed = Math.max(2 * this.#filled, this.#filled + this.#chunk.length);
        const grown = new Uint8Array(Math.min(this.#bodyLength, needed));
        grown.set(this.#body);
        this.#body = grown;
      }
      this.#filled += this.#take(this.#body, this.#filled, this.#body.length - this.#filled);
    }
  }

  #take(target: Uint8Array, at: number, wanted: number): number {
    const part = this.#chunk.subarray(0, wanted);
    target.set(part, at);
    this.#chunk = part.length === this.#chunk.length ? nothing : this.#chunk.subarray(part.length);
    return part.length;
  }
}

const nothing = new Uint8Array(0);
/** What a body's room begins with. */
const firstBytes = 4_096;
const typesByNumber: ReadonlyMap<number, FrameType> = new Map(
  frameTypeNames().map((type) => [frameTypes[type], type]),
);

function frameTypeNames(): readonly FrameType[] {
  return [
    "hello",
    "refuse",
    "ping",
    "pong",
    "message",
    "relayOpen",
    "relayData",
    "relayCredit",
    "relayEnd",
    "relayClose",
  ];
}
