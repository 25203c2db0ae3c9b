/**
 * Replaces the signing key of a running agent: asks with both keys for the new one's certificate, signs with it from
 * then on, and says that the old one may go once a statement by the new one has a final receipt. Each step is on disk
 * before it takes effect, and nothing of it holds up a reading. (Longer than other files: its steps share their state.)
 */

import { existsSync } from "node:fs";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import { monotonicMillis } from "@tamga/ledger-core/base/time";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { TpmKeyProof } from "@tamga/ledger-core/wire/key-rotation";
import {
  encodeRotationMessage,
  parseRotationMessage,
  rotationIdentity,
} from "@tamga/ledger-core/wire/key-rotation";
import type { RenewedMessage } from "@tamga/ledger-core/wire/renewed-message";
import { deviceFile, readChain } from "../identity/device-files.ts";
import type { DeviceIdentity } from "../identity/device-identity.ts";
import {
  rotationAskMsMax,
  rotationAskMsMin,
  rotationLookMs,
  rotationRetryMs,
} from "../limits-daemon.ts";
import type { SqliteOutbox } from "../outbox/sqlite-outbox.ts";
import type { HeldSigner } from "../signer/held-signer.ts";
import type { Signer } from "../signer/signer.ts";
import { AskPace } from "./ask-pace.ts";
import { takeLeftAnswer } from "./carried-answer.ts";
import { FirstReceipt } from "./first-receipt.ts";
import { kidOf, makeRotationRequest } from "./make-request.ts";
import type { RotationRecord, RotationStep } from "./rotation-file.ts";
import { earlierWith, forgetNextKey, readNextKey, writeRotation } from "./rotation-file.ts";
import type { RotationStatus } from "./rotation-status.ts";
import { holdsRestKey, rotationStatus } from "./rotation-status.ts";
import { settleFiles, takeWayBack } from "./settle-files.ts";

export type KeyRotationOptions = {
  readonly dataDir: string;
  /** As it is on disk; `key` where nothing is. */
  readonly record: RotationRecord | undefined;
  /** URI of the key that `held` opened with. */
  readonly key: string;
  readonly identity: DeviceIdentity;
  readonly held: HeldSigner;
  readonly outbox: Pick<SqliteOutbox, "signWith" | "lastOrdinal" | "finalAfter">;
  /** Opens a key that is there. */
  readonly open: (uri: string) => Promise<Signer>;
  /** Has a TPM certify a key of its own for these requests; undefined where the key is in none. */
  readonly prove: (
    uri: string,
    requests: { readonly signing: Uint8Array; readonly tls: Uint8Array },
    options: { readonly signal: AbortSignal },
  ) => Promise<TpmKeyProof | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
};

export class KeyRotation {
  readonly #options: KeyRotationOptions;
  #record: RotationRecord;
  #wanted: string | undefined;
  #trouble: string | undefined;
  readonly #pace = new AskPace({ msMin: rotationAskMsMin, msMax: rotationAskMsMax });
  #tryAt: MonotonicMillis | undefined;
  /** A key is being opened or signs: nothing else may begin. */
  #busy = false;
  #first: FirstReceipt | undefined;

  constructor(options: KeyRotationOptions) {
    this.#options = options;
    const { record, key } = options;
    // A key that the operator himself put into the configuration ends what was under way.
    this.#record =
      record === undefined || record.key !== key
        ? { key, earlier: record?.earlier ?? [], step: undefined }
        : record;
  }

