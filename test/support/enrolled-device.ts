/** An enrolled device in a data directory of its own, under the CA of a synthetic channel. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { createCertificate, createKey } from "./certificate-builder.ts";
import type { ScriptedTls } from "./scripted-gateway.ts";
import { SyntheticChannel } from "./synthetic-channel.ts";

const clientAuth = "1.3.6.1.5.5.7.3.2";
const serverAuth = "1.3.6.1.5.5.7.3.1";

export type ServerCertificateOptions = {
  readonly dnsNames?: readonly string[];
  readonly uris?: readonly string[];
  readonly extendedKeyUsage?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Another site with CAs of the same names. */
  readonly site?: SyntheticChannel;
};

export class EnrolledDevice {
  readonly channel: SyntheticChannel;
  readonly dataDir = mkdtempSync(join(tmpdir(), "tamga-device-"));
  readonly address: {
    readonly channel: SyntheticChannel["policy"]["channel"];
    readonly device: SyntheticChannel["device"]["name"];
  };
  readonly #tlsKey = createKey("ES256");

  constructor(options: { readonly notBefore?: Date; readonly notAfter?: Date } = {}) {
    this.channel = new SyntheticChannel();
    const { policy, device, gateway } = this.channel;
    this.address = { channel: policy.channel, device: device.name };
    this.#write("signing.key", pkcs8(device.key), 0o600);
    this.#write("tls.key", pkcs8(this.#tlsKey), 0o600);
    const issued = this.certificates(options);
    this.#write("signing.crt", pem(issued.signing[0]));
    this.#write("tls.crt", pem(issued.tls[0]));
    this.#write("ca.crt", pem(this.caCertificate()));
    this.#write("trust.json", encodeTrustPolicy(policy));
    const record = {
      version: 1,
      device: device.name,
      channel: policy.channel,
      gateway: gateway.name,
    };
    const key = `file:${join(this.dataDir, "signing.key")}`;
    this.#write("device.json", JSON.stringify({ ...record, uplink: ["mqtts://localhost:1"], key }));
  }

  caCertificate(): Uint8Array {
    const [organisation] = this.channel.policy.organisations;
    if (organisation === undefined) throw new Error("no organisation");
    return organisation.ca;
  }

  /** Certificates for this device's two keys, as a site's CA makes them. */
  certificates(dates: { readonly notBefore?: Date; readonly notAfter?: Date } = {}) {
    const { ca, device } = this.channel;
    const { channel } = this.address;
    const uris = [`urn:x-tamga:device:${channel}:${device.name}`, "urn:x-tamga:key:file"];
    const common = { subject: device.name, issuer: ca, ...dates };
    const signing = createCertificate({ ...common, publicKey: device.key, uris });
    const tls = createCertificate({
      ...common,
      publicKey: this.#tlsKey,
      uris: [`urn:x-tamga:tls:${channel}:${device.name}`],
      extendedKeyUsage: [clientAuth],
    });
    return { signing: [signing] as const, tls: [tls] as const };
  }

  /** What a gateway of this site serves TLS with; wrong ones where told. */
  server(options: ServerCertificateOptions = {}): ScriptedTls {
    const { site = this.channel, ...more } = options;
    const key = createKey("ES256");
    const { gateway } = this.channel;
    const certificate = createCertificate({
      subject: gateway.name,
      publicKey: key,
      issuer: site.ca,
      uris: [`urn:x-tamga:gateway-tls:${this.address.channel}:${gateway.name}`],
      dnsNames: ["localhost"],
      extendedKeyUsage: [serverAuth],
      ...more,
    });
    return { key: pkcs8(key), cert: pem(certificate), ca: pem(this.caCertificate()) };
  }

  /** Leaves no test key behind. */
  remove(): void {
    rmSync(this.dataDir, { recursive: true });
  }

  #write(name: string, text: string, mode = 0o644): void {
    writeFileSync(join(this.dataDir, name), text, { mode });
  }
}

function pkcs8(key: ReturnType<typeof createKey>): string {
  return key.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
