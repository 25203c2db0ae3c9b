/** The small CA of a site: made at first start, it certifies the gateway and the devices. */

import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import { createPrivateKey, webcrypto as crypto, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import type { Result } from "@tamga/ledger-core/base/result";
import { ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { ensureDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { KeyKind } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { CsrFault } from "./certification-request.ts";
import { readCertificationRequest } from "./certification-request.ts";

const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
const caYears = 20;
const clientAuth = "1.3.6.1.5.5.7.3.2";
const serverAuth = "1.3.6.1.5.5.7.3.1";

x509.cryptoProvider.set(crypto);

/** What the site CA says in a certificate; leaf first, the CA's own certificate left out. */
export type IssuedChain = readonly [Uint8Array];

export class SiteCa {
  readonly #key: webcrypto.CryptoKey;
  readonly #certificate: x509.X509Certificate;

  private constructor(key: webcrypto.CryptoKey, certificate: x509.X509Certificate) {
    this.#key = key;
    this.#certificate = certificate;
  }

  /**
   * Opens `dir/ca.key` and `dir/ca.crt`, or makes both: P-256, 20 years, path length 0.
   * Throws OperationalError from the file layer.
   */
  static async open(options: {
    readonly dir: string;
    readonly organisation: Identifier;
    readonly now: UnixMillis;
    readonly create: boolean;
  }): Promise<SiteCa> {
    const keyFile = join(options.dir, "ca.key");
    const certificateFile = join(options.dir, "ca.crt");
    if (options.create) {
      ensureDir(options.dir, 0o700);
      const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
      const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        serialNumber: serial(),
        name: `CN=${options.organisation}`,
        notBefore: new Date(options.now - dayMs),
        notAfter: new Date(options.now + caYears * 365 * dayMs),
        keys,
        signingAlgorithm: keyAlgorithm,
        extensions: [
          new x509.BasicConstraintsExtension(true, 0, true),
          new x509.KeyUsagesExtension(
            x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature,
            true,
          ),
        ],
      });
      const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
      // The certificate goes last: a power cut between the two leaves no half CA that looks whole.
      writeFileDurable(keyFile, Buffer.from(pem("PRIVATE KEY", pkcs8)), 0o600);
      writeFileDurable(certificateFile, Buffer.from(certificate.toString("pem")), 0o644);
      return new SiteCa(keys.privateKey, certificate);
    }
    const certificate = new x509.X509Certificate(readFileSync(certificateFile, "utf8"));
    const pkcs8 = createPrivateKey(readFileSync(keyFile)).export({ type: "pkcs8", format: "der" });
    const key = await crypto.subtle.importKey("pkcs8", pkcs8, keyAlgorithm, true, ["sign"]);
    return new SiteCa(key, certificate);
  }

  /** The CA's own certificate, DER. */
  certificate(): Uint8Array {
    return new Uint8Array(this.#certificate.rawData);
  }

  /** ES256 over `message` with the CA's key, r‖s: for the channel's opening and for revocations. */
  async sign(message: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.sign(keyAlgorithm, this.#key, copy(message)));
  }

  /** A device's signing certificate. Faults: CSR_*. */
  async issueSigning(request: {
    readonly csr: Uint8Array;
    readonly channel: Identifier;
    readonly device: Identifier;
    readonly keyKind: KeyKind;
    readonly validity: Validity;
  }): Promise<Result<IssuedChain, CsrFault>> {
    return this.#issueFor(request.csr, request.device, request.validity, [
      uris(
        `urn:x-tamga:device:${request.channel}:${request.device}`,
        `urn:x-tamga:key:${request.keyKind}`,
      ),
    ]);
  }

  /** A device's TLS client certificate. Faults: CSR_*. */
  async issueTls(request: {
    readonly csr: Uint8Array;
    readonly channel: Identifier;
    readonly device: Identifier;
    readonly validity: Validity;
  }): Promise<Result<IssuedChain, CsrFault>> {
    return this.#issueFor(request.csr, request.device, request.validity, [
      uris(`urn:x-tamga:tls:${request.channel}:${request.device}`),
      new x509.ExtendedKeyUsageExtension([clientAuth]),
    ]);
  }

  /** The gateway's signing certificate, for a key that the gateway made itself. */
  async issueGateway(request: {
    readonly publicKey: webcrypto.CryptoKey;
    readonly channel: Identifier;
    readonly gateway: Identifier;
    readonly validity: Validity;
  }): Promise<IssuedChain> {
    return this.#issue(request.publicKey, request.gateway, request.validity, [
      uris(`urn:x-tamga:gateway:${request.channel}:${request.gateway}`),
    ]);
  }

  /** The gateway's TLS server certificate for the host names and addresses that agents dial. */
  async issueGatewayTls(request: {
    readonly publicKey: webcrypto.CryptoKey;
    readonly channel: Identifier;
    readonly gateway: Identifier;
    readonly hosts: readonly string[];
    readonly validity: Validity;
  }): Promise<IssuedChain> {
    const names = request.hosts.map((host) => ({
      type: /^[0-9.]+$|:/.test(host) ? ("ip" as const) : ("dns" as const),
      value: host,
    }));
    const uri = `urn:x-tamga:gateway-tls:${request.channel}:${request.gateway}`;
    return this.#issue(request.publicKey, request.gateway, request.validity, [
      new x509.SubjectAlternativeNameExtension([...names, { type: "url", value: uri }]),
      new x509.ExtendedKeyUsageExtension([serverAuth]),
    ]);
  }

  /** The certificate with which this site's ledger node meets its peers; client and server in one. */
  async issuePeer(request: {
    readonly publicKey: webcrypto.CryptoKey;
    readonly consortium: Identifier;
    readonly node: Identifier;
    readonly validity: Validity;
  }): Promise<IssuedChain> {
    return this.#issue(request.publicKey, request.node, request.validity, [
      uris(`urn:x-tamga:peer:${request.consortium}:${request.node}`),
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
    ]);
  }

  async #issueFor(
    csr: Uint8Array,
    device: Identifier,
    validity: Validity,
    extensions: readonly x509.Extension[],
  ): Promise<Result<IssuedChain, CsrFault>> {
    const request = await readCertificationRequest(csr, device);
    if (!request.ok) return request;
    return ok(await this.#issue(request.value.subjectKey, device, validity, extensions));
  }

  async #issue(
    publicKey: x509.PublicKeyType,
    commonName: Identifier,
    validity: Validity,
    extensions: readonly x509.Extension[],
  ): Promise<IssuedChain> {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${commonName}`,
      issuer: this.#certificate.subject,
      notBefore: new Date(validity.from),
      notAfter: new Date(validity.to),
      publicKey,
      signingKey: this.#key,
      signingAlgorithm: keyAlgorithm,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        ...extensions,
      ],
    });
    return [new Uint8Array(certificate.rawData)];
  }
}

export type Validity = { readonly from: UnixMillis; readonly to: UnixMillis };

/**
 * Serial number: 64 random bits as the shortest positive DER INTEGER in hexadecimal (RFC 5280 §4.1.2.2).
 * A certificate is in every receipt, so it has no byte that it does not need.
 */
function serial(): string {
  const digits = randomBytes(8).readBigUInt64BE().toString(16);
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  return /^[89a-f]/.test(even) ? `00${even}` : even;
}

function uris(...values: readonly string[]): x509.Extension {
  return new x509.SubjectAlternativeNameExtension(
    values.map((value) => ({ type: "url" as const, value })),
  );
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** WebCrypto wants bytes over an ArrayBuffer of their own. */
function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
