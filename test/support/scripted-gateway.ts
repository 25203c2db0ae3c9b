/**
 * A gateway that a test directs: an MQTT broker over mutual TLS in this process, which notes what an agent
 * publishes, and acknowledges, holds back or cuts as it is told. Its lane and ledger are synthetic.
 */

import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import { createServer } from "node:tls";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import type { WantMessage } from "@tamga/ledger-core/wire/downlink-message";
import { encodeWantMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { DownlinkKind } from "@tamga/ledger-core/wire/topic";
import { downlinkTopic, parseTopic } from "@tamga/ledger-core/wire/topic";
import type { HaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import { parseHaveMessage } from "@tamga/ledger-core/wire/uplink-message";
import type { Client } from "aedes";
import { Aedes } from "aedes";

export type Published = { readonly kind: string; readonly payload: Uint8Array };

/** What becomes of a publish: PUBACK, nothing, or the end of the connection without a PUBACK. */
export type Verdict = "acknowledge" | "hold" | "cut";

export type ScriptedTls = { readonly key: string; readonly cert: string; readonly ca: string };

export class ScriptedGateway {
  readonly published: Published[] = [];
  readonly haves: HaveMessage[] = [];
  /** Publishes held back at this moment, and the most that ever were. */
  readonly held: (() => void)[] = [];
  heldMax = 0;
  heldBytesMax = 0;
  connects = 0;
  judge: (published: Published) => Verdict = () => "acknowledge";
  /** What is wanted of a complete `have`; undefined leaves it without an answer. */
  answer: (haves: readonly HaveMessage[]) => Omit<WantMessage, "nonce"> | undefined = () => ({
    all: false,
    want: [],
  });
  readonly #aedes: Aedes;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<TLSSocket>();
  #client: Client | undefined;
  #pages: HaveMessage[] = [];
  #heldBytes = 0;

  private constructor(aedes: Aedes, tls: ScriptedTls) {
    this.#aedes = aedes;
    this.#server = createServer(
      { ...tls, requestCert: true, rejectUnauthorized: false },
      (socket) => {
        this.#sockets.add(socket);
        socket.on("close", () => this.#sockets.delete(socket));
        socket.on("error", () => undefined);
        aedes.handle(socket);
      },
    );
  }

  static async listen(tls: ScriptedTls, port = 0): Promise<ScriptedGateway> {
    const holder: { gateway?: ScriptedGateway } = {};
    const aedes = await Aedes.createBroker({
      authorizePublish: (client, packet, done) => {
        const payload = new Uint8Array(Buffer.from(packet.payload));
        holder.gateway?.receive(client, { topic: packet.topic, payload }, done);
      },
    });
    const gateway = new ScriptedGateway(aedes, tls);
    holder.gateway = gateway;
    aedes.on("clientReady", (client) => {
      gateway.#client = client;
      gateway.connects++;
    });
    gateway.#server.listen({ host: "127.0.0.1", port });
    await once(gateway.#server, "listening");
    return gateway;
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("not listening");
    return address.port;
  }

  statements(): readonly Uint8Array[] {
    return this.published.filter(({ kind }) => kind === "statement").map(({ payload }) => payload);
  }

  get checkpoint(): TreeHead | undefined {
    return this.haves.at(-1)?.checkpoint;
  }

  send(
    address: Parameters<typeof downlinkTopic>[0],
    kind: DownlinkKind,
    payload: Uint8Array,
  ): void {
    this.#client?.publish(
      {
        cmd: "publish",
        topic: downlinkTopic(address, kind),
        payload: Buffer.from(payload),
        qos: 1,
        retain: false,
        dup: false,
      },
      () => undefined,
    );
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
  }

  receive(
    client: Client | null,
    packet: { readonly topic: string; readonly payload: Uint8Array },
    done: (error?: Error | null) => void,
  ): void {
    const topic = parseTopic(packet.topic);
    const published = { kind: topic?.kind ?? packet.topic, payload: packet.payload };
    this.published.push(published);
    const verdict = this.judge(published);
    if (verdict === "cut") {
      client?.conn.destroy();
      return;
    }
    if (verdict === "hold") {
      this.#heldBytes += packet.payload.length;
      this.held.push(() => {
        this.#heldBytes -= packet.payload.length;
        done();
      });
      this.heldMax = Math.max(this.heldMax, this.held.length);
      this.heldBytesMax = Math.max(this.heldBytesMax, this.#heldBytes);
      return;
    }
    done();
    if (topic?.kind === "have") this.#have(topic, packet.payload);
  }

  #have(address: Parameters<typeof downlinkTopic>[0], payload: Uint8Array): void {
    const parsed = parseHaveMessage(payload);
    if (!parsed.ok) throw new Error(parsed.fault.code);
    this.haves.push(parsed.value);
    this.#pages.push(parsed.value);
    if (!parsed.value.last) return;
    const pages = this.#pages;
    this.#pages = [];
    const answer = this.answer(pages);
    if (answer === undefined) return;
    const { nonce } = parsed.value;
    this.send(address, "want", encodeWantMessage({ nonce, ...answer }));
  }
}
