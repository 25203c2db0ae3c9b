/**
 * A whole channel in memory for tests: organisations, validators, one gateway with its lane, devices, and
 * the channel's log. It issues true receipts, and lets a test reach in to make false ones. It is one long
 * class, since each of its parts signs another.
 */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { compare, fromUtf8, u32, utf8 } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { quorumOf } from "@tamga/ledger-core/base/quorum";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { cosignature, cosignatureMessage } from "@tamga/ledger-core/log/cosignature";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { pathOf, rootOf } from "@tamga/ledger-core/log/merkle-root";
import type { NoteSignature } from "@tamga/ledger-core/log/note";
import { encodeNote } from "@tamga/ledger-core/log/note";
import type { KeyKind } from "@tamga/ledger-core/receipt/certificate-names";
import { keyKindUri, roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import type {
  DisclosedReading,
  Receipt,
  RevocationEvidence,
  RevokedNeighbour,
} from "@tamga/ledger-core/receipt/receipt";
import type { TrustPolicy, TrustPolicyContent } from "@tamga/ledger-core/receipt/trust-policy";
import { judgeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { checkpointText } from "@tamga/ledger-core/receipt/verify-seal";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type {
  BundleHash,
  DeviceClaims,
  StreamPosition,
  TreeHead,
} from "@tamga/ledger-core/wire/device-claims";
import { encodeDeviceClaims, statementTypeOf } from "@tamga/ledger-core/wire/device-claims";
import type { ChannelEvidence, Seal } from "@tamga/ledger-core/wire/downlink-message";
import type { GatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { encodeGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { laneOrigin } from "@tamga/ledger-core/wire/log-origin";
import type { RevokedKey } from "@tamga/ledger-core/wire/revocation-list";
import { encodeRevokedKey } from "@tamga/ledger-core/wire/revocation-list";
import { bundleHasher, saltedLeaves, saltOf } from "@tamga/ledger-core/wire/salted-leaf";
import type { StatementType } from "@tamga/ledger-core/wire/statement";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { TestKey } from "./certificate-builder.ts";
import { createCertificate, createKey } from "./certificate-builder.ts";
import { finishLogSignature } from "./finish-log-signature.ts";
import { SparseLog } from "./sparse-log.ts";
import { name, readings as sampleReadings } from "./wire-samples.ts";

const sha256 = (bytes: Uint8Array): Digest => nodeCrypto.sha256(bytes);
const hasher = treeHasher(sha256);
const kidOf = (key: TestKey): Digest => thumbprint(sha256, key.publicKey);

/** Someone with a signing key and a certificate chain, leaf first. */
export type Party = {
  readonly name: Identifier;
  readonly key: TestKey;
  readonly kid: Digest;
  readonly chain: readonly Uint8Array[];
};

export type SyntheticOptions = {
  /** Makes the keys of all parties, by name; random ones where left out. */
  readonly createKey?: (algorithm: Algorithm, owner: string) => TestKey;
  /** 1 where left out; each validator has an organisation of its own. */
  readonly validators?: number;
  readonly channel?: string;
  readonly gateway?: string;
  readonly reopened?: boolean;
  readonly deviceKey?: TestKey;
  readonly deviceNotAfter?: Date;
  readonly keyKind?: KeyKind;
  /** Keys that are revoked from the start. */
  readonly revoked?: readonly RevokedKey[];
  /** Cosignature time of validator i, in seconds since 1970. */
  readonly cosignedAt?: (validator: number) => number;
};

/** A sealed lane head and all evidence for it, as `down/head` and receipts carry it. */
export type SealedHead = {
  readonly laneHead: Uint8Array;
  readonly lane: TreeHead;
  readonly laneSignature: Uint8Array;
  readonly gatewayChain: readonly Uint8Array[];
  readonly channel: ChannelEvidence;
};

export class SyntheticChannel {
  readonly policy: TrustPolicy;
  readonly validators: readonly { readonly name: Identifier; readonly key: TestKey }[];
  readonly ca: { readonly subject: string; readonly key: TestKey };
  readonly gateway: Party;
  readonly device: Party;
  readonly laneIncarnation = sha256(utf8("lane")).slice(0, 16);
  readonly lane = new SparseLog();
  readonly log = new SparseLog();
  readonly #options: SyntheticOptions;
  readonly #statements: Uint8Array[] = [];
  readonly #revoked: readonly RevokedKey[];

  constructor(options: SyntheticOptions = {}) {
    this.#options = options;
    const count = options.validators ?? 1;
    const keyFor = options.createKey ?? createKey;
    this.validators = Array.from({ length: count }, (_, i) => {
      const validator = name(`validator-${i + 1}`);
      return { name: validator, key: keyFor("EdDSA", validator) };
    });
    const cas = this.validators.map((_, i) => {
      const subject = `organisation-${i + 1}`;
      return { subject, key: keyFor("ES256", subject) };
    });
    this.ca = present(cas[0], "first CA");
    this.#revoked = [...(options.revoked ?? [])].sort((a, b) => compare(a.kid, b.kid));
    const channelIncarnation = sha256(utf8("channel")).slice(0, 16);
    this.policy = judged({
      consortium: name("consortium.example"),
      channel: name(options.channel ?? "milk"),
      channelId: sha256(utf8("channel-open")),
      channelIncarnation,
      reopened: options.reopened ?? false,
      organisations: cas.map(({ subject, key }) => ({
        name: name(subject),
        ca: createCertificate({ subject, publicKey: key, ca: true }),
      })),
      validators: this.validators.map((validator, i) => ({
        name: validator.name,
        organisation: name(`organisation-${i + 1}`),
        publicKey: pointOf(validator.key),
      })),
      quorum: quorumOf(count),
    });
    this.gateway = this.#certify(name(options.gateway ?? "gateway-1"), "gateway");
    this.device = this.#certify(name("device-1"), "device");
    this.lane.append(
      this.sign(this.gateway, "lane-open", "lane", {
        kind: "lane-open",
        incarnation: this.laneIncarnation,
        channelId: this.policy.channelId,
      }),
    );
    this.#statements.push(new Uint8Array(0));
    this.log.append(utf8("channel-open"));
  }

  get laneOrigin(): string {
    const { consortium, channel } = this.policy;
    const { laneIncarnation: incarnation } = this;
    return laneOrigin({ consortium, channel, gateway: this.gateway.name, incarnation });
  }

  /** A statement's exact bytes, signed by this party. */
  sign(
    by: Party,
    type: StatementType,
    subject: string,
    claims: DeviceClaims | GatewayClaims,
  ): Uint8Array {
    const header = {
      algorithm: by.key.algorithm,
      kid: by.kid,
      type,
      channel: this.policy.channel,
      issuer: by.name,
      subject: name(subject),
      issuedAt: 1_780_000_000,
    };
    const unsigned = prepareStatement(header, encodeClaims(claims));
    return finishStatement(unsigned, by.key.sign(unsigned.toBeSigned));
  }

  /** A bundle of the device over these encoded readings (two samples where left out). */
  bundle(options: BundleOptions = {}): Bundle {
    const { readings = sampleReadings, seed = sha256(utf8("seed")), hash = "sha-256" } = options;
    const bundleHash = bundleHasher(nodeCrypto, hash);
    const bundleTree = treeHasher(bundleHash);
    const leaves = saltedLeaves(bundleHash, seed, readings);
    const at = unixMillis(1_780_000_000_000);
    const claims: DeviceClaims = {
      kind: "bundle",
      position: this.position(readings.length, options.position),
      hash,
      root: rootOf(bundleTree, leaves),
      time: { from: at, to: at },
    };
    const statement = this.sign(
      options.by ?? this.device,
      options.type ?? statementTypeOf(claims),
      "p1",
      claims,
    );
    const disclose = (index: number): DisclosedReading => ({
      reading: present(readings[index], "reading"),
      salt: saltOf(bundleHash, seed, index),
      index,
      path: pathOf(bundleTree, leaves, index),
    });
    return { statement, seed, readings, disclose };
  }

  /** A gap, a start or a heartbeat of the device. */
  statement(kind: "gap" | "start" | "heartbeat", more: Partial<StreamPosition> = {}): Uint8Array {
    const position = this.position(1, more);
    const at = unixMillis(1_780_000_000_000);
    const claims: Readonly<Record<typeof kind, DeviceClaims>> = {
      gap: {
        kind: "gap",
        position,
        missing: [{ first: 3n, count: 9 }],
        reason: "thinned",
        time: { from: at, to: at },
      },
      start: {
        kind: "start",
        position,
        agentVersion: "0.1.0",
        keyKind: "file",
        protocol: "dsmr-p1",
        emulated: true,
      },
      heartbeat: {
        kind: "heartbeat",
        position,
        now: at,
        monotonic: monotonicMillis(1),
        clock: "ntp",
        backlog: 0n,
      },
    };
    return this.sign(this.device, kind, "p1", claims[kind]);
  }

  /** The gateway's refusal of some statement of the device. */
  rejection(code = "SEQUENCE_CONFLICT"): Uint8Array {
    return this.sign(this.gateway, "rejection", "lane", {
      kind: "rejection",
      device: this.device.name,
      refused: sha256(utf8("refused")),
      code,
      at: unixMillis(1_780_000_000_000),
    });
  }

  position(count: number, more: Partial<StreamPosition> = {}): StreamPosition {
    return {
      incarnation: sha256(utf8("stream")).slice(0, 16),
      range: { first: 1n, count },
      bootId: sha256(utf8("boot")).slice(0, 16),
      ...more,
    };
  }

  /** Appends a statement to the lane; returns its index there. */
  admit(statement: Uint8Array): number {
    const index = this.lane.append(statement);
    this.#statements[index] = statement;
    return index;
  }

  /** Orders the lane as it stands and seals the channel's log, with fillers up to `logSize` first. */
  seal(options: { readonly logSize?: number } = {}): SealedHead {
    const lane = this.lane.head();
    const laneHead = this.sign(this.gateway, "lane-head", "lane", {
      kind: "lane-head",
      incarnation: this.laneIncarnation,
      head: lane,
      revocations: this.revocations(),
    });
    const index = this.log.append(laneHead);
    this.log.fillTo(options.logSize ?? 0);
    const laneSignature = signRoot({ origin: this.laneOrigin, ...lane }, this.gateway.key);
    const { chain: gatewayChain } = this.gateway;
    return { laneHead, lane, laneSignature, gatewayChain, channel: this.evidence(index) };
  }

  /** What proves that leaf `index` is in the channel's log, cosigned by the quorum's validators. */
  evidence(
    index: number,
    signers: SyntheticChannel["validators"] = this.validators.slice(0, this.policy.quorum),
  ): ChannelEvidence {
    const head = this.log.head();
    return {
      index: BigInt(index),
      size: head.size,
      path: this.log.inclusion(index),
      seals: this.seals(head, signers),
    };
  }

  /** Both signatures of these validators over one head. */
  seals(head: TreeHead, signers = this.validators): readonly Seal[] {
    const text = checkpointText(this.policy, head);
    return signers.map((signer) => {
      const { keyId, signature } = this.cosign(text, signer);
      return {
        keyId: u32(keyId),
        timeSeconds: this.#cosignedAt(signer),
        cosignature: signature.slice(8),
        logSignature: signRoot({ origin: this.policy.origin, ...head }, signer.key),
      };
    });
  }

  /** A checkpoint's note, cosigned by these validators. */
  note(head: TreeHead, signers = this.validators): string {
    const text = checkpointText(this.policy, head);
    return noteOf(
      text,
      signers.map((signer) => this.cosign(text, signer)),
    );
  }

  /** One validator's cosignature line over a note's text. */
  cosign(text: string, signer: SyntheticChannel["validators"][number]): NoteSignature {
    const timeSeconds = this.#cosignedAt(signer);
    const signature = signer.key.sign(cosignatureMessage(text, timeSeconds));
    const cosigner = { name: signer.name, publicKey: pointOf(signer.key) };
    return cosignature(nodeCrypto, cosigner, { timeSeconds, signature });
  }

  /** The final receipt of the statement at this lane index, under a head that covers it. */
  receipt(index: number, head: SealedHead, more: ReceiptParts = {}): Receipt {
    const statement = present(this.#statements[index], "statement");
    const { disclosed, consistencyFrom } = more;
    const size = Number(head.lane.size);
    return {
      ...(disclosed && { disclosed }),
      statement,
      deviceChain: (more.signer ?? this.device).chain,
      lane: {
        gateway: this.gateway.name,
        incarnation: this.laneIncarnation,
        index: BigInt(index),
        size: head.lane.size,
        path: this.lane.inclusion(index, size),
        signature: head.laneSignature,
      },
      final: {
        laneHead: head.laneHead,
        gatewayChain: head.gatewayChain,
        channel: head.channel,
        revocation: this.revocationEvidence((more.signer ?? this.device).kid),
        ...(consistencyFrom !== undefined && {
          consistency: this.log.consistency(consistencyFrom, Number(head.channel.size)),
        }),
      },
    };
  }

  /** Size and root of the list of revoked keys. */
  revocations(): TreeHead {
    return { size: BigInt(this.#revoked.length), root: rootOf(hasher, this.#revokedLeaves()) };
  }

  /** The neighbours of a key in that list. */
  revocationEvidence(kid: Digest): RevocationEvidence {
    const above = this.#revoked.findIndex((entry) => compare(entry.kid, kid) > 0);
    const next = above < 0 ? this.#revoked.length : above;
    const low = this.neighbour(next - 1);
    const high = this.neighbour(next);
    return { ...(low && { below: low }), ...(high && { above: high }) };
  }

  /** Entry `index` of the list, with its path. */
  neighbour(index: number): RevokedNeighbour | undefined {
    const entry = this.#revoked[index];
    if (entry === undefined) return undefined;
    return { ...entry, index: BigInt(index), path: pathOf(hasher, this.#revokedLeaves(), index) };
  }

  #cosignedAt(signer: SyntheticChannel["validators"][number]): number {
    const position = this.validators.indexOf(signer);
    return this.#options.cosignedAt?.(position) ?? 1_780_000_100 + position;
  }

  #revokedLeaves(): Digest[] {
    return this.#revoked.map((entry) => hasher.leaf(encodeRevokedKey(entry)));
  }

  #certify(party: Identifier, role: "device" | "gateway"): Party {
    const { deviceKey, deviceNotAfter, keyKind = "file" } = this.#options;
    const device = role === "device";
    const keyFor = this.#options.createKey ?? createKey;
    const key = (device ? deviceKey : undefined) ?? keyFor("ES256", party);
    const subject = { channel: this.policy.channel, name: party };
    const certificate = createCertificate({
      subject: party,
      publicKey: key,
      issuer: this.ca,
      uris: [roleUri(role, subject), ...(device ? [keyKindUri(keyKind)] : [])],
      ...(device && deviceNotAfter && { notAfter: deviceNotAfter }),
    });
    return { name: party, key, kid: kidOf(key), chain: [certificate] };
  }
}

export type BundleOptions = {
  readonly readings?: readonly Uint8Array[];
  readonly seed?: Uint8Array;
  readonly by?: Party;
  readonly position?: Partial<StreamPosition>;
  /** SHA-256 where left out. */
  readonly hash?: BundleHash;
  /** The kind that the statement says to be, where that is to be a lie. */
  readonly type?: "bundle" | "sm3-bundle";
};

export type Bundle = {
  readonly statement: Uint8Array;
  readonly seed: Uint8Array;
  readonly readings: readonly Uint8Array[];
  disclose(index: number): DisclosedReading;
};

export type ReceiptParts = {
  readonly disclosed?: DisclosedReading;
  /** Size of the checkpoint that the statement names. */
  readonly consistencyFrom?: number;
  /** Who signed the statement: the device where left out. */
  readonly signer?: Party;
};

/** A note over `text` with these lines. */
export function noteOf(text: string, signatures: readonly NoteSignature[]): string {
  return present(fromUtf8(encodeNote({ text, signatures })), "note text");
}

/** An RFC 9942 signature over a log's head, without its header. */
export function signRoot(
  head: { readonly origin: string; readonly size: bigint; readonly root: Digest },
  key: TestKey,
): Uint8Array {
  return finishLogSignature(head, key.publicKey, key.sign).signature;
}

/** The first valid receipt of a fresh channel: a bundle of two readings, the first one disclosed. */
export function issueReceipt(channel: SyntheticChannel): Receipt {
  const { size, root } = channel.log.head();
  const bundle = channel.bundle({ position: { checkpoint: { size, root } } });
  const index = channel.admit(bundle.statement);
  channel.admit(channel.statement("heartbeat"));
  return channel.receipt(index, channel.seal(), {
    disclosed: bundle.disclose(0),
    consistencyFrom: Number(size),
  });
}

function judged(content: TrustPolicyContent): TrustPolicy {
  const policy = judgeTrustPolicy(content);
  if (!policy.ok) throw new Error(policy.fault.code);
  return policy.value;
}

/** A key's point, which for Ed25519 is its 32 bytes. */
export function pointOf(key: TestKey): Uint8Array {
  const { publicKey } = key;
  return publicKey.algorithm === "PS256" ? publicKey.spki : publicKey.point;
}

function encodeClaims(claims: DeviceClaims | GatewayClaims): CborValue {
  switch (claims.kind) {
    case "lane-open":
    case "lane-head":
    case "rejection":
    case "result":
      return encodeGatewayClaims(claims);
    default:
      return encodeDeviceClaims(claims);
  }
}
