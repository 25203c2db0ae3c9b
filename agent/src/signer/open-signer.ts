/** Opens the signer that a key URI names, where the profile allows it. */

import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { openFileSigner } from "./file-signer.ts";
import type { KeyUri } from "./key-uri.ts";
import { keyUriSentence, parseKeyUri } from "./key-uri.ts";
import type { Pkcs11Modules } from "./pkcs11-module.ts";
import { processModules } from "./pkcs11-module.ts";
import { openPkcs11Signer } from "./pkcs11-signer.ts";
import type { Signer } from "./signer.ts";
import { openTpmSigner } from "./tpm-signer.ts";

/**
 * @param profile `production` refuses a `file:` key with KEY_FILE_IN_PRODUCTION, before the file
 *   is looked at or made, and an emulated TPM with KEY_EMULATED_IN_PRODUCTION.
 * @param create makes the key where there is none: enrolment does, a daemon's later starts do not.
 * @param algorithm of a new key, ES256 where it is not given; a key that is there and is of another is
 *   refused with KEY_ALGORITHM_OTHER. Ed25519 and SM2 are not for TPMs, PS256 for tokens alone.
 * Throws {@link OperationalError}: KEY_URI_…, KEY_…, PIN_…, which a person has to put right in
 *   configuration or on the token; PKCS11_… and TOKEN_…, which may pass.
 */
export async function openSigner(options: OpenSignerOptions): Promise<Signer> {
  const { algorithm } = options;
  const signer = await openAny(options);
  if (algorithm === undefined || algorithm === signer.algorithm) return signer;
  await signer.close();
  throw new OperationalError(
    "KEY_ALGORITHM_OTHER",
    `the key is there and is one for ${signer.algorithm}, not for ${algorithm}: name another key`,
    { details: { algorithm: signer.algorithm } },
  );
}

export type OpenSignerOptions = {
  readonly uri: string;
  readonly profile: string;
  readonly create: boolean;
  readonly algorithm?: Algorithm | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly modules?: Pkcs11Modules;
};

/** @throws OperationalError KEY_URI_… */
export function requireKeyUri(text: string): KeyUri {
  const parsed = parseKeyUri(text);
  if (parsed.ok) return parsed.value;
  const { code } = parsed.fault;
  throw new OperationalError(code, keyUriSentence(parsed.fault), { details: { ...parsed.fault } });
}

async function openAny({
  uri: text,
  profile,
  create: isToBeMade,
  algorithm = "ES256",
  logger = silentLogger,
  clock = new SystemClock(),
  modules = processModules,
}: OpenSignerOptions): Promise<Signer> {
  const uri = requireKeyUri(text);
  const create = isToBeMade ? algorithm : undefined;
  if (uri.scheme === "pkcs11") return openPkcs11Signer({ modules, uri, create, clock, logger });
  if (uri.scheme === "tpm") {
    const isSoftwareAllowed = profile !== "production";
    return openTpmSigner({ uri, create, isSoftwareAllowed, clock, logger });
  }
  if (profile === "production") {
    throw new OperationalError(
      "KEY_FILE_IN_PRODUCTION",
      'a file: key can be copied by whoever reads the disk, so profile = "production" refuses it: ' +
        "use a pkcs11: or a tpm: key",
      { details: { path: uri.path } },
    );
  }
  if (algorithm === "PS256") {
    const sentence =
      "PS256 is for tokens without elliptic curves: a file: key is es256, eddsa or sm2-sm3";
    throw new OperationalError("KEY_UNSUPPORTED", sentence, { details: { algorithm } });
  }
  return openFileSigner({ path: uri.path, create: isToBeMade, algorithm });
}
