/** One TLS connection to one peer, from its hello to its end: frames in fair turns, frames out as it takes them. */

import type { TLSSocket } from "node:tls";
import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { LinkOrigin } from "./choice.ts";
import type { PeerCode } from "./code.ts";
import type { Frame } from "./frame.ts";
import { FrameReader, frameParts } from "./frame.ts";
import type { PeerJudge } from "./judge.ts";
import type { PeerLimits } from "./limits.ts";
import type { RelayOpen } from "./message.ts";
import { encodeHello, parseHello, parseMessage, parsePing, parseRefuse } from "./message.ts";
import type { PeerConnection, PeerMember } from "./network.ts";
import { PeerPulse } from "./pulse.ts";
import type { PeerQueue } from "./queue.ts";
import { refuseSocket } from "./refusal.ts";
import type { RelayChannel } from "./relay-mux.ts";
import { RelayMux } from "./relay-mux.ts";
import { chainOf } from "./tls.ts";
import type { PeerTurnLoop } from "./turn-loop.ts";
import type { Served } from "./turns.ts";

/** Whoever holds the links. */
export type LinkOwner = {
  /** Both said hello. */
  opened(link: PeerLink): void;
  /** A frame of a channel was handed to the connection. */
  sent(link: PeerLink): void;
  message(link: PeerLink, channel: Digest, payload: Uint8Array): Promise<void> | undefined;
  relay(link: PeerLink, channel: RelayChannel, open: RelayOpen): PeerCode | undefined;
  count(link: PeerLink, code: PeerCode): void;
  closed(link: PeerLink): void;
};

export type PeerLinkOptions = {
  readonly socket: TLSSocket;
  readonly origin: LinkOrigin;
  readonly connection: PeerConnection;
  readonly self: { readonly consortium: Identifier; readonly name: Identifier };
  /** Who the other side is, as judged; `channels` are those that it may speak in. */
  readonly peer: PeerMember;
  readonly queue: PeerQueue;
  readonly turns: PeerTurnLoop;
  readonly clock: Clock;
  readonly limits: PeerLimits;
  readonly owner: LinkOwner;
};

/** "leaving": nothing new is sent, what comes is still taken. "ended": neither. */
type LinkState = "greeting" | "open" | "leaving" | "ended";

export class PeerLink {
  readonly peer: PeerMember;
  readonly origin: LinkOrigin;
  readonly connection: PeerConnection;
  readonly mux: RelayMux;
  readonly #options: PeerLinkOptions;
  readonly #reader: FrameReader;
  readonly #pulse: PeerPulse;
  readonly #channels: ReadonlySet<string>;
  readonly #end = new AbortController();
  #state: LinkState = "greeting";
  #inboundBytes = 0;
  #isPumpScheduled = false;
  #isRelayTurn = false;

