/** A signer on a key in a TPM 2.0, at a persistent handle. */

import type { Algorithm, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { TpmPublicArea } from "@tamga/ledger-core/tpm/public-area";
import { tpmPublicKey } from "@tamga/ledger-core/tpm/public-area";
import { tpmAlgorithms, tpmAttributes } from "@tamga/ledger-core/tpm/tpm-numbers";
import { deviceTransport } from "../tpm/device-transport.ts";
import { rsaSigningKeyTemplate, signingKeyTemplate } from "../tpm/key-templates.ts";
import { socketTransport } from "../tpm/socket-transport.ts";
import { Tpm } from "../tpm/tpm.ts";
import { listHandles } from "../tpm/tpm-attesting.ts";
import { isEmulated } from "../tpm/tpm-identity.ts";
import type { TpmKey } from "../tpm/tpm-keys.ts";
import {
  createKey,
  loadKey,
  persistKey,
  readKey,
  signDigest,
  storageRoot,
} from "../tpm/tpm-keys.ts";
import type { TpmTransport } from "../tpm/tpm-transport.ts";
import type { TpmKeyUri } from "./key-uri.ts";
import { rsaModulusBits } from "./limits.ts";
import { selfTest } from "./public-key.ts";
import type { Signer } from "./signer.ts";
import type { Token, TokenSession } from "./token-signer.ts";
import { TokenSigner } from "./token-signer.ts";

export interface TpmSignerOptions {
  readonly uri: TpmKeyUri;
  /** Makes a key of this algorithm where the handle is free; only now, never in a recovery. */
  readonly create: Algorithm | undefined;
  /** Whether an emulated TPM may do, whose state is files. */
  readonly isSoftwareAllowed: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Opens the key.
 *
 * Throws TPM_UNAVAILABLE, TPM_TIMEOUT and TPM_COMMAND_FAILED, which may pass; TPM_LOCKED_OUT,
 * KEY_NOT_FOUND, KEY_EXTRACTABLE, KEY_UNSUPPORTED, KEY_SELF_TEST_FAILED, KEY_EMULATED_IN_PRODUCTION.
 */
export async function openTpmSigner(options: TpmSignerOptions): Promise<Signer> {
  const { uri, create, clock } = options;
  const transport = transportOf(uri);
  const at = { handle: uri.handle, clock };
  const kind = await kindOf(transport, options);
  const token = new TpmToken(transport, { ...at, keyKind: kind });
  if (create !== undefined) await token.make(create);
  return new TokenSigner(token, await token.open(), options);
}

/** @returns what kind of key it is: an emulated TPM is software, its keys lie in a file. */
async function kindOf(
  transport: TpmTransport,
  { clock, isSoftwareAllowed }: TpmSignerOptions,
): Promise<"tpm" | "file"> {
  const { signal } = new AbortController();
  if (!(await Tpm.use(transport, { clock, signal }, isEmulated))) return "tpm";
  if (isSoftwareAllowed) return "file";
  throw new OperationalError(
    "KEY_EMULATED_IN_PRODUCTION",
    'this TPM is an emulator, whose keys can be copied: profile = "production" refuses it',
    { details: { tpm: transport.name } },
  );
}

/** The line to the TPM that a key URI names. */
export function transportOf({ at }: Pick<TpmKeyUri, "at">): TpmTransport {
  return at.kind === "device" ? deviceTransport(at.path) : socketTransport(at.address);
}

const templates: Readonly<Record<Algorithm, TpmPublicArea | undefined>> = {
  ES256: signingKeyTemplate,
  EdDSA: undefined,
  PS256: rsaSigningKeyTemplate,
  "SM2-SM3": undefined,
};

type TpmSession = TokenSession & { readonly key: TpmKey };

class TpmToken implements Token<TpmSession> {
  readonly keyKind: Signer["keyKind"];
  readonly #transport: TpmTransport;
  readonly #handle: number;
  readonly #clock: Clock;

  constructor(
    transport: TpmTransport,
    {
      handle,
      clock,
      keyKind,
    }: { readonly handle: number; readonly clock: Clock; readonly keyKind: Signer["keyKind"] },
  ) {
    this.#transport = transport;
    this.#handle = handle;
    this.#clock = clock;
    this.keyKind = keyKind;
  }

  /** Makes the key where the handle is free. */
  async make(algorithm: Algorithm): Promise<void> {
    await this.#use(async (tpm) => {
      if ((await listHandles(tpm, this.#handle)).includes(this.#handle)) return;
      const template = templates[algorithm];
      if (template === undefined) {
        const sentence =
          "a TPM makes no Ed25519 or SM2 keys here: ask for es256, or ps256 where it has no curves";
        throw new OperationalError("KEY_UNSUPPORTED", sentence, { details: { algorithm } });
      }
      const root = await storageRoot(tpm);
      const key = await loadKey(tpm, root, await createKey(tpm, root, template));
      await persistKey(tpm, key, this.#handle);
    });
  }

  open(): Promise<TpmSession> {
    return this.#use(async (tpm) => {
      if (!(await listHandles(tpm, this.#handle)).includes(this.#handle)) throw this.#missing();
      const key = await readKey(tpm, this.#handle);
      const publicKey = this.#usable(key);
      await selfTest(publicKey, async (message) => {
        const { signature } = await signDigest(tpm, key.handle, nodeCrypto.sha256(message));
        return signature;
      });
      return { publicKey, key };
    });
  }

  sign({ key }: TpmSession, message: Uint8Array): Promise<Uint8Array> {
    return this.#use(async (tpm) => {
      const { signature } = await signDigest(tpm, key.handle, nodeCrypto.sha256(message));
      return signature;
    });
  }

  /** The key stays where it is; a line is opened for each signature. */
  async closeSession(): Promise<void> {}

  revival(): () => Promise<void> {
    return async () => undefined;
  }

  isConfused(): boolean {
    return false;
  }

  async release(): Promise<void> {}

  #use<T>(run: (tpm: Tpm) => Promise<T>): Promise<T> {
    const { signal } = new AbortController();
    return Tpm.use(this.#transport, { clock: this.#clock, signal }, run);
  }

  #usable({ area, handle }: TpmKey): PublicKey {
    const publicKey = tpmPublicKey(area);
    const details = { handle: hexOf(handle) };
    const { fixedTpm, sensitiveDataOrigin, sign, restricted } = tpmAttributes;
    if (publicKey === undefined || (area.attributes & sign) === 0)
      throw new OperationalError(
        "KEY_UNSUPPORTED",
        `the key at ${hexOf(handle)} is not one that signs with P-256 or RSA`,
        { details },
      );
    if ((area.attributes & restricted) !== 0)
      throw new OperationalError(
        "KEY_UNSUPPORTED",
        `the key at ${hexOf(handle)} is restricted: it attests, and signs nothing else`,
        { details },
      );
    if (area.type === "rsa" && area.keyBits < rsaModulusBits.min)
      throw new OperationalError(
        "KEY_UNSUPPORTED",
        `the key at ${hexOf(handle)} is an RSA key of ${area.keyBits} bits: ${rsaModulusBits.min} are the least`,
        { details },
      );
    if (area.scheme.hash !== undefined && area.scheme.hash !== tpmAlgorithms.sha256)
      throw new OperationalError(
        "KEY_UNSUPPORTED",
        `the key at ${hexOf(handle)} signs digests other than SHA-256: ${hashName(area.scheme.hash)}`,
        { details },
      );
    const bound = fixedTpm | sensitiveDataOrigin;
    if ((area.attributes & bound) !== bound)
      throw new OperationalError(
        "KEY_EXTRACTABLE",
        `the key at ${hexOf(handle)} was made elsewhere or can leave the TPM: name a free handle`,
        { details },
      );
    return publicKey;
  }

  #missing(): OperationalError {
    return new OperationalError(
      "KEY_NOT_FOUND",
      `the TPM has no key at ${hexOf(this.#handle)}: enrol makes one there`,
      { details: { handle: hexOf(this.#handle), tpm: this.#transport.name } },
    );
  }
}

function hashName(hash: number): string {
  return hash === tpmAlgorithms.sha1 ? "SHA-1" : hexOf(hash);
}

function hexOf(handle: number): string {
  return `0x${handle.toString(16)}`;
}
