/**
 * A device for tests and benches: speaks the protocol by itself over mTLS, verifies what comes down with
 * the receipt rules alone, and can say whatever it likes to the gateway.
 */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import type { CertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { EnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import type { RejectionClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { UplinkKind } from "@tamga/ledger-core/wire/topic";
import { downlinkFilter, parseTopic, uplinkTopic } from "@tamga/ledger-core/wire/topic";
import type { IClientOptions, MqttClient } from "mqtt";
import { connect } from "mqtt";
import type { DeviceKeys } from "./device-keys.ts";
import { certificatePem } from "./device-keys.ts";
import { answerMsMax } from "./soon.ts";
import type { Made } from "./test-stream.ts";
import { TestStream } from "./test-stream.ts";
import { unwrap } from "./unwrap.ts";
import type { Answer, Received } from "./verified-downlink.ts";
import { VerifiedDownlink } from "./verified-downlink.ts";
import { name } from "./wire-samples.ts";

export { unwrap } from "./unwrap.ts";

export class TestDevice {
  readonly keys: DeviceKeys;
  readonly answer: EnrolmentAnswer;
  readonly policy: TrustPolicy;
  readonly #downlink: VerifiedDownlink;
  readonly #arrived = new EventTarget();
  #fault: Error | undefined;
  #client: MqttClient | undefined;
  #tlsChain: readonly Uint8Array[];

  constructor(keys: DeviceKeys, answer: EnrolmentAnswer) {
    this.keys = keys;
    this.answer = answer;
    this.#tlsChain = answer.tlsChain;
    this.policy = unwrap(parseTrustPolicy(utf8(answer.trust)));
    this.#downlink = new VerifiedDownlink(this.policy);
  }

  get name(): Identifier {
    return this.keys.device;
  }

  /** Everything that came down, parsed, oldest first. */
  get received(): Received {
    return this.#downlink.received;
  }

  /** Rejections that verified, oldest first. */
  get rejections(): readonly RejectionClaims[] {
    return this.#downlink.rejections;
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
      connectTimeout: answerMsMax,
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
    this.#downlink.remember(made);
  }

  /** The newest verified answer about a statement. */
  answerTo(made: Made): Answer | undefined {
    return this.answerOf(made.identity);
  }

  /** The same by identity, or by the digest of what could not be read. */
  answerOf(identity: Digest): Answer | undefined {
    return this.#downlink.answerOf(identity);
  }

  /** Waits for a verified answer of this kind, or for one that says more. */
  async until(made: Made, kind: Answer["kind"], timeoutMs = answerMsMax): Promise<Answer> {
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
    timeoutMs = answerMsMax,
  ): Promise<T> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = look(this.received);
      if (found !== undefined) return found;
      await arrival(this.#arrived, signal);
    }
  }

  /** Waits for the next message from the gateway. */
  untilMore(timeoutMs = answerMsMax): Promise<void> {
    return arrival(this.#arrived, AbortSignal.timeout(timeoutMs));
  }

  /** Resolves when the broker has cut the line. */
  async untilCut(timeoutMs = answerMsMax): Promise<void> {
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
    this.#downlink.forgetEarly();
    await client?.endAsync(true);
  }

  #take(topic: string, payload: Uint8Array): void {
    const parsed = parseTopic(topic);
    if (parsed === undefined || parsed.direction !== "down") return;
    try {
      this.#downlink.take(parsed.kind, payload);
    } catch (error) {
      this.#fault = error instanceof Error ? error : new Error(String(error));
    }
    this.#arrived.dispatchEvent(new Event("message"));
  }
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
