/**
 * A device for tests and benches: speaks the protocol by itself over mTLS, verifies what comes down with
 * the receipt rules alone, and can say whatever it likes to the gateway.
 */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import type { VerifiedGateway } from "@tamga/ledger-core/receipt/verify-gateway";
import { verifyRejection } from "@tamga/ledger-core/receipt/verify-gateway";
import type { VerifiedLaneHead } from "@tamga/ledger-core/receipt/verify-lane-head";
import { verifyLaneHead } from "@tamga/ledger-core/receipt/verify-lane-head";
import { verifyProofMessage, verifyProvisional } from "@tamga/ledger-core/receipt/verify-proof";
import type {
  CertificateMessage,
  HeadMessage,
  ProofMessage,
  WantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import {
  parseCertificateMessage,
  parseHeadMessage,
  parseProofMessage,
  parseWantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import type { EnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import type { RejectionClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { DownlinkKind, UplinkKind } from "@tamga/ledger-core/wire/topic";
import { downlinkFilter, parseTopic, uplinkTopic } from "@tamga/ledger-core/wire/topic";
import type { IClientOptions, MqttClient } from "mqtt";
import { connect } from "mqtt";
import type { DeviceKeys } from "./device-keys.ts";
import { certificatePem } from "./device-keys.ts";
import type { Made } from "./test-stream.ts";
import { TestStream } from "./test-stream.ts";
import { name } from "./wire-samples.ts";

/** What the device has verified about a statement that it sent; later answers replace earlier. */
export type Answer =
  | { readonly kind: "provisional"; readonly leafIndex: bigint }
  | { readonly kind: "final"; readonly leafIndex: bigint; readonly head: VerifiedLaneHead }
  | { readonly kind: "rejected"; readonly final: boolean; readonly rejection: RejectionClaims };

type Received = {
  readonly want: WantMessage[];
  readonly head: HeadMessage[];
  readonly proof: ProofMessage[];
  readonly certificate: CertificateMessage[];
};

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));

export class TestDevice {
  readonly keys: DeviceKeys;
  readonly answer: EnrolmentAnswer;
  readonly policy: TrustPolicy;
  /** Everything that came down, parsed, oldest first. */
  readonly received: Received = { want: [], head: [], proof: [], certificate: [] };
  /** Rejections that verified, oldest first. */
  readonly rejections: RejectionClaims[] = [];
  readonly #sent = new Map<string, Made>();
  readonly #answers = new Map<string, Answer>();
  readonly #arrived = new EventTarget();
  /** Provisional proofs that came before the first head, which brings the gateway's certificate. */
  #early: ProofMessage[] = [];
  #head: VerifiedLaneHead | undefined;
  #gateway: VerifiedGateway | undefined;
  #fault: Error | undefined;
  #client: MqttClient | undefined;
  #tlsChain: readonly Uint8Array[];

  constructor(keys: DeviceKeys, answer: EnrolmentAnswer) {
    this.keys = keys;
    this.answer = answer;
    this.#tlsChain = answer.tlsChain;
    this.policy = unwrap(parseTrustPolicy(utf8(answer.trust)));
  }

  get name(): Identifier {
    return this.keys.device;
  }

  get client(): MqttClient {
    return present(this.#client, "connection of the test device");
  }

  stream(stream = "test"): TestStream {
    const { channel, device } = this.answer;
    return new TestStream({ channel, device, ...this.keys.signing }, name(stream));
  }

  /** TLS of this device as `tls.connect` takes it. */
  tls(port: number) {
    return {
      host: "127.0.0.1",
      port,
      key: this.keys.tlsKey,
      cert: this.#tlsChain.map(certificatePem).join(""),
      ca: certificatePem(this.answer.ca),
    };
  }

  /** Connects and subscribes; rejects where the broker refuses or cuts the line. */
  async connect(port: number, options: IClientOptions = {}): Promise<void> {
    const client = connect({
      protocol: "mqtts",
      protocolVersion: 4,
      clientId: this.name,
      clean: true,
      keepalive: 60,
      reconnectPeriod: 0,
      connectTimeout: 20_000,
      ...this.tls(port),
      ...options,
    });
    this.#client = client;
    await connected(client);
    // One for each publish that is under way.
    client.setMaxListeners(0);
    client.on("error", () => undefined);
    client.on("close", () => this.#arrived.dispatchEvent(new Event("message")));
    client.on("message", (topic, payload) => this.#take(topic, new Uint8Array(payload)));
    await client.subscribeAsync(downlinkFilter(this.answer), { qos: 1 });
  }

  /** Resolves at PUBACK; rejects where the line was cut before it. */
  async publish(kind: UplinkKind, payload: Uint8Array): Promise<void> {
    await this.publishRaw(uplinkTopic(this.answer, kind), payload);
  }

  publishRaw(
    topic: string,
    payload: Uint8Array,
    options: { readonly qos?: 0 | 1 | 2; readonly retain?: boolean } = {},
  ): Promise<void> {
    const { client } = this;
    return new Promise((resolve, reject) => {
      const cut = () => reject(new Error("the line was cut"));
      client.once("close", cut);
      client.publish(topic, Buffer.from(payload), { qos: 1, ...options }, (error) => {
        client.off("close", cut);
        if (error === undefined || error === null) resolve();
        else reject(error);
      });
    });
  }

  /** Publishes a statement and remembers it, so that proofs of it can be verified. */
  send(made: Made): Promise<void> {
    this.remember(made);
    return this.publish("statement", made.payload);
  }

  remember(made: Made): void {
    this.#sent.set(keyOf(made.incarnation, made.range.first), made);
  }

  /** The newest verified answer about a statement. */
  answerTo(made: Made): Answer | undefined {
    return this.answerOf(made.identity);
  }

  /** The same by identity, or by the digest of what could not be read. */
  answerOf(identity: Digest): Answer | undefined {
    return this.#answers.get(toHex(identity));
  }

  /** Waits for a verified answer of this kind, or for one that says more. */
  async until(made: Made, kind: Answer["kind"], timeoutMs = 10_000): Promise<Answer> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      if (this.#fault !== undefined) throw this.#fault;
      const answer = this.answerTo(made);
      if (answer !== undefined && (answer.kind === kind || answer.kind !== "provisional"))
        return answer;
      await arrival(this.#arrived, signal);
    }
  }

  /** Waits until something that came down satisfies `look`. */
  async untilReceived<T>(
    look: (received: Received) => T | undefined,
    timeoutMs = 10_000,
  ): Promise<T> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = look(this.received);
      if (found !== undefined) return found;
      await arrival(this.#arrived, signal);
    }
  }

  /** Waits for the next message from the gateway. */
  untilMore(timeoutMs = 10_000): Promise<void> {
    return arrival(this.#arrived, AbortSignal.timeout(timeoutMs));
  }

  /** Resolves when the broker has cut the line. */
  async untilCut(timeoutMs = 10_000): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    while (this.#client?.connected === true) await arrival(this.#arrived, signal);
  }

  /** Uses renewed certificates from the next connection on. */
  renewed(message: CertificateMessage): void {
    this.#tlsChain = message.tls;
  }

  async disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#early = [];
    await client?.endAsync(true);
  }

  #take(topic: string, payload: Uint8Array): void {
    const parsed = parseTopic(topic);
    if (parsed === undefined || parsed.direction !== "down") return;
    try {
      this.#takeKind(parsed.kind, payload);
    } catch (error) {
      this.#fault = error instanceof Error ? error : new Error(String(error));
    }
    this.#arrived.dispatchEvent(new Event("message"));
  }

  #takeKind(kind: DownlinkKind, payload: Uint8Array): void {
    if (kind === "want") this.received.want.push(unwrap(parseWantMessage(payload)));
    else if (kind === "certificate") {
      this.received.certificate.push(unwrap(parseCertificateMessage(payload)));
    } else if (kind === "head") {
      const head = unwrap(parseHeadMessage(payload));
      this.received.head.push(head);
      this.#head = unwrap(verifyLaneHead(nodeCrypto, this.policy, head));
      this.#gateway = this.#head.gateway;
      for (const early of this.#early.splice(0)) this.#takeProof(early);
    } else {
      const proof = unwrap(parseProofMessage(payload));
      this.received.proof.push(proof);
      this.#takeProof(proof);
    }
  }

  #takeProof(proof: ProofMessage): void {
    const gateway = this.#gateway;
    if (proof.signature !== undefined && gateway === undefined) {
      this.#early.push(proof);
      return;
    }
    const leafHashes = proof.entries.map((entry): Digest => {
      if (entry.rejection !== undefined) return hasher.leaf(entry.rejection);
      const made = this.#sent.get(keyOf(entry.incarnation, entry.first));
      return present(made, "statement that a proof speaks of").leafHash;
    });
    const final = proof.signature === undefined;
    const head = this.#head;
    const verified = final
      ? verifyProofMessage(nodeCrypto, present(head, "head before its proof"), {
          proof,
          leafHashes,
        })
      : verifyProvisional(nodeCrypto, this.policy, {
          proof,
          leafHashes,
          gateway: present(gateway, "gateway"),
        });
    for (const entry of unwrap(verified).entries) {
      if (entry.rejection !== undefined) this.#takeRejection(entry.rejection, final);
      else {
        const made = present(this.#sent.get(keyOf(entry.incarnation, entry.first)), "statement");
        const { leafIndex } = entry;
        if (final) {
          const by = present(head, "head");
          this.#answers.set(toHex(made.identity), { kind: "final", leafIndex, head: by });
        } else if (this.answerTo(made)?.kind !== "final") {
          this.#answers.set(toHex(made.identity), { kind: "provisional", leafIndex });
        }
      }
    }
  }

  #takeRejection(bytes: Uint8Array, final: boolean): void {
    const gateway = present(this.#gateway, "gateway");
    const rejection = unwrap(
      verifyRejection(nodeCrypto, this.policy, { rejection: bytes, gateway }),
    );
    this.rejections.push(rejection);
    this.#answers.set(toHex(rejection.refused), { kind: "rejected", final, rejection });
  }
}

/** The value, or an error with the fault's code: for what a test takes for granted. */
export function unwrap<T>(result: Result<T, { readonly code: string }>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.fault.code} ${JSON.stringify(result.fault, bigintText)}`);
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function keyOf(incarnation: Uint8Array, first: bigint): string {
  return `${toHex(incarnation)}/${first}`;
}

function arrival(target: EventTarget, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      target.removeEventListener("message", take);
      reject(signal.reason);
    };
    const take = () => {
      signal.removeEventListener("abort", abort);
      resolve();
    };
    target.addEventListener("message", take, { once: true });
    signal.addEventListener("abort", abort, { once: true });
  });
}

function connected(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
    client.once("close", () => reject(new Error("the line was cut before CONNACK")));
  });
}
