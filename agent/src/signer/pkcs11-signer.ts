/** A signer on a key in a PKCS#11 token: one signature at a time, and it outlives a lost token. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { backoffMs } from "../outbox/backoff.ts";
import type { Pkcs11KeyUri } from "./key-uri.ts";
import { recoveryDelay, signAttemptsMax, signMsMax, signQueueMax } from "./limits.ts";
import type { Pkcs11Module, Pkcs11Modules } from "./pkcs11-module.ts";
import type { P256Key, Pkcs11Session } from "./pkcs11-session.ts";
import { closePkcs11Session, openPkcs11Session, signInSession } from "./pkcs11-session.ts";
import type { Signer, SignerState } from "./signer.ts";

export interface Pkcs11SignerOptions {
  readonly modules: Pkcs11Modules;
  readonly uri: Pkcs11KeyUri;
  /** Makes the key where the token has none; only now, never in a recovery. */
  readonly create: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Opens the key. Throws what {@link Pkcs11Modules.acquire} and {@link openPkcs11Session} throw; a
 * token that is absent now is the caller's to wait for.
 */
export async function openPkcs11Signer(options: Pkcs11SignerOptions): Promise<Signer> {
  const module = await options.modules.acquire(options.uri.modulePath);
  try {
    const session = await openPkcs11Session(module, options);
    return new Pkcs11Signer(options, module, session);
  } catch (error) {
    await module.release();
    throw error;
  }
}

interface Job {
  readonly digest: Digest;
  readonly resolve: (signature: Uint8Array) => void;
  readonly reject: (reason: unknown) => void;
  attempts: number;
  settled: boolean;
}

