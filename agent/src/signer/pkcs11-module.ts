/**
 * One PKCS#11 library as all signers of this process share it: C_Initialize and C_Finalize are the
 * whole process's, so they are counted, and never run beside another call.
 */

import { realpath } from "node:fs/promises";
import { assert } from "@tamga/ledger-core/base/assert";
import type { Cryptoki } from "./cryptoki.ts";
import { ck, ckrOf, loadCryptoki, toTokenError } from "./cryptoki.ts";

/** The libraries of a process, by real path. Use {@link processModules}; a test brings its own. */
export class Pkcs11Modules {
  readonly #load: (path: string) => Promise<Cryptoki>;
  readonly #modules = new Map<string, Promise<Pkcs11Module>>();

  constructor(load: (path: string) => Promise<Cryptoki> = loadCryptoki) {
    this.#load = load;
  }

  /**
   * The library at `path`, initialised; give it back with {@link Pkcs11Module.release}. Throws
   * PKCS11_UNAVAILABLE, PKCS11_MODULE_UNUSABLE, TOKEN_FAILED.
   */
  async acquire(path: string): Promise<Pkcs11Module> {
    const name = await realpath(path).catch(() => path);
    let loading = this.#modules.get(name);
    if (loading === undefined) {
      loading = this.#load(name).then((cryptoki) => new Pkcs11Module(cryptoki));
      this.#modules.set(name, loading);
      loading.catch(() => this.#modules.delete(name));
    }
    const module = await loading;
    await module.retain();
    return module;
  }
}

/** The only state of a module file in the agent: a library exists once a process, whoever asks. */
export const processModules = new Pkcs11Modules();

export class Pkcs11Module {
  /**
   * Tokens that refused a PIN in this process: no signer tries again, since each attempt brings
   * the token nearer to locking itself for good.
   */
  readonly refusingTokens = new Set<string>();
  readonly #cryptoki: Cryptoki;
  #generation = 0;
  #references = 0;
  #initialized = false;
  #calls = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  #change: Promise<void> = Promise.resolve();

  constructor(cryptoki: Cryptoki) {
    this.#cryptoki = cryptoki;
  }

  /**
   * Counts the initialisations. Handles of an earlier generation must not be used: numbers start
   * again, and an old one may now be another signer's session.
   */
  get generation(): number {
    return this.#generation;
  }

  /** Runs calls while the library stays initialised as it is. Never nest it. */
  async use<T>(calls: (cryptoki: Cryptoki, generation: number) => T | Promise<T>): Promise<T> {
    let change: Promise<void>;
    do {
      change = this.#change;
      await change;
    } while (change !== this.#change);
    this.#calls++;
    try {
      return await calls(this.#cryptoki, this.#generation);
    } finally {
      this.#calls--;
      if (this.#calls === 0) this.#idle?.resolve();
    }
  }

  /** Takes one more reference, and initialises for the first. */
  async retain(): Promise<void> {
    this.#references++;
    try {
      await this.#exclusively(() => {
        if (!this.#initialized) this.#initialize();
      });
    } catch (error) {
      this.#references--;
      throw error;
    }
  }

  /** Finalises with the last reference. */
  async release(): Promise<void> {
    assert(this.#references > 0, "a PKCS#11 module is released as often as it is retained");
    this.#references--;
    await this.#exclusively(() => {
      if (this.#references === 0 && this.#initialized) this.#finalize();
    });
  }

  /**
   * Finalises and initialises again: some libraries see a returned token only then. It waits for
   * calls under way, ends every session of the process, and does nothing where another signer has
   * done it since `generation`.
   */
  async reinitialize(generation: number): Promise<void> {
    await this.#exclusively(() => {
      if (generation !== this.#generation) return;
      this.#finalize();
      this.#initialize();
    });
  }

  #initialize(): void {
    this.#generation++;
    try {
      // Signatures are made on other threads than this one.
      this.#cryptoki.C_Initialize({ flags: ck.CKF_OS_LOCKING_OK });
    } catch (error) {
      if (ckrOf(error) !== "CKR_CRYPTOKI_ALREADY_INITIALIZED") throw toTokenError(error);
    }
    this.#initialized = true;
  }

  #finalize(): void {
    this.#initialized = false;
    try {
      this.#cryptoki.C_Finalize();
    } catch (error) {
      // Already gone is what we want; what else is wrong, C_Initialize says.
      if (ckrOf(error) === undefined) throw error;
    }
  }

  /** One change at a time, and only once every call has come back; new calls wait behind it. */
  async #exclusively(change: () => void): Promise<void> {
    const before = this.#change;
    const done = Promise.withResolvers<void>();
    this.#change = done.promise;
    try {
      await before;
      if (this.#calls > 0) {
        this.#idle = Promise.withResolvers<void>();
        await this.#idle.promise;
        this.#idle = undefined;
      }
      change();
    } finally {
      done.resolve();
    }
  }
}
