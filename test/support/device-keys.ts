/** Keys of a test device and the enrolment request that they sign. */

import "reflect-metadata";
import type { KeyObject } from "node:crypto";
import { createPrivateKey, webcrypto } from "node:crypto";
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

/** Makes a P-256 signing key, a TLS key and a request for both. */
export async function createDeviceKeys(device: Identifier): Promise<DeviceKeys> {
  x509.cryptoProvider.set(webcrypto);
  const signing = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
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
