/** Opens the signer that a key URI names, where the profile allows it. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { openFileSigner } from "./file-signer.ts";
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
 * @param algorithm of a new `file:` key; tokens get P-256.
 * Throws {@link OperationalError}: KEY_URI_…, KEY_…, PIN_…, which a person has to put right in
 *   configuration or on the token; PKCS11_… and TOKEN_…, which may pass.
 */
export async function openSigner({
  uri: text,
  profile,
  create,
  algorithm = "ES256",
  logger = silentLogger,
  clock = new SystemClock(),
  modules = processModules,
}: {
  readonly uri: string;
  readonly profile: string;
  readonly create: boolean;
  readonly algorithm?: "ES256" | "EdDSA";
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly modules?: Pkcs11Modules;
}): Promise<Signer> {
  const parsed = parseKeyUri(text);
  if (!parsed.ok) {
    const { code } = parsed.fault;
    throw new OperationalError(code, keyUriSentence(parsed.fault), {
      details: { ...parsed.fault },
    });
  }
  const uri = parsed.value;
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
  return openFileSigner({ path: uri.path, create, algorithm });
}
