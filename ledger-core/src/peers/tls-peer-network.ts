/** The network of peers over mutually authenticated TLS 1.3, whoever dials, relayed where it has to be. */

import type { SecureContext, TLSSocket } from "node:tls";
import { equal } from "../base/bytes.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { AdmissionFault } from "./admission.ts";
import { judgeAdmission, warningsOf } from "./admission.ts";
import type { PeerCode } from "./code.ts";
import { PeerCounts } from "./code.ts";
import type { DialTarget, PeerAddress } from "./dialler.ts";
import { PeerDialler } from "./dialler.ts";
import type { Stranger } from "./door.ts";
import { PeerDoor } from "./door.ts";
import { PeerEntry } from "./entry.ts";
import type { PeerJudge } from "./judge.ts";
import type { PeerLimits } from "./limits.ts";
import { peerLimits } from "./limits.ts";
import type { LinkOwner } from "./link.ts";
import { PeerLink } from "./link.ts";
import type { RelayOpen } from "./message.ts";
import type {
  PeerConnection,
  PeerFrame,
  PeerMember,
  PeerNetwork,
  PeerReceiver,
  PeerStatus,
} from "./network.ts";
import { refuseSocket } from "./refusal.ts";
import type { RelayChannel } from "./relay-mux.ts";
import { RelayStream } from "./relay-stream.ts";
import { RelaySwitch } from "./relay-switch.ts";
import { routeTo } from "./route.ts";
import type { PeerCredentials, TlsTarget } from "./tls.ts";
import { chainOf, connectPeer, createPeerContext } from "./tls.ts";
import { PeerTurnLoop } from "./turn-loop.ts";

/** How a peer can be reached, as far as the operator knows. */
export type PeerWay = {
  readonly name: Identifier;
  readonly addresses: readonly PeerAddress[];
  /** Members that relay to it where no address answers. */
  readonly via: readonly Identifier[];
};

export type TlsPeerNetworkOptions = {
  readonly self: { readonly consortium: Identifier; readonly name: Identifier };
  readonly credentials: PeerCredentials;
  readonly judge: PeerJudge;
  /** All members, this node too. After a change call {@link TlsPeerNetwork.review}. */
  readonly members: () => readonly PeerMember[];
  /** Whether this node is no member yet of a channel that it follows: it then dials more often. */
  readonly isOutside?: () => boolean;
  readonly ways: readonly PeerWay[];
  /** Whether other peers may be relayed; a border gateway has to. */
  readonly relays: boolean;
  readonly received: PeerReceiver;
  readonly clock: Clock;
  readonly limits?: Partial<PeerLimits>;
};

/** How one connection came about, and who is expected at its other end. */
type Way = {
  readonly connection: PeerConnection;
  readonly dialled?: Identifier;
  readonly known: () => void;
  /** The link is open, or never will be. */
  readonly settled: (isOpen: boolean) => void;
};

export class TlsPeerNetwork implements PeerNetwork {
  readonly #options: TlsPeerNetworkOptions;
  readonly #limits: PeerLimits;
  readonly #context: SecureContext;
  readonly #door: PeerDoor;
  readonly #turns: PeerTurnLoop;
  readonly #switch: RelaySwitch;
  readonly #strangers = new PeerCounts();
  readonly #entries = new Map<Identifier, PeerEntry>();
  readonly #links = new Map<PeerLink, { readonly entry: PeerEntry; readonly way: Way }>();
  readonly #sockets = new Set<TLSSocket>();
  readonly #end = new AbortController();

