/** One stream of a test device: signs statements as an agent would, or as no agent should. */

import type { KeyObject } from "node:crypto";
import { randomBytes, sign } from "node:crypto";
import { brotliCompressSync, constants } from "node:zlib";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import type {
  BundleHash,
  DeviceClaims,
  SequenceRange,
} from "@tamga/ledger-core/wire/device-claims";
import { encodeDeviceClaims, statementTypeOf } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { encodeReading } from "@tamga/ledger-core/wire/reading";
import { bundleHasher, saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { encodeStatementMessage } from "@tamga/ledger-core/wire/uplink-message";

const sha256 = (bytes: Uint8Array): Digest => nodeCrypto.sha256(bytes);
const hasher = treeHasher(sha256);

/** The key that signs a device's statements, and under which names it does. */
export type StreamSigner = {
  readonly channel: Identifier;
  readonly device: Identifier;
  readonly key: KeyObject;
  readonly publicKey: PublicKey;
};

/** A statement ready to send. `payload` is the whole uplink message. */
export type Made = {
  readonly payload: Uint8Array;
  readonly statement: Uint8Array;
  readonly body?: EncodedBody;
  readonly identity: Digest;
  readonly leafHash: Digest;
  readonly incarnation: Uint8Array;
  readonly range: SequenceRange;
};

/** What to say instead of the truth; `hash` is what a true bundle is made with. */
export type Lies = {
  readonly hash?: BundleHash;
  readonly first?: bigint;
  readonly count?: number;
  readonly root?: Digest;
  readonly previous?: Digest;
  readonly incarnation?: Uint8Array;
  /** Instead of the real body; null leaves it out. */
  readonly body?: EncodedBody | null;
  readonly kid?: Digest;
  readonly device?: Identifier;
  readonly channel?: Identifier;
};

export class TestStream {
  readonly name: Identifier;
  readonly incarnation: Uint8Array;
  readonly #signer: StreamSigner;
  readonly #bootId = new Uint8Array(randomBytes(16));
  #next = 0n;
  #previous: Digest | undefined;

  constructor(signer: StreamSigner, name: Identifier) {
    this.#signer = signer;
    this.name = name;
    this.incarnation = new Uint8Array(randomBytes(16));
  }

  /** The sequence that the next truthful statement begins with. */
  get next(): bigint {
    return this.#next;
  }

  start(lies: Lies = {}): Made {
    const facts = { agentVersion: "0.0.0-test", keyKind: "file", protocol: "test" };
    const position = this.#position(1, lies);
    return this.make({ kind: "start", position, ...facts, emulated: true }, lies);
  }

  heartbeat(lies: Lies = {}): Made {
    const position = this.#position(1, lies);
    const monotonic = monotonicMillis(1);
    return this.make(
      { kind: "heartbeat", position, now: now(), monotonic, clock: "ntp", backlog: 0n },
      lies,
    );
  }

  gap(missing: readonly SequenceRange[], lies: Lies = {}): Made {
    const position = this.#position(1, lies);
    const time = { from: now(), to: now() };
    return this.make({ kind: "gap", position, missing, reason: "stopped", time }, lies);
  }

  /** A bundle of these encoded readings, or of that many made-up ones. */
  bundle(readings: readonly Uint8Array[] | number, lies: Lies = {}): Made {
    const list = typeof readings === "number" ? this.readings(readings) : readings;
    const seed = new Uint8Array(randomBytes(32));
    const hash = lies.hash ?? "sha-256";
    const bundleHash = bundleHasher(nodeCrypto, hash);
    const root = lies.root ?? rootOf(treeHasher(bundleHash), saltedLeaves(bundleHash, seed, list));
    const position = this.#position(lies.count ?? list.length, lies);
    const time = { from: now(), to: now() };
    const body =
      lies.body === undefined ? compress(encodeBody({ seed, readings: list })) : lies.body;
    return this.make({ kind: "bundle", position, hash, root, time }, { ...lies, body });
  }

  /** Readings of one register each, all different. */
  readings(count: number): readonly Uint8Array[] {
    return Array.from({ length: count }, (_, i) =>
      encodeReading({
        source: { stream: this.name, protocol: "test", id: "T1", maker: "TST", emulated: true },
        clock: "ntp",
        frameStatus: { checksum: "ok", decrypted: false, authenticated: false },
        registers: [
          {
            key: { obis: Uint8Array.of(1, 0, 1, 8, 0, 255) },
            value: { quantity: { mantissa: this.#next + BigInt(i), scaler: 0, unit: 30 } },
          },
        ],
        receiveTime: now(),
        monotonic: monotonicMillis(i),
        frameDigest: sha256(new Uint8Array(randomBytes(8))),
      }),
    );
  }

  /** Signs any claims at all; the stream's own count moves only by the methods above. */
  make(claims: DeviceClaims, lies: Lies = {}): Made {
    const { channel, device, key, publicKey } = this.#signer;
    const unsigned = prepareStatement(
      {
        algorithm: publicKey.algorithm,
        kid: lies.kid ?? thumbprint(sha256, publicKey),
        type: statementTypeOf(claims),
        channel: lies.channel ?? channel,
        issuer: lies.device ?? device,
        subject: this.name,
        issuedAt: Math.floor(now() / 1_000),
      },
      encodeDeviceClaims(claims),
    );
    const signature = sign("sha256", unsigned.toBeSigned, { key, dsaEncoding: "ieee-p1363" });
    const statement = finishStatement(unsigned, new Uint8Array(signature));
    const identity = identityOf(sha256, unsigned);
    if (lies.first === undefined && lies.incarnation === undefined) this.#previous = identity;
    const { incarnation, range } = claims.position;
    return { ...wrap(statement, lies.body ?? undefined), identity, incarnation, range };
  }

  #position(count: number, lies: Lies) {
    const first = lies.first ?? this.#next;
    if (lies.first === undefined && lies.incarnation === undefined) this.#next += BigInt(count);
    const previous = lies.previous ?? this.#previous;
    return {
      incarnation: lies.incarnation ?? this.incarnation,
      range: { first, count },
      bootId: this.#bootId,
      ...(previous === undefined ? {} : { previous }),
    };
  }
}

/** The message around a statement's exact bytes. */
export function wrap(statement: Uint8Array, body?: EncodedBody) {
  const message = body === undefined ? { statement } : { statement, body };
  return { ...message, payload: encodeStatementMessage(message), leafHash: hasher.leaf(statement) };
}

export function compress(bytes: Uint8Array): EncodedBody {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 4 };
  const packed = new Uint8Array(brotliCompressSync(bytes, { params }));
  return { encoding: "brotli", length: bytes.length, bytes: packed };
}

function now() {
  return unixMillis(Date.now());
}
