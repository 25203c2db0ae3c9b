/** The site's keys and certificates on disk: found at start, or made at the first. */

import type { webcrypto } from "node:crypto";
import {
  createPrivateKey,
  createPublicKey,
  webcrypto as crypto,
  X509Certificate,
} from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { ensureDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { loadSecondKey } from "@tamga/ledger-core/ledger/second-key";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { channelDir } from "../channels.ts";
import type { GatewayConfig } from "../config.ts";
import type { KeyedLaneSigner } from "../lane/lane-signer.ts";
import { createLaneSigner } from "../lane/lane-signer.ts";
import { SiteCa } from "../registry/site-ca.ts";

/** Files of a channel of this gateway, and of the gateway itself. */
export function pathsOf(config: GatewayConfig): SitePaths {
  return sitePaths(config.data_dir, channelDir(config));
}

export type SitePaths = ReturnType<typeof sitePaths>;

/** Files of a gateway's data directory; a further channel has its own in a directory below. */
export function sitePaths(dataDir: string, channelDir = dataDir) {
  return {
    ca: join(dataDir, "site-ca"),
    caCertificate: join(dataDir, "site-ca", "ca.crt"),
    gatewayKey: join(channelDir, "gateway.key"),
    gatewayCertificate: join(channelDir, "gateway.crt"),
    tlsKey: join(channelDir, "tls.key"),
    tlsCertificate: join(channelDir, "tls.crt"),
    peerKey: join(dataDir, "peer.key"),
    peerCertificate: join(dataDir, "peer.crt"),
    validatorKey: join(channelDir, "validator.key"),
    /** ML-DSA-44; absent where the validator cosigns with Ed25519 alone. */
    secondKey: join(channelDir, "validator-ml-dsa.key"),
    /** The channel-open transaction that the members agreed on; absent where the site made its own. */
    channel: join(channelDir, "channel.tamga"),
    trust: join(channelDir, "trust.json"),
    lane: join(channelDir, "lane.db"),
    ledger: join(channelDir, "ledger.db"),
    votes: join(dataDir, "votes.db"),
    registry: join(dataDir, "registry.db"),
    /** Under which the gateway's nonces are drawn. */
    challengeKey: join(dataDir, "challenge.key"),
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
  /** PEM: what this node shows to other ledger nodes. */
  readonly peer: { readonly key: string; readonly certificates: string };
};

const dayMs = 86_400_000;
/** No certificate was made before this program: 2026-01-01. */
const earliestMs = 1_767_225_600_000;
const gatewayYears = 10;
const tlsDays = 825;
const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" } as const;

/**
 * Makes what is missing, each file durable before the next depends on it; a key that is there is kept.
 * Throws OperationalError FILE_UNWRITABLE, DISK_FULL, SECRET_*, SITE_CA_MISSING, LEDGER_MISSING.
 */
export async function openSite(config: GatewayConfig, at: UnixMillis): Promise<Site> {
  const paths = pathsOf(config);
  ensureDir(channelDir(config), 0o700);
  requireWhole(paths);
  // A box without a clock's battery begins in 1970: what it made then would have expired for ever.
  const now = unixMillis(Math.max(at, earliestMs));
  const { organisation } = config;
  const create = !existsSync(paths.caCertificate);
  const ca = await SiteCa.open({ dir: paths.ca, organisation, now, create });
  const validity = (days: number) => ({
    from: unixMillis(now - dayMs),
    to: unixMillis(now + days * dayMs),
  });
  const { channel, gateway } = config;
  if (!existsSync(paths.gatewayCertificate)) {
    const publicKey = await keyAt(paths.gatewayKey);
    const issued = { publicKey, channel, gateway, validity: validity(gatewayYears * 365) };
    writeCertificate(paths.gatewayCertificate, (await ca.issueGateway(issued))[0]);
  }
  if (!isTlsCertificateGood(paths.tlsCertificate, config, now)) {
    const publicKey = await keyAt(paths.tlsKey);
    const hosts = config.mqtt.advertised;
    const issued = { publicKey, channel, gateway, hosts, validity: validity(tlsDays) };
    writeCertificate(paths.tlsCertificate, (await ca.issueGatewayTls(issued))[0]);
  }
  if (!isPeerCertificateGood(paths.peerCertificate, now)) {
    const publicKey = await keyAt(paths.peerKey);
    const { consortium } = config;
    const issued = { publicKey, consortium, node: gateway, validity: validity(tlsDays) };
    writeCertificate(paths.peerCertificate, (await ca.issuePeer(issued))[0]);
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
    validatorKey: {
      ...loadOrCreateValidatorKey(paths.validatorKey),
      ...(existsSync(paths.secondKey) ? { second: loadSecondKey(paths.secondKey) } : {}),
    },
    peer: {
      key: readFileSync(paths.peerKey, "utf8"),
      certificates: readFileSync(paths.peerCertificate, "utf8"),
    },
  };
}

/** The CA alone, for commands that run beside the gateway. Throws OperationalError SITE_NOT_STARTED. */
export async function openCa(config: GatewayConfig, now: UnixMillis): Promise<SiteCa> {
  const { ca, caCertificate } = pathsOf(config);
  if (!existsSync(caCertificate)) {
    const sentence = `${config.data_dir} has no CA yet: start the gateway once.`;
    throw new OperationalError("SITE_NOT_STARTED", sentence);
  }
  return SiteCa.open({ dir: ca, organisation: config.organisation, now, create: false });
}

/** What others depend on is made once: a second CA, or a second channel, would pass for the first. */
export function requireWhole(paths: SitePaths): void {
  if (existsSync(paths.ledger) && !existsSync(paths.caCertificate)) {
    throw new OperationalError(
      "SITE_CA_MISSING",
      `${paths.caCertificate} is gone, and the channel trusts no other: put it back from a backup.`,
    );
  }
  if (existsSync(paths.lane) && !existsSync(paths.ledger)) {
    throw new OperationalError(
      "LEDGER_MISSING",
      `${paths.ledger} is gone, and the lane was ordered in it: put it back from a backup and run ` +
        "tamga-gateway restore --ledger, or begin a new site in an empty directory.",
    );
  }
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

function isPeerCertificateGood(path: string, now: UnixMillis): boolean {
  if (!existsSync(path)) return false;
  return new X509Certificate(readFileSync(path)).validToDate.getTime() > now + 30 * dayMs;
}

/** The public half of the key in this file; a power cut may have left it without its certificate. */
async function keyAt(path: string): Promise<webcrypto.CryptoKey> {
  if (!existsSync(path)) return makeKey(path);
  const spki = createPublicKey(readFileSync(path)).export({ type: "spki", format: "der" });
  return crypto.subtle.importKey("spki", spki, keyAlgorithm, true, ["verify"]);
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
