/** The gateway's signing key as a `KeyObject` of this process. */

import type { KeyObject } from "node:crypto";
import { createPublicKey, sign } from "node:crypto";
import { concat } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { LaneSigner } from "./lane-statements.ts";

export type KeyedLaneSigner = LaneSigner & { readonly publicKey: PublicKey };

/** @throws OperationalError LANE_KEY_WRONG unless it is a private key on P-256. */
export function createLaneSigner(crypto: CryptoPort, key: KeyObject): KeyedLaneSigner {
  if (key.type !== "private" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new OperationalError("LANE_KEY_WRONG", "The gateway's signing key is not a P-256 key.");
  }
  const { x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  const [left, right] = [Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
  const point = concat(Uint8Array.of(4), left, right);
  const publicKey: PublicKey = { algorithm: "ES256", point };
  return {
    algorithm: "ES256",
    publicKey,
    kid: thumbprint((bytes) => crypto.sha256(bytes), publicKey),
    sign: (bytes) => new Uint8Array(sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" })),
  };
}
