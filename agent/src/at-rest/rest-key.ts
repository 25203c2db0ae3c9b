/** The data key of an outbox: made once, kept in a file that only the device's own token opens. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { equal, fromBase64, toBase64 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { z } from "zod";
import type { KeyUri } from "../signer/key-uri.ts";
import type { Pkcs11Modules } from "../signer/pkcs11-module.ts";
import { unwrapInToken, wrapInToken } from "../signer/pkcs11-wrapping.ts";
import { transportOf } from "../signer/tpm-signer.ts";
import { Tpm } from "../tpm/tpm.ts";
import {
  encodeSealed,
  parseSealed,
  sealBytes,
  sealedFileBytesMax,
  unsealBytes,
} from "../tpm/tpm-sealing.ts";
import type { RestCipherName, SealingName } from "./rest-cipher.ts";
import { RestCipher, restKeyBytes, sealingNames } from "./rest-cipher.ts";

/** Base64 makes 4 of 3; the rest of the file is short. */
const fileBytesMax = 512 + 2 * sealedFileBytesMax;

const fileSchema = z.strictObject({
  tamga: z.literal("at-rest-key/1"),
  cipher: z.enum(sealingNames),
  by: z.enum(["pkcs11", "tpm"]),
  wrapped: z.base64(),
  check: z.base64(),
});

export type RestKeyOptions = {
  /** Where the wrapped key lies. */
  readonly file: string;
  /** Of the signing key: its token wraps the data key. */
  readonly uri: KeyUri;
  /** How new rows are to be encrypted. */
  readonly wanted: RestCipherName;
  /** Of the key under which the outbox has rows; undefined where it never had any. */
  readonly known: Uint8Array | undefined;
  readonly clock: Clock;
  readonly modules: Pkcs11Modules;
};

export type RestKey = { readonly cipher: RestCipher; readonly check: Uint8Array };

/**
 * Opens the data key, or makes one where it is wanted and the outbox has never had one. The file is durable
 * before the key is used. Undefined where nothing is, or is to be, encrypted.
 *
 * @throws OperationalError KEY_AT_REST_NO_TOKEN for a `file:` key; KEY_AT_REST_MISSING, KEY_AT_REST_UNREADABLE,
 *   KEY_AT_REST_OTHER, KEY_AT_REST_OTHER_CIPHER and KEY_AT_REST_NOT_OPENED, which a person has to put right; what the token throws.
 */
export async function openRestKey(options: RestKeyOptions): Promise<RestKey | undefined> {
  const { file, wanted, known } = options;
  if (existsSync(file)) return requireKnown(options, await unwrap(options));
  if (known !== undefined)
    throw new OperationalError(
      "KEY_AT_REST_MISSING",
      `the outbox has encrypted rows and ${file} is gone: restore it from a backup, or move outbox.db away, ` +
        "which gives up what no gateway has yet",
      { details: { file } },
    );
  if (wanted === "off") return undefined;
  const key = new Uint8Array(randomBytes(restKeyBytes[wanted]));
  const check = RestCipher.checkOf(key);
  const { by, wrapped } = await wrap(options, key);
  const text = JSON.stringify({
    tamga: "at-rest-key/1",
    cipher: wanted,
    by,
    wrapped: toBase64(wrapped),
    check: toBase64(check),
  });
  writeFileDurable(file, new TextEncoder().encode(`${text}\n`), 0o600);
  key.fill(0);
  // Read back through the token: what does not open now never will.
  return unwrap(options);
}

async function wrap(
  { uri, modules, clock }: RestKeyOptions,
  key: Uint8Array,
): Promise<{ readonly by: "pkcs11" | "tpm"; readonly wrapped: Uint8Array }> {
  if (uri.scheme === "pkcs11")
    return { by: "pkcs11", wrapped: await wrapInToken({ modules, uri }, key) };
  if (uri.scheme === "file") throw noToken();
  const { signal } = new AbortController();
  const sealed = await Tpm.use(transportOf(uri), { clock, signal }, (tpm) => sealBytes(tpm, key));
  return { by: "tpm", wrapped: encodeSealed(sealed) };
}

