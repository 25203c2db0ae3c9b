/** What the doctor says of a signing key that works, by where it lives. */

import { parseKeyUri } from "../signer/key-uri.ts";
import type { Finding } from "./finding.ts";
import { ok, warn } from "./finding.ts";

/** @param key URI of a key that has just signed a challenge, which was verified. */
export function keyFinding(key: string): Finding {
  const uri = parseKeyUri(key);
  if (uri.ok && uri.value.scheme === "file")
    return warn("key", "It signs and is verified; it is a file, which whoever reads it can copy.");
  if (uri.ok && uri.value.scheme === "pkcs11" && uri.value.sm2 !== undefined)
    return warn(
      "key",
      "It signs, and what it signed is verified as SM2. Tamga was tested with no SM2 token of any maker: " +
        "try rotation, unplugging and a wrong PIN with this one before it counts.",
    );
  return ok("key", "It signs and is verified, and it belongs to the device's certificate.");
}
