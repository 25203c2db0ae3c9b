/** Reads PKCS#10 requests (RFC 2986): who asks, with which key, and whether that key signed it. */

import "reflect-metadata";
import { createPublicKey, webcrypto as crypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { concat } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { DerReader, derTags } from "@tamga/ledger-core/receipt/der";
import {
  fixedSignature,
  parsePublicKey,
  signatureAlgorithmOf,
} from "@tamga/ledger-core/receipt/x509-certificate";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";

x509.cryptoProvider.set(crypto);

export type CsrFault = {
  readonly code:
    | "CSR_MALFORMED"
    | "CSR_SIGNATURE_WRONG"
    | "CSR_WRONG_NAME"
    | "CSR_KEY_UNSUPPORTED"
    | "CSR_KEYS_EQUAL";
};

/** A request whose sender has its private key. */
export type CertificationRequest = {
  /** As the CA certifies it, and as statements are checked with it. */
  readonly subjectKey: x509.PublicKey;
  readonly publicKey: PublicKey;
};

/** Faults: CSR_MALFORMED, CSR_SIGNATURE_WRONG, CSR_WRONG_NAME, CSR_KEY_UNSUPPORTED. */
export async function readCertificationRequest(
  der: Uint8Array,
  device: Identifier,
): Promise<Result<CertificationRequest, CsrFault>> {
  let request: x509.Pkcs10CertificateRequest;
  let publicKey: PublicKey | undefined;
  let signed: boolean;
  try {
    // WebCrypto wants bytes over an ArrayBuffer of their own.
    request = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
    publicKey = publicKeyOf(request.publicKey);
    if (publicKey === undefined) return err({ code: "CSR_KEY_UNSUPPORTED" });
    signed =
      publicKey.algorithm === "SM2-SM3" ? isSignedBy(publicKey, der) : await request.verify();
  } catch {
    return err({ code: "CSR_MALFORMED" });
  }
  if (!signed) return err({ code: "CSR_SIGNATURE_WRONG" });
  if (request.subject !== `CN=${device}`) return err({ code: "CSR_WRONG_NAME" });
  return ok({ subjectKey: request.publicKey, publicKey });
}

/** What WebCrypto cannot tell: it has no SM2. */
function isSignedBy(key: PublicKey, der: Uint8Array): boolean {
  const outer = new DerReader(der);
  const request = outer.nested(derTags.sequence);
  const info = request.take(derTags.sequence);
  const identifier = request.take(derTags.sequence);
  const bits = request.bytesOfBits();
  request.close();
  const isOfKey = signatureAlgorithmOf(identifier.whole) === key.algorithm;
  const signature = fixedSignature(key.algorithm, bits);
  if (!outer.finish() || !isOfKey || signature === undefined) return false;
  return nodeCrypto.verify(key, info.whole, signature);
}

/** Undefined for a key of another kind than statements are signed with. */
function publicKeyOf(subjectKey: x509.PublicKey): PublicKey | undefined {
  const spki = new Uint8Array(subjectKey.rawData);
  const parsed = parsePublicKey(spki);
  if (parsed.ok && parsed.value.algorithm === "SM2-SM3") return parsed.value;
  const key = createPublicKey({ key: Buffer.from(spki), type: "spki", format: "der" });
  const { x = "", y = "" } = key.export({ format: "jwk" });
  const [left, right] = [Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
  switch (key.asymmetricKeyType) {
    case "ec":
      if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") return undefined;
      return { algorithm: "ES256", point: concat(Uint8Array.of(4), left, right) };
    case "ed25519":
      return { algorithm: "EdDSA", point: new Uint8Array(left) };
    case "rsa":
    case "rsa-pss":
      return { algorithm: "PS256", spki };
    default:
      return undefined;
  }
}
