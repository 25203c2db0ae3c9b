/** Keys of a test device and the enrolment request that they sign. */

import "reflect-metadata";
import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { EnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { RenewMessage } from "@tamga/ledger-core/wire/uplink-message";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export type DeviceKeys = {
  readonly device: Identifier;
  readonly signing: { readonly key: KeyObject; readonly publicKey: PublicKey };
  /** PEM. */
  readonly tlsKey: string;
  readonly request: EnrolmentRequest;
  /** The same requests as a renewal sends them. */
  readonly renewal: RenewMessage;
};

/**
 * Makes a P-256 signing key, a TLS key and a request for both.
 *
 * @param cloned a device whose signing key this one has too, as a copied card image does.
 */
export async function createDeviceKeys(
  device: Identifier,
  cloned?: DeviceKeys,
): Promise<DeviceKeys> {
  x509.cryptoProvider.set(webcrypto);
  const signing =
    cloned === undefined
      ? await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
      : await copied(cloned.signing.key);
  const tls = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const point = new Uint8Array(await webcrypto.subtle.exportKey("raw", signing.publicKey));
  const renewal = {
    signing: await certificationRequest(device, signing),
    tls: await certificationRequest(device, tls),
  };
  const tlsKey = await keyObject(tls.privateKey);
  return {
    device,
    signing: {
      key: await keyObject(signing.privateKey),
      publicKey: { algorithm: "ES256", point },
    },
    tlsKey: tlsKey.export({ type: "pkcs8", format: "pem" }).toString(),
    request: { device, keyKind: "file", ...renewal },
    renewal,
  };
}

/** The keys of a device whose request was made before, from their PEM. */
export function reopenDeviceKeys(
  request: EnrolmentRequest,
  pem: { readonly signingKey: string; readonly tlsKey: string },
): DeviceKeys {
  const key = createPrivateKey(pem.signingKey);
  const { x = "", y = "" } = createPublicKey(key).export({ format: "jwk" });
  const parts = [Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")];
  const point = new Uint8Array(Buffer.concat(parts));
  return {
    device: request.device,
    signing: { key, publicKey: { algorithm: "ES256", point } },
    tlsKey: pem.tlsKey,
    request,
    renewal: { signing: request.signing, tls: request.tls },
  };
}

async function certificationRequest(
  device: Identifier,
  keys: webcrypto.CryptoKeyPair,
): Promise<Uint8Array> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${device}`,
    keys,
    signingAlgorithm: algorithm,
  });
  return new Uint8Array(request.rawData);
}

async function copied(key: KeyObject): Promise<webcrypto.CryptoKeyPair> {
  const spki = createPublicKey(key).export({ type: "spki", format: "der" });
  const pkcs8 = key.export({ type: "pkcs8", format: "der" });
  const { subtle } = webcrypto;
  return {
    privateKey: await subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
    publicKey: await subtle.importKey("spki", spki, algorithm, true, ["verify"]),
  };
}

async function keyObject(key: webcrypto.CryptoKey): Promise<KeyObject> {
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key));
  return createPrivateKey({ key: pkcs8, type: "pkcs8", format: "der" });
}

export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
