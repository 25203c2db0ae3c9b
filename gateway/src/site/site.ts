/** The site's keys and certificates on disk: found at start, or made at the first. */

import type { webcrypto } from "node:crypto";
import { createPrivateKey, webcrypto as crypto, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { ensureDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import type { GatewayConfig } from "../config.ts";
import type { KeyedLaneSigner } from "../lane/lane-signer.ts";
import { createLaneSigner } from "../lane/lane-signer.ts";
import { SiteCa } from "../registry/site-ca.ts";

/** Files of a gateway's data directory. */
export function sitePaths(dataDir: string) {
  return {
    ca: join(dataDir, "site-ca"),
    caCertificate: join(dataDir, "site-ca", "ca.crt"),
    gatewayKey: join(dataDir, "gateway.key"),
    gatewayCertificate: join(dataDir, "gateway.crt"),
    tlsKey: join(dataDir, "tls.key"),
    tlsCertificate: join(dataDir, "tls.crt"),
    validatorKey: join(dataDir, "validator.key"),
    trust: join(dataDir, "trust.json"),
    lane: join(dataDir, "lane.db"),
    ledger: join(dataDir, "ledger.db"),
    registry: join(dataDir, "registry.db"),
    /** Where the running gateway says at which address its HTTP listens. */
    address: join(dataDir, "address.json"),
  };
}

export type Site = {
  readonly ca: SiteCa;
  readonly signer: KeyedLaneSigner;
  /** DER, leaf first, below the CA. */
  readonly gatewayChain: readonly [Uint8Array];
  /** PEM. */
  readonly tls: { readonly key: string; readonly certificate: string; readonly ca: string };
  readonly validatorKey: ValidatorKey;
};

const dayMs = 86_400_000;
const gatewayYears = 10;
const tlsDays = 825;
const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" } as const;

/**
 * Makes what is missing, each file durable before the next depends on it. Throws OperationalError
 * FILE_UNWRITABLE, DISK_FULL, SECRET_*.
 */
export async function openSite(config: GatewayConfig, now: UnixMillis): Promise<Site> {
  const paths = sitePaths(config.data_dir);
  ensureDir(config.data_dir, 0o700);
  const ca = await openCa(config, now);
  const validity = (days: number) => ({
    from: unixMillis(now - dayMs),
    to: unixMillis(now + days * dayMs),
  });
  const { channel, gateway } = config;
  if (!existsSync(paths.gatewayCertificate)) {
    const publicKey = await makeKey(paths.gatewayKey);
    const issued = { publicKey, channel, gateway, validity: validity(gatewayYears * 365) };
    writeCertificate(paths.gatewayCertificate, (await ca.issueGateway(issued))[0]);
  }
  if (!isTlsCertificateGood(paths.tlsCertificate, config, now)) {
    const publicKey = await makeKey(paths.tlsKey);
    const hosts = config.mqtt.advertised;
    const issued = { publicKey, channel, gateway, hosts, validity: validity(tlsDays) };
    writeCertificate(paths.tlsCertificate, (await ca.issueGatewayTls(issued))[0]);
  }
  const gatewayCertificate = new X509Certificate(readFileSync(paths.gatewayCertificate));
  return {
    ca,
    signer: createLaneSigner(nodeCrypto, createPrivateKey(readFileSync(paths.gatewayKey))),
    gatewayChain: [new Uint8Array(gatewayCertificate.raw)],
    tls: {
      key: readFileSync(paths.tlsKey, "utf8"),
      certificate: readFileSync(paths.tlsCertificate, "utf8"),
      ca: readFileSync(paths.caCertificate, "utf8"),
    },
    validatorKey: loadOrCreateValidatorKey(paths.validatorKey),
  };
}

/** The CA alone, for commands that run beside the gateway; made where there is none. */
export async function openCa(config: GatewayConfig, now: UnixMillis): Promise<SiteCa> {
  const { ca, caCertificate } = sitePaths(config.data_dir);
  const create = !existsSync(caCertificate);
  return SiteCa.open({ dir: ca, organisation: config.organisation, now, create });
}

/** Renewed at a start when less than a month is left, or when agents dial other names. */
function isTlsCertificateGood(path: string, config: GatewayConfig, now: UnixMillis): boolean {
  if (!existsSync(path)) return false;
  const certificate = new X509Certificate(readFileSync(path));
  const names = certificate.subjectAltName ?? "";
  return (
    certificate.validToDate.getTime() > now + 30 * dayMs &&
    config.mqtt.advertised.every((host) => names.includes(`:${host}`))
  );
}

async function makeKey(path: string): Promise<webcrypto.CryptoKey> {
  const keys = await crypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  writeFileDurable(path, Buffer.from(pem("PRIVATE KEY", pkcs8)), 0o600);
  return keys.publicKey;
}

function writeCertificate(path: string, der: Uint8Array): void {
  writeFileDurable(path, Buffer.from(pem("CERTIFICATE", Buffer.from(der))), 0o644);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