class Pkcs11Signer implements Signer {
  readonly algorithm = "ES256";
  readonly keyKind = "pkcs11";
  readonly #options: Pkcs11SignerOptions;
  readonly #module: Pkcs11Module;
  readonly #publicKey: P256Key;
  readonly #queue: Job[] = [];
  readonly #closing = new AbortController();
  #session: Pkcs11Session | undefined;
  #current: Job | undefined;
  /** The token has kept the current job longer than it may. */
  #overdue = false;
  #refusal: OperationalError | undefined;
  #pumping = false;
  #pumped: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(options: Pkcs11SignerOptions, module: Pkcs11Module, session: Pkcs11Session) {
    this.#options = options;
    this.#module = module;
    this.#session = session;
    this.#publicKey = session.publicKey;
  }

  publicKey(): P256Key {
    return this.#publicKey;
  }

  state(): SignerState {
    if (this.#refusal !== undefined) return "locked";
    return this.#session === undefined || this.#overdue ? "recovering" : "ready";
  }

  async sign(
    message: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    signal.throwIfAborted();
    if (this.#closing.signal.aborted) throw signerClosed();
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#queue.length + (this.#current === undefined ? 0 : 1) >= signQueueMax) {
      throw new OperationalError("SIGN_QUEUE_FULL", "too many signatures wait for the token", {
        details: { limit: signQueueMax, state: this.state() },
      });
    }
    const signing = this.#enqueue(nodeCrypto.sha256(message), signal);
    if (!this.#pumping) this.#pumped = this.#pump();
    return signing;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(signerClosed());
    this.#rejectAll(signerClosed());
    // A call that the token has not answered cannot be taken back; the library must not go before.
    await this.#pumped;
    if (this.#session !== undefined) await closePkcs11Session(this.#module, this.#session);
    await this.#module.release();
  }

  #enqueue(digest: Digest, signal: AbortSignal): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const settled = new AbortController();
    const job: Job = {
      digest,
      attempts: 0,
      settled: false,
      resolve: (signature) => {
        settle();
        resolve(signature);
      },
      reject: (reason) => {
        settle();
        reject(reason);
      },
    };
    const onAbort = () => job.reject(signal.reason);
    const settle = () => {
      job.settled = true;
      signal.removeEventListener("abort", onAbort);
      settled.abort();
      const index = this.#queue.indexOf(job);
      if (index >= 0) this.#queue.splice(index, 1);
    };
    const onTimeout = () => {
      this.#overdue ||= this.#current === job;
      job.reject(
        new OperationalError("SIGN_TIMEOUT", "the token has not signed in time", {
          details: { limitMs: signMsMax, state: this.state() },
        }),
      );
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#options.clock
      .sleep(signMsMax, { signal: settled.signal })
      .then(onTimeout, () => undefined);
    this.#queue.push(job);
    return promise;
  }

  /** Works until nothing waits and the session stands, or until the signer is locked or closed. */
  async #pump(): Promise<void> {
    this.#pumping = true;
    while (!this.#closing.signal.aborted && this.#refusal === undefined) {
      if (this.#session === undefined) {
        await this.#recover();
        continue;
      }
      this.#current = this.#queue.shift();
      if (this.#current === undefined) break;
      await this.#attempt(this.#current, this.#session);
      this.#current = undefined;
      this.#overdue = false;
    }
    this.#pumping = false;
  }

  async #attempt(job: Job, session: Pkcs11Session): Promise<void> {
    job.attempts++;
    try {
      job.resolve(await signInSession(this.#module, session, job.digest));
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      this.#session = undefined;
      this.#options.logger.warn(
        { event: "signer.token-lost", code: error.code, ...error.details },
        "the token does not sign; opening it again",
      );
      await closePkcs11Session(this.#module, session);
      if (job.settled) return;
      if (job.attempts < signAttemptsMax) this.#queue.unshift(job);
      else job.reject(signFailed(error));
    }
  }

  /**
   * Tries until it has a session, or until there is no point: at once first, since a session may
   * just have been closed; then with a fresh library and ever longer waits.
   */
  async #recover(): Promise<void> {
    const { uri, clock, logger } = this.#options;
    const { signal } = this.#closing;
    let lastCode = "";
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        if (attempt > 0) {
          const { generation } = this.#module;
          const random = clock.random();
          await clock.sleep(backoffMs(recoveryDelay, { attempt: attempt - 1, random }), { signal });
          await this.#module.reinitialize(generation);
        }
        this.#session = await this.#openSame(uri);
        logger.info({ event: "signer.ready", attempt }, "the token signs again");
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof OperationalError)) throw error;
        if (lockingCodes.has(error.code)) {
          this.#lock(error);
          return;
        }
        const facts = { event: "signer.recovering", attempt, code: error.code } as const;
        if (error.code !== lastCode) logger.warn({ ...facts, ...error.details }, error.message);
        lastCode = error.code;
      }
    }
  }

  /** Another token may carry the label by now: it must not sign in the name of the first. */
  async #openSame(uri: Pkcs11KeyUri): Promise<Pkcs11Session> {
    const session = await openPkcs11Session(this.#module, { uri, create: false });
    if (equal(session.publicKey.point, this.#publicKey.point)) return session;
    await closePkcs11Session(this.#module, session);
    throw new OperationalError("KEY_CHANGED", "the token that came back has another key");
  }

  #lock(refusal: OperationalError): void {
    this.#refusal = refusal;
    this.#rejectAll(refusal);
    this.#options.logger.error(
      { event: "signer.locked", code: refusal.code, ...refusal.details },
      refusal.message,
    );
  }

  #rejectAll(reason: OperationalError): void {
    this.#current?.reject(reason);
    for (const job of [...this.#queue]) job.reject(reason);
  }
}

/** After these, every further attempt can only do harm. */
const lockingCodes: ReadonlySet<string> = new Set(["PIN_REFUSED", "PIN_FINAL_TRY"]);

function signFailed(cause: OperationalError): OperationalError {
  return new OperationalError("SIGN_FAILED", "the token opens but does not sign", {
    cause,
    details: { attempts: signAttemptsMax, ...cause.details },
  });
}

function signerClosed(): OperationalError {
  return new OperationalError("SIGNER_CLOSED", "the signer is closed");
}
