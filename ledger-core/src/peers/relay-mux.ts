/** Relayed streams over one link: numbers, windows, and whose bytes go next (WIRE.md §17.3). Opens no socket. */

import { u32, utf8 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { PeerCode } from "./code.ts";
import { parsePeerCode } from "./code.ts";
import { RelayCredit } from "./credit.ts";
import type { Frame } from "./frame.ts";
import { frameParts } from "./frame.ts";
import type { PeerLimits } from "./limits.ts";
import type { RelayOpen } from "./message.ts";
import { encodeRelayOpen, parseCredit, parseRelayOpen, parseStream } from "./message.ts";

/** What one end of a stream does with what comes. */
export type RelayEnd = {
  /** Bytes came; give them back with {@link RelayChannel.consumed}. */
  arrived(bytes: Uint8Array): void;
  /** No more bytes come. */
  ended(): void;
  /** The stream is gone both ways. Called once, and nothing after it. */
  closed(code: PeerCode): void;
};

/** A fault of the other side for which the link ends. */
export type MuxFault = {
  readonly code: Extract<
    PeerCode,
    "PEER_FRAME_MALFORMED" | "PEER_RELAY_OVERRUN" | "PEER_RELAY_STREAMS_FULL"
  >;
};

type Waiting = { bytes: Uint8Array; readonly taken: () => void };

/** One stream on one link. Bytes go out as far as the other end's window allows. */
export class RelayChannel {
  readonly stream: number;
  readonly credit: RelayCredit;
  readonly waiting: Waiting[] = [];
  readonly #mux: RelayMux;
  end: RelayEnd | undefined;
  grant = 0;
  isFinishing = false;
  hasFinished = false;
  otherFinished = false;

  constructor(mux: RelayMux, stream: number, window: number) {
    this.#mux = mux;
    this.stream = stream;
    this.credit = new RelayCredit(window);
  }

  /** Whether something of this stream could go out now. */
  get isReady(): boolean {
    if (this.waiting.length > 0) return this.credit.maySend > 0;
    return this.isFinishing && !this.hasFinished;
  }

  /** @param taken called when the last of the bytes is on its way, never when the stream closes before. */
  send(bytes: Uint8Array, taken: () => void): void {
    this.waiting.push({ bytes, taken });
    this.#mux.stir(this);
  }

  /** No more bytes after those that were given. */
  finish(): void {
    this.isFinishing = true;
    this.#mux.stir(this);
  }

  /** Both ways at once; what waits is dropped. The own end is not told. */
  close(code: PeerCode): void {
    this.#mux.drop(this, code);
  }

  /** The own end has room for as much again. */
  consumed(bytes: number): void {
    const grant = this.credit.consumed(bytes);
    if (grant === 0) return;
    this.grant += grant;
    this.#mux.stir(this);
  }
}

export type RelayMuxOptions = {
  readonly limits: PeerLimits;
  /** Whether this side dialled the link: its streams have odd numbers, the other side's even ones. */
  readonly dialled: boolean;
  /** The other side opens a stream: take it by setting `end`, or answer with the reason why not. */
  readonly opened: (channel: RelayChannel, open: RelayOpen) => PeerCode | undefined;
  /** Something may be sent that could not before. */
  readonly stir: () => void;
};

export class RelayMux {
  readonly #options: RelayMuxOptions;
  readonly #channels = new Map<number, RelayChannel>();
  /** Channels that may have something to send, in the order of their turns. */
  readonly #stirred = new Set<RelayChannel>();
  #control: (readonly Uint8Array[])[] = [];
  #ownNext: number;
  #otherNext: number;
  #openedByOther = 0;

  constructor(options: RelayMuxOptions) {
    this.#options = options;
    this.#ownNext = options.dialled ? 1 : 2;
    this.#otherNext = options.dialled ? 2 : 1;
  }

  get streams(): number {
    return this.#channels.size;
  }

  /** Opens a stream towards the target. Nothing says that it worked but bytes that come back. */
  open(open: RelayOpen, end: RelayEnd): Result<RelayChannel, MuxFault> {
    const { limits } = this.#options;
    if (this.#channels.size >= limits.relayStreamsMax)
      return err({ code: "PEER_RELAY_STREAMS_FULL" });
    const channel = new RelayChannel(this, this.#ownNext, limits.relayWindowBytes);
    this.#ownNext += 2;
    channel.end = end;
    this.#channels.set(channel.stream, channel);
    this.#say(frameParts("relayOpen", ...encodeRelayOpen(channel.stream, open)));
    return ok(channel);
  }

  /** Takes a frame of a relayed stream. A stream that is gone may still have frames under way: no fault. */
  receive({ type, body }: Frame): MuxFault | undefined {
    const head = parseStream(body);
    if (!head.ok) return { code: "PEER_FRAME_MALFORMED" };
    const { stream, rest } = head.value;
    if (type === "relayOpen") return this.#opened(stream, rest);
    const channel = this.#channels.get(stream);
    if (channel === undefined) return undefined;
    switch (type) {
      case "relayData": {
        if (channel.otherFinished) return { code: "PEER_FRAME_MALFORMED" };
        const delivered = channel.credit.delivered(rest.length);
        if (!delivered.ok) return delivered.fault;
        channel.end?.arrived(rest);
        return undefined;
      }
      case "relayCredit": {
        const credit = parseCredit(rest);
        if (!credit.ok) return { code: "PEER_FRAME_MALFORMED" };
        const granted = channel.credit.granted(credit.value);
        if (!granted.ok) return granted.fault;
        this.stir(channel);
        return undefined;
      }
      case "relayEnd":
        if (channel.otherFinished) return { code: "PEER_FRAME_MALFORMED" };
        channel.otherFinished = true;
        channel.end?.ended();
        this.#leaveIfDone(channel);
        return undefined;
      case "relayClose":
        this.#forget(channel);
        channel.end?.closed(parsePeerCode(textOf(rest)) ?? "PEER_RELAY_BROKEN");
        return undefined;
      default:
        return { code: "PEER_FRAME_MALFORMED" };
    }
  }

  /** The next frame to send, in parts: answers first, then the streams in turn. */
  next(): readonly Uint8Array[] | undefined {
    const control = this.#control.shift();
    if (control !== undefined) return control;
    for (const channel of this.#stirred) {
      this.#stirred.delete(channel);
      const frame = this.#nextOf(channel);
      if (frame === undefined) continue;
      // To the end of the line: the others come first.
      if (channel.grant > 0 || channel.isReady) this.#stirred.add(channel);
      this.#leaveIfDone(channel);
      return frame;
    }
    return undefined;
  }

  /** The link is gone, and all of its streams with it. */
  closeAll(): void {
    for (const channel of [...this.#channels.values()]) {
      this.#forget(channel);
      channel.end?.closed("PEER_RELAY_BROKEN");
    }
    this.#control = [];
  }

  /** For channels alone. */
  stir(channel: RelayChannel): void {
    if (this.#channels.get(channel.stream) !== channel) return;
    this.#stirred.add(channel);
    this.#options.stir();
  }

  /** For channels alone. */
  drop(channel: RelayChannel, code: PeerCode): void {
    if (this.#channels.get(channel.stream) !== channel) return;
    this.#forget(channel);
    this.#say(closeFrame(channel.stream, code));
  }

  #opened(stream: number, rest: Uint8Array): MuxFault | undefined {
    const { limits, opened } = this.#options;
    const open = parseRelayOpen(rest, limits.relaysMax);
    if (!open.ok || stream !== this.#otherNext) return { code: "PEER_FRAME_MALFORMED" };
    this.#otherNext += 2;
    if (this.#control.length >= limits.relayControlMax) return { code: "PEER_RELAY_STREAMS_FULL" };
    const isFull =
      this.#openedByOther >= limits.relayStreamsPerPeerMax ||
      this.#channels.size >= limits.relayStreamsMax;
    if (isFull) {
      this.#say(closeFrame(stream, "PEER_RELAY_STREAMS_FULL"));
      return undefined;
    }
    const channel = new RelayChannel(this, stream, limits.relayWindowBytes);
    this.#channels.set(stream, channel);
    this.#openedByOther++;
    const refused = opened(channel, open.value);
    if (refused !== undefined) this.drop(channel, refused);
    return undefined;
  }

  #nextOf(channel: RelayChannel): readonly Uint8Array[] | undefined {
    const { stream, credit, grant, waiting } = channel;
    if (grant > 0) {
      channel.grant = 0;
      return frameParts("relayCredit", u32(stream), u32(grant));
    }
    const [first] = waiting;
    if (first !== undefined) {
      const length = Math.min(credit.maySend, this.#options.limits.relayDataBytesMax);
      if (length === 0) return undefined;
      const bytes = first.bytes.subarray(0, length);
      credit.sent(bytes.length);
      first.bytes = first.bytes.subarray(bytes.length);
      if (first.bytes.length === 0) {
        waiting.shift();
        first.taken();
      }
      return frameParts("relayData", u32(stream), bytes);
    }
    if (!channel.isFinishing || channel.hasFinished) return undefined;
    channel.hasFinished = true;
    return frameParts("relayEnd", u32(stream));
  }

  #leaveIfDone(channel: RelayChannel): void {
    if (channel.hasFinished && channel.otherFinished) this.#forget(channel);
  }

  #forget(channel: RelayChannel): void {
    if (!this.#channels.delete(channel.stream)) return;
    this.#stirred.delete(channel);
    if (channel.stream % 2 === this.#otherNext % 2) this.#openedByOther--;
    channel.waiting.length = 0;
  }

  #say(frame: readonly Uint8Array[]): void {
    this.#control.push(frame);
    this.#options.stir();
  }
}

function closeFrame(stream: number, code: PeerCode): readonly Uint8Array[] {
  return frameParts("relayClose", u32(stream), utf8(code));
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 64));
}
