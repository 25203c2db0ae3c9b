/**
 * A device at one gateway: sends bundle after bundle as an agent does, remembers what was acknowledged, and
 * takes home a final receipt of each, verified from its bytes and the trust policy alone.
 */

import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { TestDevice } from "../../support/test-device.ts";
import type { Made, TestStream } from "../../support/test-stream.ts";
import { pause } from "../rig/wait.ts";
import type { RigDevice } from "./consortium-template.ts";
import type { Validator } from "./validator.ts";

/** A statement that was acknowledged, and its final receipt once there is one. */
export type Promised = { readonly made: Made; receipt?: FinalReceipt };

export type FinalReceipt = {
  readonly bytes: Uint8Array;
  /** The checkpoint of the channel's log that it ends in. */
  readonly size: bigint;
  readonly root: Uint8Array;
};

export type LoadPace = {
  /** Statements that are under way together. */
  readonly together: number;
  /** Milliseconds between two such bursts. */
  readonly everyMs: number;
};

const calmPace: LoadPace = { together: 2, everyMs: 120 };
const readingsPerBundle = 2;
const reconnectMs = 100;
const ackMsMax = 20_000;
const askTogether = 4;

export class DeviceLoad {
  readonly promised: Promised[] = [];
  readonly #validator: Validator;
  readonly #device: TestDevice;
  readonly #stream: TestStream;
  /** Signed, sent perhaps, and not acknowledged yet. */
  #open: Made[] = [];
  #isOnline = false;
  #running: Promise<void> | undefined;
  #stopping = false;

  constructor(validator: Validator, { keys, answer }: RigDevice) {
    this.#validator = validator;
    this.#device = new TestDevice(keys, answer);
    this.#stream = this.#device.stream();
    this.#open.push(this.#stream.start());
  }

  /** How many statements have their final receipt at home. */
  get finals(): number {
    return this.promised.filter(({ receipt }) => receipt !== undefined).length;
  }

  /** Statements acknowledged after the first `mark` of which a provisional receipt was verified, and no final one. */
  provisionalSince(mark: number): number {
    return this.promised
      .slice(mark)
      .filter(({ made }) => this.#device.answerTo(made)?.kind === "provisional").length;
  }

  get policy() {
    return this.#device.policy;
  }

  start(pace = calmPace): void {
    this.#stopping = false;
    this.#running ??= this.#run(pace);
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    this.#running = undefined;
  }

  /** One more statement, acknowledged; tries again for as long as it takes. */
  async sendOne(signal: AbortSignal): Promise<Promised> {
    const made = this.#stream.bundle(readingsPerBundle);
    this.#open.push(made);
    while (!(await this.#deliver())) {
      signal.throwIfAborted();
      await pause(reconnectMs);
    }
    const promised = this.promised.find((one) => one.made === made);
    if (promised === undefined) throw new Error("a delivered statement is remembered");
    return promised;
  }

  /**
   * Asks the gateway for the receipts that are not at home yet, and verifies them. What the gateway does not
   * know any more, since its lane came out of a backup, is sent again, as an agent would.
   *
   * @returns how many statements are still without a final receipt.
   */
  async collect(options: { readonly sendAgain: boolean }): Promise<number> {
    const queue = this.promised.filter(({ receipt }) => receipt === undefined).values();
    let missing = 0;
    const work = async () => {
      for (const one of queue) {
        const found = await this.#fetch(one.made);
        if (found.receipt !== undefined) one.receipt = found.receipt;
        else missing++;
        if (found.isUnknown && options.sendAgain) await this.#sendAgain(one.made);
      }
    };
    await Promise.all(Array.from({ length: askTogether }, work));
    return missing;
  }

  async close(): Promise<void> {
    this.#stopping = true;
    await this.#device.disconnect().catch(() => undefined);
    await this.#running?.catch(() => undefined);
  }

  async #run({ together, everyMs }: LoadPace): Promise<void> {
    while (!this.#stopping) {
      while (this.#open.length < together) this.#open.push(this.#stream.bundle(readingsPerBundle));
      await pause((await this.#deliver()) ? everyMs : reconnectMs);
    }
  }

  /** @returns whether all that was open is acknowledged; what is not stays open, exactly as it was signed. */
  async #deliver(): Promise<boolean> {
    if (!(await this.#connect())) return false;
    const open = this.#open;
    const acknowledged = await Promise.all(open.map((made) => this.#send(made)));
    this.#open = open.filter((_, at) => acknowledged[at] !== true);
    for (const [at, made] of open.entries())
      if (acknowledged[at] === true) this.promised.push({ made });
    if (this.#open.length > 0) await this.#hangUp();
    return this.#open.length === 0;
  }

  async #send(made: Made): Promise<boolean> {
    const late = new Promise<boolean>((resolve) => {
      AbortSignal.timeout(ackMsMax).addEventListener("abort", () => resolve(false));
    });
    const sent = this.#device.send(made).then(
      () => true,
      () => false,
    );
    return Promise.race([sent, late]);
  }

  async #sendAgain(made: Made): Promise<void> {
    if (await this.#connect()) await this.#send(made);
  }

  async #connect(): Promise<boolean> {
    if (this.#isOnline && this.#device.client.connected) return true;
    await this.#hangUp();
    if (!this.#validator.isRunning) return false;
    this.#isOnline = await this.#device.connect(this.#validator.mqttPort).then(
      () => true,
      () => false,
    );
    return this.#isOnline;
  }

  async #hangUp(): Promise<void> {
    this.#isOnline = false;
    await this.#device.disconnect().catch(() => undefined);
  }

  async #fetch(
    made: Made,
  ): Promise<{ readonly receipt?: FinalReceipt; readonly isUnknown: boolean }> {
    const at = `${this.#device.name}/${toHex(made.incarnation)}/${made.range.first}`;
    const { status, bytes } = await this.#validator.get(`/receipts/${at}`);
    if (status !== 200) return { isUnknown: status === 404 };
    const receipt = parseReceipt(bytes);
    if (!receipt.ok) throw new Error(`receipt of ${at}: ${receipt.fault.code}`);
    const verified = verifyReceipt(nodeCrypto, this.policy, receipt.value);
    // Provisional: the gateway's certificate comes with the final one.
    if (!verified.ok && receipt.value.final === undefined) return { isUnknown: false };
    if (!verified.ok) throw new Error(`receipt of ${at}: ${verified.fault.code}`);
    const seal = verified.value.final?.head.seal;
    if (seal === undefined) return { isUnknown: false };
    const { size, root } = seal.head;
    return { receipt: { bytes, size, root }, isUnknown: false };
  }
}