  /** @throws OperationalError PEER_CREDENTIALS_BAD. */
  constructor(options: TlsPeerNetworkOptions) {
    const { clock, members } = options;
    this.#options = options;
    this.#limits = { ...peerLimits, ...options.limits };
    this.#context = createPeerContext(options.credentials);
    this.#turns = new PeerTurnLoop(this.#limits.turnBytesMax);
    this.#door = new PeerDoor({
      context: this.#context,
      clock,
      limits: this.#limits,
      refused: (code) => this.#strangers.count(code),
    });
    this.#switch = new RelaySwitch({
      self: options.self.name,
      isOn: options.relays,
      limits: this.#limits,
      members,
      linkTo: (peer) => this.#directLink(peer)?.mux,
      now: () => clock.monotonic(),
      later: (ms, action) => {
        clock.sleep(ms, { signal: this.#end.signal }).then(action, () => undefined);
      },
    });
  }

  /** Listens where an address is given, and dials. @returns the port. @throws OperationalError PEER_PORT_TAKEN. */
  async open(listen?: PeerAddress): Promise<number | undefined> {
    const port =
      listen === undefined
        ? undefined
        : await this.#door.listen(listen, (stranger) => this.#knocked(stranger, undefined));
    this.review();
    return port;
  }

  send(peer: Identifier, frame: PeerFrame): void {
    const entry = this.#entries.get(peer);
    if (entry === undefined) {
      this.#strangers.count("PEER_NOT_MEMBER");
      return;
    }
    const isMember = entry.member.channels.some((id) => equal(id, frame.channel));
    if (!isMember) entry.counts.count("PEER_CHANNEL_FOREIGN");
    else if (frame.payload.length + 32 > this.#limits.frameBytesMax)
      entry.counts.count("PEER_FRAME_TOO_LONG");
    else {
      const dropped = entry.queue.push(frame);
      if (dropped > 0) entry.counts.count("PEER_QUEUE_FULL", dropped);
      entry.link?.stir();
    }
  }

  peers(): readonly PeerStatus[] {
    return [...this.#entries].map(([name, entry]) => entry.status(this.#switch.carried(name)));
  }

  strangers(): ReadonlyMap<PeerCode, number> {
    return new Map(this.#strangers.all);
  }

  /** Members, channels or revocations changed: lets go of who is out, and judges all others anew. */
  review(): void {
    const members = this.#options.members();
    for (const [name, entry] of this.#entries) {
      const member = members.find((known) => known.name === name);
      if (member === undefined) this.#forget(name, entry);
      else {
        entry.member = member;
        // Who was refused while it was outside may be let in now.
        if (entry.link === undefined) entry.dialler?.nudge();
      }
    }
    for (const member of members) {
      if (member.name === this.#options.self.name || this.#entries.has(member.name)) continue;
      const entry = new PeerEntry(member, this.#limits);
      this.#entries.set(member.name, entry);
      this.#dialOn(entry);
    }
    for (const link of this.#links.keys()) link.review(this.#options.judge);
  }

  async close(): Promise<void> {
    this.#end.abort();
    for (const entry of this.#entries.values()) entry.end.abort();
    for (const link of this.#links.keys()) link.cut("PEER_CLOSED");
    for (const socket of this.#sockets) socket.destroy();
    await this.#door.close();
  }

  #forget(name: Identifier, entry: PeerEntry): void {
    entry.end.abort();
    entry.queue.clear();
    for (const [link, held] of this.#links)
      if (held.entry === entry) link.refuse("PEER_NOT_MEMBER");
    this.#entries.delete(name);
    this.#switch.forget(name);
  }

  #dialOn(entry: PeerEntry): void {
    const { clock } = this.#options;
    entry.dialler = new PeerDialler({
      clock,
      limits: this.#limits,
      targets: () => this.#targets(entry),
      hasLink: () => entry.link !== undefined,
      isOutside: () => this.#options.isOutside?.() === true,
      dial: (target, { signal }) => this.#dial(entry, target, signal),
      failed: () => entry.counts.count("PEER_UNREACHABLE"),
    });
    const { signal } = entry.end;
    entry.dialler.run({ signal }).catch((reason) => {
      if (reason !== signal.reason) throw reason;
    });
  }

  /** What to try now, best first. */
  #targets({ member, link }: PeerEntry): readonly DialTarget[] {
    const { self, members, ways } = this.#options;
    const route = routeTo(self.name, member.name, members());
    if (route.kind === "none" || link?.isDirect === true) return [];
    const way = ways.find(({ name }) => name === member.name);
    const addresses = route.kind === "direct" ? (way?.addresses ?? []) : [];
    const direct = addresses.map((address): DialTarget => ({ kind: "address", address }));
    if (link !== undefined) return direct;
    // Over a border the route says which relays there are; inside, the operator does.
    const relays = route.kind === "via" ? route.relays : (way?.via ?? []);
    const linked = relays.filter((via) => this.#directLink(via) !== undefined);
    return [...direct, ...linked.map((via): DialTarget => ({ kind: "relay", via }))];
  }

  /** One attempt, at most so long as the limit says; resolves with whether it became a link. */
  #dial(entry: PeerEntry, target: DialTarget, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    const way = target.kind === "address" ? target.address : this.#relayed(entry, target.via);
    if (way === undefined) return Promise.resolve(false);
    const connection: PeerConnection =
      target.kind === "relay"
        ? { kind: "relayed", via: target.via }
        : { kind: "dialled", address: `${target.address.host}:${target.address.port}` };
    return new Promise((resolve) => {
      const done = new AbortController();
      const settled = (isOpen: boolean) => {
        done.abort();
        resolve(isOpen);
      };
      const socket = connectPeer(way, this.#context);
      this.#hold(socket);
      const dialled = entry.member.name;
      socket.once("secureConnect", () => {
        socket.setNoDelay(true);
        this.#secured(socket, { connection, dialled, known: () => undefined, settled });
      });
      socket.once("close", () => settled(false));
      const late = AbortSignal.any([done.signal, signal]);
      clock.sleep(this.#limits.dialMsMax, { signal: late }).then(
        () => socket.destroy(),
        () => {
          if (signal.aborted) socket.destroy();
        },
      );
    });
  }

  #relayed(entry: PeerEntry, via: Identifier): TlsTarget | undefined {
    const stream = new RelayStream();
    stream.on("error", () => undefined);
    const open = { target: entry.member.name, relays: this.#limits.relaysMax - 1 };
    const channel = this.#directLink(via)?.mux.open(open, stream.relayEnd);
    if (channel?.ok !== true) return undefined;
    stream.attach(channel.value);
    return { stream };
  }

  /** Somebody dialled us, on an own connection or through a relay. */
  #knocked({ socket, address, known }: Stranger, via: Identifier | undefined): void {
    this.#hold(socket);
    const connection: PeerConnection =
      via === undefined ? { kind: "accepted", address } : { kind: "relayed", via };
    this.#secured(socket, { connection, known, settled: () => undefined });
  }

  /** The handshake is done: who is it, and may it have this link? */
  #secured(socket: TLSSocket, way: Way): void {
    const { judge, self, clock, members } = this.#options;
    const isRelayed = way.connection.kind === "relayed";
    const admitted = judgeAdmission(judge(chainOf(socket)), {
      self: self.name,
      dialled: way.dialled,
      isRelayed,
      members: members(),
    });
    // Between a change of the members and the review that follows it there may be no entry yet.
    const entry = admitted.ok ? this.#entries.get(admitted.value.member.name) : undefined;
    if (!admitted.ok || entry === undefined) {
      const { code, peer = undefined } = admitted.ok ? notMember : admitted.fault;
      (this.#entryOf(peer)?.counts ?? this.#strangers).count(code);
      refuseSocket(socket, code, clock);
      return;
    }
    const { member } = admitted.value;
    for (const code of warningsOf(admitted.value)) entry.counts.count(code);
    const link = new PeerLink({
      socket,
      origin: { relayed: isRelayed, dialler: way.dialled === undefined ? member.name : self.name },
      connection: way.connection,
      self,
      peer: member,
      queue: entry.queue,
      turns: this.#turns,
      clock,
      limits: this.#limits,
      owner: this.#owner,
    });
    this.#links.set(link, { entry, way });
  }

  readonly #owner: LinkOwner = {
    opened: (link) => {
      const held = this.#links.get(link);
      if (held === undefined) return;
      held.way.known();
      held.entry.opened(link, this.#options.clock.now());
      held.way.settled(true);
      held.entry.dialler?.nudge();
      // Somebody may be behind this one.
      if (link.isDirect)
        for (const other of this.#entries.values())
          if (other.link === undefined) other.dialler?.nudge();
    },
    sent: (link) => {
      const held = this.#links.get(link);
      if (held !== undefined) held.entry.sent++;
    },
    message: (link, channel, payload) => {
      const held = this.#links.get(link);
      if (held !== undefined) held.entry.received++;
      return this.#options.received(link.peer.name, channel, payload);
    },
    relay: (link, channel, open) => this.#relay(link, channel, open),
    count: (link, code) => this.#links.get(link)?.entry.counts.count(code),
    closed: (link) => {
      const held = this.#links.get(link);
      this.#links.delete(link);
      if (held?.entry.closed(link) === true) held.entry.dialler?.nudge();
    },
  };

  /** A peer opens a stream over its link: to us, or to somebody whom we may relay to. */
  #relay(link: PeerLink, channel: RelayChannel, open: RelayOpen): PeerCode | undefined {
    // No stream inside a stream: each relay would pay for all that follow.
    const code = link.isDirect ? this.#admitOrJoin(link, channel, open) : "PEER_RELAY_TOO_FAR";
    if (code !== undefined) this.#owner.count(link, code);
    return code;
  }

  #admitOrJoin(link: PeerLink, channel: RelayChannel, open: RelayOpen): PeerCode | undefined {
    const via = link.peer.name;
    if (open.target !== this.#options.self.name) return this.#switch.join(via, channel, open);
    const stream = new RelayStream();
    stream.attach(channel);
    channel.end = stream.relayEnd;
    return this.#door.admit(stream, `relay ${via}`, (stranger) => this.#knocked(stranger, via));
  }

  #entryOf(name: Identifier | undefined): PeerEntry | undefined {
    return name === undefined ? undefined : this.#entries.get(name);
  }

  #directLink(peer: Identifier): PeerLink | undefined {
    const link = this.#entries.get(peer)?.link;
    return link?.isDirect === true ? link : undefined;
  }

  #hold(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

const notMember: AdmissionFault = { code: "PEER_NOT_MEMBER" };
