/** A signer on a key in a PKCS#11 token. */

import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import type { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Pkcs11KeyUri } from "./key-uri.ts";
import type { Pkcs11Module, Pkcs11Modules } from "./pkcs11-module.ts";
import type { Pkcs11Session } from "./pkcs11-session.ts";
import { closePkcs11Session, openPkcs11Session, signInSession } from "./pkcs11-session.ts";
import type { Signer } from "./signer.ts";
import type { Token } from "./token-signer.ts";
import { TokenSigner } from "./token-signer.ts";

export interface Pkcs11SignerOptions {
  readonly modules: Pkcs11Modules;
  readonly uri: Pkcs11KeyUri;
  /** Makes a key of this algorithm where the token has none; only now, never in a recovery. */
  readonly create: Algorithm | undefined;
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
    return new TokenSigner(new Pkcs11Token(module, options.uri), session, options);
  } catch (error) {
    await module.release();
    throw error;
  }
}

class Pkcs11Token implements Token<Pkcs11Session> {
  readonly keyKind = "pkcs11";
  readonly #module: Pkcs11Module;
  readonly #uri: Pkcs11KeyUri;

  constructor(module: Pkcs11Module, uri: Pkcs11KeyUri) {
    this.#module = module;
    this.#uri = uri;
  }

  open(): Promise<Pkcs11Session> {
    return openPkcs11Session(this.#module, { uri: this.#uri, create: undefined });
  }

  sign(session: Pkcs11Session, message: Uint8Array): Promise<Uint8Array> {
    return signInSession(this.#module, session, message);
  }

  closeSession(session: Pkcs11Session): Promise<void> {
    return closePkcs11Session(this.#module, session);
  }

  /** A library that lost its token may need to begin anew. */
  revival(): () => Promise<void> {
    const { generation } = this.#module;
    return () => this.#module.reinitialize(generation);
  }

  /** What tpm2-pkcs11 says, to a signature and then to a right PIN, once its TPM was reset. */
  isConfused({ details }: OperationalError): boolean {
    return details["ckr"] === "CKR_GENERAL_ERROR" || details["ckr"] === "CKR_DEVICE_ERROR";
  }

  release(): Promise<void> {
    return this.#module.release();
  }
}