  constructor(options: PeerLinkOptions) {
    const { socket, limits, turns, owner } = options;
    this.#options = options;
    this.peer = options.peer;
    this.origin = options.origin;
    this.connection = options.connection;
    this.#reader = new FrameReader(limits);
    this.#pulse = new PeerPulse(limits);
    this.#channels = new Set(options.peer.channels.map(toHex));
    this.mux = new RelayMux({
      limits,
      dialled: options.origin.dialler === options.self.name,
      opened: (channel, open) => owner.relay(this, channel, open),
      stir: () => this.stir(),
    });
    socket.on("readable", () => turns.wake(this));
    socket.on("drain", () => {
      this.#pulse.unblocked();
      this.stir();
    });
    socket.once("end", () => this.#lost());
    socket.once("close", () => this.#closed());
    for (const part of frameParts("hello", encodeHello(options.self))) socket.write(part);
    turns.wake(this);
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isDirect(): boolean {
    return !this.origin.relayed;
  }

  /** Of the last ping, in milliseconds. */
  get roundTripMs(): number | undefined {
    return this.#pulse.roundTripMs;
  }

  /** There may be something to send; what is given in one go travels together. */
  stir(): void {
    if (this.#isPumpScheduled) return;
    this.#isPumpScheduled = true;
    queueMicrotask(() => {
      this.#isPumpScheduled = false;
      this.#pump();
    });
  }

  /** Gives way to another link: sends nothing new, reads what is still on its way, then ends. */
  retire(): void {
    this.#options.owner.count(this, "PEER_LINK_REPLACED");
    this.#leave();
    this.#options.socket.end();
  }

  /** Says why to the other side, and ends. */
  refuse(code: PeerCode): void {
    if (this.#state === "ended") return;
    this.#options.owner.count(this, code);
    this.#state = "ended";
    refuseSocket(this.#options.socket, code, this.#options.clock);
  }

  /** Ends at once. */
  cut(code: PeerCode): void {
    if (this.#state === "ended") return;
    this.#options.owner.count(this, code);
    this.#state = "ended";
    this.#options.socket.destroy();
  }

  /** The members changed: ends where the peer is out, or may speak in other channels than it could. */
  review(judge: PeerJudge): void {
    if (this.#state === "ended") return;
    const judged = judge(chainOf(this.#options.socket));
    if (!judged.ok) {
      this.refuse(judged.fault.code);
      return;
    }
    const { name, channels } = judged.value.member;
    const isSame =
      name === this.peer.name &&
      channels.length === this.#channels.size &&
      channels.every((channel) => this.#channels.has(toHex(channel)));
    // Dialled again, it is judged as it is now.
    if (!isSame) this.cut("PEER_LINK_REPLACED");
  }

  /** One turn of reading. Stops while too much of the peer is still worked on: TCP makes it wait. */
  serve(allowance: number): Served {
    const { socket, limits } = this.#options;
    let spent = 0;
    while (spent < allowance) {
      if (this.#state === "ended" || this.#isDeaf) return { spent, more: false };
      const read = this.#reader.next();
      if (read.kind === "fault") {
        this.refuse(read.fault.code);
        return { spent, more: false };
      }
      if (read.kind === "frame") {
        spent += limits.frameCost;
        const code = this.#take(read.frame);
        if (code !== undefined) this.refuse(code);
        continue;
      }
      const chunk: Uint8Array | null = socket.read();
      if (chunk === null) return { spent, more: false };
      spent += chunk.length;
      this.#pulse.heard();
      this.#reader.push(chunk);
    }
    return { spent, more: true };
  }

  get #isDeaf(): boolean {
    return this.#inboundBytes >= this.#options.limits.inboundBytesMax;
  }

  /** @returns why the link has to end, where it has to. */
  #take(frame: Frame): PeerCode | undefined {
    const { owner, clock } = this.#options;
    switch (frame.type) {
      case "hello":
        return this.#greet(frame.body);
      case "refuse": {
        const code = parseRefuse(frame.body);
        if (code !== undefined) owner.count(this, code);
        this.cut("PEER_REFUSED_THERE");
        return undefined;
      }
      case "ping": {
        const ping = parsePing(frame.body);
        if (!ping.ok) return ping.fault.code;
        this.#pulse.pinged(ping.value);
        this.stir();
        return undefined;
      }
      case "pong":
        this.#pulse.ponged(frame.body, clock.monotonic());
        return undefined;
      case "message":
        return this.#message(frame.body);
      default:
        return this.mux.receive(frame)?.code;
    }
  }

  #greet(body: Uint8Array): PeerCode | undefined {
    const { self, peer, owner } = this.#options;
    const hello = parseHello(body);
    if (!hello.ok) return hello.fault.code;
    if (hello.value.consortium !== self.consortium) return "PEER_OTHER_CONSORTIUM";
    if (hello.value.name !== peer.name) return "PEER_NAME_MISMATCH";
    if (this.#state !== "greeting") return undefined;
    this.#reader.greeted();
    this.#state = "open";
    owner.opened(this);
    this.#watch().catch((reason) => {
      if (reason !== this.#end.signal.reason) throw reason;
    });
    this.stir();
    return undefined;
  }

  #message(body: Uint8Array): PeerCode | undefined {
    const { owner, turns } = this.#options;
    const message = parseMessage(body);
    if (!message.ok) return message.fault.code;
    const { channel, payload } = message.value;
    if (!this.#channels.has(toHex(channel))) {
      owner.count(this, "PEER_CHANNEL_FOREIGN");
      return undefined;
    }
    const working = owner.message(this, channel, payload);
    if (working === undefined) return undefined;
    this.#inboundBytes += body.length;
    void working.then(() => {
      this.#inboundBytes -= body.length;
      // It was we who did not listen.
      this.#pulse.heard();
      turns.wake(this);
    });
    return undefined;
  }

  /** Writes as long as the connection takes it. */
  #pump(): void {
    if (this.#state !== "open" || this.#pulse.isBlocked) return;
    const { socket } = this.#options;
    socket.cork();
    for (let parts = this.#next(); parts !== undefined; parts = this.#next()) {
      let hasRoom = true;
      for (const part of parts) hasRoom = socket.write(part);
      if (hasRoom) continue;
      this.#pulse.blocked();
      break;
    }
    socket.uncork();
  }

  #next(): readonly Uint8Array[] | undefined {
    const pulse = this.#pulse.next(this.#options.clock.monotonic());
    if (pulse !== undefined) return frameParts(pulse.type, pulse.body);
    // Own frames and relayed ones in turn: neither waits for the other's end.
    this.#isRelayTurn = !this.#isRelayTurn;
    return this.#isRelayTurn
      ? (this.mux.next() ?? this.#nextMessage())
      : (this.#nextMessage() ?? this.mux.next());
  }

  #nextMessage(): readonly Uint8Array[] | undefined {
    const { queue, owner } = this.#options;
    for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
      if (this.#channels.has(toHex(frame.channel))) {
        owner.sent(this);
        return frameParts("message", frame.channel, frame.payload);
      }
      owner.count(this, "PEER_CHANNEL_FOREIGN");
    }
    return undefined;
  }

  /** Pings, and ends the link where nothing comes or nothing goes. Rejects when the link ends. */
  async #watch(): Promise<never> {
    const { clock, limits } = this.#options;
    for (;;) {
      await clock.sleep(limits.keepAliveMs, { signal: this.#end.signal });
      const code = this.#pulse.tick(this.#isDeaf);
      if (code !== undefined) this.cut(code);
      else this.stir();
    }
  }

  #leave(): void {
    if (this.#state === "ended" || this.#state === "leaving") return;
    this.#state = "leaving";
    const { clock, limits, socket } = this.#options;
    clock.sleep(limits.retireMsMax, { signal: this.#end.signal }).then(
      () => socket.destroy(),
      () => undefined,
    );
  }

  #lost(): void {
    if (this.#state === "open") this.#options.owner.count(this, "PEER_LINK_LOST");
    this.#leave();
  }

  #closed(): void {
    const { turns, owner } = this.#options;
    if (this.#state === "open") owner.count(this, "PEER_LINK_LOST");
    this.#state = "ended";
    this.#end.abort();
    turns.remove(this);
    this.mux.closeAll();
    owner.closed(this);
  }
}
