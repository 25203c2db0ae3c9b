/** A signer on a private key in a file: the embedded default, where there is no token. */

import type { KeyObject } from "node:crypto";
import { createPrivateKey, randomUUID } from "node:crypto";
import { link, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { fsyncDirectory, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { orAborted } from "./abortable.ts";
import { keyFileBytesMax, signQueueMax } from "./limits.ts";
import { codeOf, readPrivateFile } from "./private-file.ts";
import { publicKeyOf, selfTest } from "./public-key.ts";
import type { Signer, SignerState } from "./signer.ts";
import type { SoftwareAlgorithm } from "./software-signature.ts";
import { generateKeyPem, softwareSignature } from "./software-signature.ts";

/**
 * Opens the PKCS#8 PEM at `path`, a P-256, Ed25519 or SM2 key that only its owner may read.
 *
 * @param create makes a key of `algorithm` (mode 0600, on disk before this returns) where there is
 *   no file; an existing file is never replaced.
 * Throws KEY_FILE_MISSING, KEY_FILE_PERMISSIONS, KEY_FILE_UNREADABLE, KEY_FILE_MALFORMED,
 *   KEY_UNSUPPORTED, KEY_SELF_TEST_FAILED; and when it creates one DISK_FULL, FILE_UNWRITABLE,
 *   KEY_FILE_UNWRITABLE.
 */
export async function openFileSigner({
  path,
  create,
  algorithm = "ES256",
}: {
  readonly path: string;
  readonly create: boolean;
  readonly algorithm?: SoftwareAlgorithm;
}): Promise<Signer> {
  let key: KeyObject;
  try {
    key = await loadKeyFile(path);
  } catch (error) {
    const absent = error instanceof OperationalError && error.code === "KEY_FILE_MISSING";
    if (!create || !absent) throw error;
    await createKeyFile(path, algorithm);
    key = await loadKeyFile(path);
  }
  const publicKey = publicKeyOf(key);
  if (publicKey === undefined) {
    const sentence = `${path} holds no P-256, Ed25519 or SM2 key`;
    throw new OperationalError("KEY_UNSUPPORTED", sentence, { details: { path } });
  }
  await selfTest(publicKey, (message) => softwareSignature(key, publicKey, message));
  return new FileSigner(key, publicKey);
}

/** Reads a private key in PKCS#8 PEM; the daemon's TLS key is one, too. Throws as above. */
export async function loadKeyFile(path: string): Promise<KeyObject> {
  const pem = await readPrivateFile(path, { codes, bytesMax: keyFileBytesMax });
  try {
    return createPrivateKey({ key: pem, format: "pem" });
  } catch {
    // The cause may quote the file, so it stays here.
    throw new OperationalError(
      "KEY_FILE_MALFORMED",
      `the key file ${path} is not an unencrypted private key in PEM`,
      { details: { path } },
    );
  } finally {
    pem.fill(0);
  }
}

const codes = {
  what: "key file",
  missing: "KEY_FILE_MISSING",
  permissions: "KEY_FILE_PERMISSIONS",
  unreadable: "KEY_FILE_UNREADABLE",
};

class FileSigner implements Signer {
  readonly keyKind = "file";
  readonly algorithm: Signer["algorithm"];
  readonly #publicKey: PublicKey;
  #key: KeyObject | undefined;
  #signing = 0;

  constructor(key: KeyObject, publicKey: PublicKey) {
    this.#key = key;
    this.#publicKey = publicKey;
    this.algorithm = publicKey.algorithm;
  }

  publicKey(): PublicKey {
    return this.#publicKey;
  }

  state(): SignerState {
    return "ready";
  }

  async sign(
    message: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    signal.throwIfAborted();
    if (this.#key === undefined) throw new OperationalError("SIGNER_CLOSED", "the key is closed");
    if (this.#signing === signQueueMax) {
      throw new OperationalError("SIGN_QUEUE_FULL", "too many signatures wait for the key", {
        details: { limit: signQueueMax },
      });
    }
    this.#signing++;
    const signing = softwareSignature(this.#key, this.#publicKey, message).finally(() => {
      this.#signing--;
    });
    return orAborted(signing, { signal });
  }

  async close(): Promise<void> {
    this.#key = undefined;
  }
}

/** A link, unlike a rename, fails where another process was first: no key is ever overwritten. */
async function createKeyFile(path: string, algorithm: SoftwareAlgorithm): Promise<void> {
  const pem = generateKeyPem(algorithm);
  const temporary = `${path}.${randomUUID()}.new`;
  try {
    writeFileDurable(temporary, utf8(pem), 0o600);
    await link(temporary, path).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    fsyncDirectory(dirname(path));
  } catch (cause) {
    if (cause instanceof OperationalError) throw cause;
    throw new OperationalError("KEY_FILE_UNWRITABLE", `cannot create the key file ${path}`, {
      cause,
      details: { path },
    });
  } finally {
    await rm(temporary, { force: true });
  }
}