  status(): RotationStatus | null {
    return rotationStatus(this.#record, { wanted: this.#wanted, trouble: this.#trouble });
  }

  /** See {@link holdsRestKey}. */
  get holdsRestKey(): boolean {
    return holdsRestKey(this.#record);
  }

  /** A new connection: what is asked for is asked anew. */
  connected(): void {
    this.#pace.reset();
  }

  /** The payload of a `up/renew` that is to go now, if any; it comes again until it is answered. */
  due(now: MonotonicMillis): Uint8Array | undefined {
    const { step } = this.#record;
    if (step?.phase !== "asking" || this.#busy) return undefined;
    return this.#pace.isDue(now) ? step.request : undefined;
  }

  /** Takes an answer. @returns whether the new key is in use now. Faults are shown in the status. */
  async take(message: RenewedMessage): Promise<boolean> {
    const { step } = this.#record;
    if (step?.phase !== "asking" || this.#busy) return false;
    const request = parseRotationMessage(step.request);
    const identity = request.ok ? rotationIdentity(nodeCrypto, request.value) : undefined;
    if (identity === undefined || !equal(identity, message.request)) return false;
    const { outcome } = message;
    if (outcome.type !== "certified") {
      this.#tell(outcome.type === "waiting" ? "WAITING" : outcome.code);
      return false;
    }
    this.#busy = true;
    try {
      return await this.#switch(step, outcome.certificates);
    } finally {
      this.#busy = false;
    }
  }

  async #switch(
    step: Extract<RotationStep, { phase: "asking" }>,
    certificates: { readonly signing: readonly Uint8Array[]; readonly tls: readonly Uint8Array[] },
  ): Promise<boolean> {
    const { dataDir, identity, logger } = this.#options;
    const next = await this.#opened(step.to);
    if (next === undefined) return false;
    const judged = identity.judgeNext(next.publicKey(), certificates);
    if (!judged.ok) {
      await next.close();
      this.#tell(judged.fault.code);
      return false;
    }
    try {
      this.#keep(this.#provingRecord(step, certificates));
    } catch (error) {
      await next.close();
      throw error;
    }
    this.#changeOver(next, { ...judged.value, tlsChain: certificates.tls });
    settleFiles(dataDir, this.#record);
    logger.info(
      { event: "rotation.switched", kid: toHex(step.toKid) },
      "the new key signs; the old one is kept until a statement by it is final",
    );
    return true;
  }

  #provingRecord(
    { to, toKid }: Extract<RotationStep, { phase: "asking" }>,
    certificates: { readonly signing: readonly Uint8Array[]; readonly tls: readonly Uint8Array[] },
  ): RotationRecord {
    const { dataDir, held, outbox } = this.#options;
    const { key: from, earlier, restKey } = this.#record;
    const rest = existsSync(deviceFile(dataDir, "outboxKey")) ? (restKey ?? from) : undefined;
    return {
      key: to,
      earlier: earlierWith(earlier, { from, to }),
      ...(rest === undefined ? {} : { restKey: rest }),
      step: {
        phase: "proving",
        from,
        fromKid: kidOf(held.publicKey()),
        toKid,
        ...certificates,
        oldSigning: readChain(dataDir, "signing"),
        after: outbox.lastOrdinal(),
      },
    };
  }

  /** What is on disk already takes effect, for the line and for every statement that is begun from now on. */
  #changeOver(signer: Signer, certificates: Parameters<DeviceIdentity["adopt"]>[1]): void {
    const { identity, held, outbox } = this.#options;
    identity.adopt(signer.publicKey(), certificates);
    outbox.signWith(signer);
    held.use(signer);
    this.#trouble = undefined;
    this.#tryAt = undefined;
    this.#first = undefined;
  }

  /** Looks for what an operator asks, and for the first receipt of the new key, until the signal aborts. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.look({ signal });
      await clock.sleep(rotationLookMs, { signal }).catch(() => undefined);
    }
  }

  /** One look. */
  async look({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { dataDir, identity } = this.#options;
    const { device } = identity.address;
    try {
      this.#findReceipt();
      await takeLeftAnswer({ dataDir, device }, (message) => this.take(message));
      // An answer may have come over the line meanwhile.
      if (this.#busy) return;
      this.#busy = true;
      await this.#takeWish({ signal }).finally(() => {
        this.#busy = false;
      });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof OperationalError)) throw error;
      this.#failed(error.code);
    }
  }

  async #takeWish({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { dataDir, clock } = this.#options;
    const wish = readNextKey(dataDir);
    this.#wanted = wish !== undefined && "to" in wish ? wish.to : undefined;
    const { step } = this.#record;
    // One at a time: until the new key is proved, another one has to wait.
    if (wish === undefined) return;
    if ("back" in wish) {
      await this.#goBack(step);
      return;
    }
    if (step?.phase === "proving") return;
    if ("cancel" in wish) {
      if (step?.phase === "asking") this.#keep({ ...this.#record, step: undefined });
      this.#trouble = undefined;
      forgetNextKey(dataDir);
      return;
    }
    if (step?.phase === "asking" && step.to === wish.to && !this.#isRefused) {
      // It was asked already, before a power cut, or twice.
      forgetNextKey(dataDir);
      return;
    }
    if (this.#tryAt !== undefined && clock.monotonic() < this.#tryAt) return;
    await this.#ask(wish.to, { signal });
  }