async function unwrap({ file, wanted, uri, modules, clock }: RestKeyOptions): Promise<RestKey> {
  const stored = readKeyFile(file);
  if (wanted !== "off" && wanted !== stored.cipher) throw otherCipher(file, stored.cipher);
  if (stored.by !== uri.scheme)
    throw notOpened(
      `a ${stored.by}: key wrapped it, and the configuration names a ${uri.scheme}: key`,
    );
  let key: Uint8Array | undefined;
  if (uri.scheme === "pkcs11") {
    key = await unwrapInToken({ modules, uri }, stored.wrapped);
    if (key === undefined) throw notOpened("the token has not the key that wrapped it");
  } else if (uri.scheme === "tpm") {
    const sealed = parseSealed(stored.wrapped);
    if (sealed === undefined) throw unreadable(file);
    const { signal } = new AbortController();
    const transport = transportOf(uri);
    key = await Tpm.use(transport, { clock, signal }, (tpm) => unsealBytes(tpm, sealed)).catch(
      (error: unknown) => {
        const isOther = error instanceof OperationalError && error.code === "TPM_COMMAND_FAILED";
        throw isOther
          ? notOpened("another TPM, or this one before it was cleared, sealed it", error)
          : error;
      },
    );
  } else throw noToken();
  if (key.length !== restKeyBytes[stored.cipher]) throw unreadable(file);
  const check = RestCipher.checkOf(key);
  if (!equal(check, stored.check)) throw unreadable(file);
  return { cipher: new RestCipher(stored.cipher, key), check };
}

function requireKnown({ file, known }: RestKeyOptions, key: RestKey): RestKey {
  if (known === undefined || equal(known, key.check)) return key;
  throw new OperationalError(
    "KEY_AT_REST_OTHER",
    `${file} is not the key that this outbox is encrypted with: put outbox.db and outbox.key of one time together`,
    { details: { file } },
  );
}

function readKeyFile(file: string) {
  try {
    if (statSync(file).size <= fileBytesMax) {
      const parsed = fileSchema.safeParse(JSON.parse(readFileSync(file, "utf8")));
      const wrapped = fromBase64(parsed.data?.wrapped ?? "");
      const check = fromBase64(parsed.data?.check ?? "");
      if (parsed.success && wrapped !== undefined && check !== undefined)
        return { cipher: parsed.data.cipher, by: parsed.data.by, wrapped, check };
    }
  } catch (cause) {
    throw unreadable(file, cause);
  }
  throw unreadable(file);
}

function unreadable(file: string, cause?: unknown): OperationalError {
  return new OperationalError(
    "KEY_AT_REST_UNREADABLE",
    `${file} holds no wrapped key: restore it from a backup, or move outbox.db and it away, which gives up what no ` +
      "gateway has yet",
    { details: { file }, ...(cause === undefined ? {} : { cause }) },
  );
}

function otherCipher(file: string, cipher: SealingName): OperationalError {
  return new OperationalError(
    "KEY_AT_REST_OTHER_CIPHER",
    `${file} is a key of ${cipher}, and an outbox has one key: say at_rest = "${cipher}"; or "off", until everything ` +
      "has a final receipt, and then move outbox.db and outbox.key away",
    { details: { file, cipher } },
  );
}

function notOpened(reason: string, cause?: unknown): OperationalError {
  return new OperationalError(
    "KEY_AT_REST_NOT_OPENED",
    `the key of the outbox does not open (${reason}): bring back the token that it was made with, or move outbox.db ` +
      "and outbox.key away, which gives up what no gateway has yet",
    { details: { reason }, ...(cause === undefined ? {} : { cause }) },
  );
}

function noToken(): OperationalError {
  return new OperationalError(
    "KEY_AT_REST_NO_TOKEN",
    "outbox.at_rest needs a key in a token: a file: key lies on the same disk and would protect nothing; " +
      'use a pkcs11: or tpm: key, or at_rest = "off"',
  );
}
