/** A signer on a key in a token (PKCS#11, TPM): one signature at a time, and it outlives a lost token. */

import type { Algorithm, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { backoffMs } from "../outbox/backoff.ts";
import { recoveryDelay, signAttemptsMax, signMsMax, signQueueMax } from "./limits.ts";
import { samePublicKey } from "./public-key.ts";
import type { Signer, SignerState } from "./signer.ts";

/** A key that was found in its token and has signed once. */
export interface TokenSession {
  readonly publicKey: PublicKey;
}

/** The port to one key in a token; what it throws as OperationalError may pass, and is tried again. */
export interface Token<Session extends TokenSession> {
  readonly keyKind: Signer["keyKind"];
  /** Finds the key, which has to be there, and lets it sign once. */
  open(): Promise<Session>;
  /** Signs the message; one call at a time. After an error the session is to be opened anew. */
  sign(session: Session, message: Uint8Array): Promise<Uint8Array>;
  /** Best effort. */
  closeSession(session: Session): Promise<void>;
  /**
   * Asked before a wait, and called after it, before the key is opened again: opening it at once did not
   * help. Nothing is done where somebody else has revived the token meanwhile.
   */
  revival(): () => Promise<void>;
  /**
   * Whether after this failure of a signature the token is to be revived before the key is opened: a
   * library that has lost track of its token must not be asked to log in, it would blame the PIN.
   */
  isConfused(failure: OperationalError): boolean;
  /** Lets go of what all sessions share. */
  release(): Promise<void>;
}

export interface TokenSignerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Job {
  readonly message: Uint8Array;
  readonly resolve: (signature: Uint8Array) => void;
  readonly reject: (reason: unknown) => void;
  attempts: number;
  settled: boolean;
}

export class TokenSigner<Session extends TokenSession> implements Signer {
  readonly algorithm: Algorithm;
  readonly keyKind: Signer["keyKind"];
  readonly #options: TokenSignerOptions;
  readonly #token: Token<Session>;
  readonly #publicKey: PublicKey;
  readonly #queue: Job[] = [];
  readonly #closing = new AbortController();
  #session: Session | undefined;
  #current: Job | undefined;
  /** The token has kept the current job longer than it may. */
  #overdue = false;
  #refusal: OperationalError | undefined;
  /** To be done before the key is opened for the first time again. */
  #revive: (() => Promise<void>) | undefined;
  #pumping = false;
  #pumped: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** @param session is open; the signer closes it, and releases the token. */
  constructor(token: Token<Session>, session: Session, options: TokenSignerOptions) {
    this.#options = options;
    this.#token = token;
    this.#session = session;
    this.#publicKey = session.publicKey;
    this.algorithm = session.publicKey.algorithm;
    this.keyKind = token.keyKind;
  }

  publicKey(): PublicKey {
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
    const signing = this.#enqueue(message, signal);
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
    if (this.#session !== undefined) await this.#token.closeSession(this.#session);
    await this.#token.release();
  }

  #enqueue(message: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const settled = new AbortController();
    const job: Job = {
      message,
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

  async #attempt(job: Job, session: Session): Promise<void> {
    job.attempts++;
    try {
      job.resolve(await this.#token.sign(session, job.message));
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      this.#session = undefined;
      if (this.#token.isConfused(error)) this.#revive = this.#token.revival();
      this.#options.logger.warn(
        { event: "signer.token-lost", code: error.code, ...error.details },
        "the token does not sign; opening it again",
      );
      await this.#token.closeSession(session);
      if (job.settled) return;
      if (job.attempts < signAttemptsMax) this.#queue.unshift(job);
      else job.reject(signFailed(error));
    }
  }

  /**
   * Tries until it has a session, or until there is no point: at once first, since a session may
   * just have been closed, with a fresh library where the old one is confused; then always with a
   * fresh library and ever longer waits.
   */
  async #recover(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#closing;
    let lastCode = "";
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        if (attempt > 0) {
          const revive = this.#token.revival();
          const random = clock.random();
          await clock.sleep(backoffMs(recoveryDelay, { attempt: attempt - 1, random }), { signal });
          await revive();
        } else if (this.#revive !== undefined) {
          const revive = this.#revive;
          this.#revive = undefined;
          await revive();
        }
        this.#session = await this.#openSame();
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
  async #openSame(): Promise<Session> {
    const session = await this.#token.open();
    if (samePublicKey(session.publicKey, this.#publicKey)) return session;
    await this.#token.closeSession(session);
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
