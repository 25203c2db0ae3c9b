/** A consortium of peers on loopback: organisations with CAs, nodes with certificates, real sockets. */

import { createHash } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { parseDigest, toBase64, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { PeerAddress } from "@tamga/ledger-core/peers/dialler";
import type { PeerJudge } from "@tamga/ledger-core/peers/judge";
import { createPeerJudge } from "@tamga/ledger-core/peers/judge";
import type { PeerLimits } from "@tamga/ledger-core/peers/limits";
import type { PeerMember, PeerReceiver, PeerStatus } from "@tamga/ledger-core/peers/network";
import type { PeerCredentials } from "@tamga/ledger-core/peers/tls";
import { TlsPeerNetwork } from "@tamga/ledger-core/peers/tls-peer-network";
import { roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { CertificateOptions, TestKey } from "./certificate-builder.ts";
import { createCertificate, createKey } from "./certificate-builder.ts";
import { unwrap } from "./unwrap.ts";
import { name } from "./wire-samples.ts";

export const consortium = name("herders");

/** The id of a channel of tests. */
export function channelId(text: string): Digest {
  return unwrap(parseDigest(new Uint8Array(createHash("sha256").update(text).digest())));
}

export type NodeSpec = {
  readonly organisation: string;
  /** True unless told otherwise. */
  readonly border?: boolean;
  /** `["main"]` unless told otherwise. */
  readonly channels?: readonly string[];
};

export type Received = { readonly peer: string; readonly channel: string; readonly text: string };

export type OpenOptions = {
  readonly listen?: boolean;
  readonly port?: number;
  /** Whom it knows an address of, by port. */
  readonly dials?: Readonly<Record<string, number>>;
  readonly via?: Readonly<Record<string, readonly string[]>>;
  readonly relays?: boolean;
  readonly limits?: Partial<PeerLimits>;
  readonly received?: PeerReceiver;
  readonly credentials?: PeerCredentials;
  readonly judge?: PeerJudge;
};

/** A running node and what it received. */
export type RunningPeer = {
  readonly name: string;
  readonly network: TlsPeerNetwork;
  readonly port: number;
  readonly received: readonly Received[];
  send(peer: string, text: string, more?: { urgency?: "vote" | "bulk"; channel?: string }): void;
  status(peer: string): PeerStatus;
};

/** Times that let a test see in a second what takes a field minutes. */
export const quickLimits: Partial<PeerLimits> = {
  redialMsMin: 20,
  redialMsMax: 200,
  outsideMsMax: 100,
  keepAliveMs: 50,
};

export class PeerConsortium implements AsyncDisposable {
  readonly #cas = new Map<string, { readonly key: TestKey; readonly certificate: Uint8Array }>();
  readonly #open = new Set<TlsPeerNetwork>();
  /** Points of keys that were taken back. */
  readonly revoked = new Set<string>();
  #isAllRevoked = false;
  members: readonly PeerMember[];

  constructor(nodes: Readonly<Record<string, NodeSpec>>) {
    this.members = Object.entries(nodes).map(([node, spec]) => ({
      name: name(node),
      organisation: name(spec.organisation),
      border: spec.border ?? true,
      channels: (spec.channels ?? ["main"]).map(channelId),
    }));
    for (const { organisation } of this.members) this.ca(organisation);
  }

  /** An organisation's CA; also of one that is no member. */
  ca(organisation: string): { readonly key: TestKey; readonly certificate: Uint8Array } {
    const known = this.#cas.get(organisation);
    if (known !== undefined) return known;
    const key = createKey("ES256");
    const certificate = createCertificate({ subject: organisation, publicKey: key, ca: true });
    const ca = { key, certificate };
    this.#cas.set(organisation, ca);
    return ca;
  }

  memberOf(node: string): PeerMember {
    return present(
      this.members.find((member) => member.name === node),
      node,
    );
  }

  /** Key and chain in PEM, as a real node has them in files. */
  credentials(
    node: string,
    organisation: string,
    more: Partial<CertificateOptions> & { readonly algorithm?: "ES256" | "EdDSA" } = {},
  ): PeerCredentials {
    const { algorithm = "ES256", ...options } = more;
    const key = createKey(algorithm);
    const certificate = createCertificate({
      subject: node,
      publicKey: key,
      issuer: { subject: organisation, key: this.ca(organisation).key },
      uris: [roleUri("peer", { channel: consortium, name: name(node) })],
      ...options,
    });
    return {
      key: key.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      certificates: pemOf(certificate),
    };
  }

  judge(): PeerJudge {
    const clock = new SystemClock();
    const organisations = new Set(this.members.map(({ organisation }) => organisation));
    const trustedCas = [...organisations].map((organisation) => ({
      name: organisation,
      certificate: unwrap(parseCertificate(this.ca(organisation).certificate)),
    }));
    const ids = new Map(
      this.members.flatMap(({ channels }) => channels.map((id) => [toHex(id), id])),
    );
    return createPeerJudge({
      crypto: nodeCrypto,
      consortium,
      members: () => this.members,
      channels: () => [...ids.values()].map((id) => ({ id, trustedCas })),
      isRevoked: (key: PublicKey) =>
        this.#isAllRevoked || ("point" in key && this.revoked.has(toHex(key.point))),
      now: () => clock.now(),
    });
  }

  /** From now on, and for everybody. */
  revokeAll(): void {
    this.#isAllRevoked = true;
  }

  async open(node: string, options: OpenOptions = {}): Promise<RunningPeer> {
    const { organisation } = this.memberOf(node);
    const received: Received[] = [];
    const ways = new Map<string, { addresses: PeerAddress[]; via: Identifier[] }>();
    const way = (peer: string) => {
      const found = ways.get(peer) ?? { addresses: [], via: [] };
      ways.set(peer, found);
      return found;
    };
    for (const [peer, port] of Object.entries(options.dials ?? {}))
      way(peer).addresses.push({ host: "127.0.0.1", port });
    for (const [peer, via] of Object.entries(options.via ?? {}))
      way(peer).via.push(...via.map(name));
    const network = new TlsPeerNetwork({
      self: { consortium, name: name(node) },
      credentials: options.credentials ?? this.credentials(node, organisation),
      judge: options.judge ?? this.judge(),
      members: () => this.members,
      ways: [...ways].map(([peer, found]) => ({ name: name(peer), ...found })),
      relays: options.relays ?? false,
      received: (peer, channel, payload) => {
        received.push({ peer, channel: toHex(channel), text: new TextDecoder().decode(payload) });
        return options.received?.(peer, channel, payload);
      },
      clock: new SystemClock(),
      limits: { ...quickLimits, ...options.limits },
    });
    this.#open.add(network);
    const listen = { host: "127.0.0.1", port: options.port ?? 0 };
    const port = await network.open(options.listen === false ? undefined : listen);
    return {
      name: node,
      network,
      port: port ?? 0,
      received,
      send: (peer, text, { urgency = "vote", channel = "main" } = {}) =>
        network.send(name(peer), { channel: channelId(channel), payload: utf8(text), urgency }),
      status: (peer) =>
        present(
          network.peers().find((status) => status.name === peer),
          peer,
        ),
    };
  }

  async close(peer: RunningPeer): Promise<void> {
    this.#open.delete(peer.network);
    await peer.network.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open].map((network) => network.close()));
  }
}

export function pemOf(...certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? [];
      return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
    })
    .join("");
}