  /** The old key signs again, if it does sign; what the new one signed counts, and is sent as it is. */
  async #goBack(step: RotationStep | undefined): Promise<void> {
    const { dataDir, identity, clock, logger } = this.#options;
    if (step?.phase !== "proving") {
      forgetNextKey(dataDir);
      return;
    }
    if (this.#tryAt !== undefined && clock.monotonic() < this.#tryAt) return;
    const old = await this.#opened(step.from);
    if (old === undefined) return;
    const chains = { signing: step.oldSigning, tls: readChain(dataDir, "tls") };
    const judged = identity.judgeNext(old.publicKey(), chains);
    if (!judged.ok) {
      await old.close();
      this.#failed(judged.fault.code);
      return;
    }
    this.#record = takeWayBack(dataDir, this.#record) ?? this.#record;
    this.#changeOver(old, { ...judged.value, tlsChain: chains.tls });
    logger.info({ event: "rotation.back", kid: toHex(step.fromKid) }, "the old key signs again");
  }

  async #ask(to: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { dataDir, identity, held, clock, logger } = this.#options;
    const next = await this.#opened(to);
    if (next === undefined) return;
    try {
      const toKid = kidOf(next.publicKey());
      if (equal(toKid, kidOf(held.publicKey()))) {
        this.#failed("ROTATION_SAME_KEY");
        return;
      }
      const message = await makeRotationRequest(
        { from: held.current, to: next },
        {
          address: identity.address,
          tls: await identity.tlsRequest(),
          now: clock.now(),
          prove: (requests) => this.#options.prove(to, requests, { signal }),
        },
        { signal },
      );
      const request = encodeRotationMessage(message);
      this.#keep({ ...this.#record, step: { phase: "asking", to, toKid, request } });
      // Another wish may have come while the keys signed.
      const wish = readNextKey(dataDir);
      if (wish !== undefined && "to" in wish && wish.to === to) forgetNextKey(dataDir);
      this.#wanted = undefined;
      this.#trouble = undefined;
      this.connected();
      logger.info({ event: "rotation.asking", kid: toHex(toKid) }, "asks for the next key");
    } finally {
      await next.close();
    }
  }

  #findReceipt(): void {
    const { step } = this.#record;
    if (step?.phase !== "proving") return;
    const { from, fromKid, toKid, after } = step;
    const { outbox, logger } = this.#options;
    this.#first ??= new FirstReceipt(outbox, { kid: toKid, after });
    if (!this.#first.isThere()) return;
    this.#keep({ ...this.#record, step: { phase: "done", from, fromKid, toKid } });
    this.#first = undefined;
    this.#trouble = undefined;
    logger.info(
      { event: "rotation.done", kid: toHex(toKid) },
      "a statement by the new key has its final receipt: the old one is needed no more",
    );
  }

  /** Whether the gateway said no to what is asked: asked again, it is another request. */
  get #isRefused(): boolean {
    return this.#trouble !== undefined && this.#trouble !== "WAITING";
  }

  async #opened(uri: string): Promise<Signer | undefined> {
    try {
      return await this.#options.open(uri);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      this.#failed(error.code);
      return undefined;
    }
  }

  /** On disk before anything else is done by it. */
  #keep(record: RotationRecord): void {
    writeRotation(this.#options.dataDir, record);
    this.#record = record;
  }

  #failed(code: string): void {
    const { clock } = this.#options;
    this.#tryAt = monotonicMillis(clock.monotonic() + rotationRetryMs);
    this.#tell(code);
  }

  #tell(code: string): void {
    if (this.#trouble === code) return;
    this.#trouble = code;
    const level = code === "WAITING" ? "info" : "warn";
    this.#options.logger[level]({ event: "rotation.waits", code }, "the next key is not in use");
  }
}
