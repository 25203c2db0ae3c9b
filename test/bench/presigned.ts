/** Statements that a bench sends, signed before the clock starts, as an agent's outbox would hold them. */

import { randomBytes } from "node:crypto";
import { brotliCompressSync, constants } from "node:zlib";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { rootOf } from "@tamga/ledger-core/log/merkle-root";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import type { BundleHash, TreeHead } from "@tamga/ledger-core/wire/device-claims";
import { encodeReading } from "@tamga/ledger-core/wire/reading";
import { bundleHasher, saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import type { Made, TestStream } from "../support/test-stream.ts";

const sha256 = (bytes: Uint8Array): Digest => nodeCrypto.sha256(bytes);
const hashers = { "sha-256": treeHasher(sha256), sm3: treeHasher(nodeCrypto.sm3) };
/** As the agent's outbox compresses. */
const brotliQuality = 5;

/**
 * A run of a stream: what an agent says once, and where it stands. A `TestStream` signs; positions are
 * counted here, since each statement also names the newest checkpoint, as an agent's does.
 */
export class Presigner {
  readonly #stream: TestStream;
  readonly #bootId = new Uint8Array(randomBytes(16));
  #checkpoint: TreeHead | undefined;
  #next = 0n;
  #previous: Digest | undefined;
  #at = Date.now();
  #energy = 5_430_157n;

  constructor(stream: TestStream) {
    this.#stream = stream;
  }

  /** What the device has verified: every later statement names it. */
  believe(checkpoint: TreeHead): void {
    this.#checkpoint = checkpoint;
  }

  start(): Made {
    const facts = { agentVersion: "0.1.0", keyKind: "file", protocol: "dsmr-p1" };
    return this.#keep(
      this.#stream.make({ kind: "start", position: this.#position(1), ...facts, emulated: true }),
    );
  }

  /** `statements` bundles of `count` readings each, of one register each. */
  bundles(statements: number, count: number, hash: BundleHash = "sha-256"): readonly Made[] {
    return Array.from({ length: statements }, () => this.#bundle(count, hash));
  }

  #bundle(count: number, hash: BundleHash): Made {
    const seed = new Uint8Array(randomBytes(32));
    const from = unixMillis(this.#at);
    const readings = Array.from({ length: count }, () => this.#reading());
    const root = rootOf(
      hashers[hash],
      saltedLeaves(bundleHasher(nodeCrypto, hash), seed, readings),
    );
    const time = { from, to: unixMillis(this.#at) };
    const position = this.#position(count);
    const body = shorterBody(encodeBody({ seed, readings }));
    return this.#keep(this.#stream.make({ kind: "bundle", position, hash, root, time }, { body }));
  }

  /** A second later than the last, a few milliseconds of jitter, a little more energy. */
  #reading(): Uint8Array {
    const jitter = randomBytes(2);
    this.#at += 1_000;
    this.#energy += BigInt(jitter[0] ?? 0) % 4n;
    const at: UnixMillis = unixMillis(this.#at + ((jitter[1] ?? 0) % 16));
    return meterReading({ at, energy: this.#energy, stream: this.#stream });
  }

  #position(count: number) {
    const range = { first: this.#next, count };
    this.#next += BigInt(count);
    return {
      incarnation: this.#stream.incarnation,
      range,
      bootId: this.#bootId,
      ...(this.#checkpoint === undefined ? {} : { checkpoint: this.#checkpoint }),
      ...(this.#previous === undefined ? {} : { previous: this.#previous }),
    };
  }

  #keep(made: Made): Made {
    this.#previous = made.identity;
    return made;
  }
}

/** A reading of one register as the DSMR driver gives them; about 140 bytes. */
export function meterReading(part: {
  readonly at: UnixMillis;
  readonly energy: bigint;
  readonly stream: { readonly name: TestStream["name"] };
}): Uint8Array {
  const { at, energy, stream } = part;
  const captureTime = {
    at: unixMillis(Math.floor(at / 1_000) * 1_000),
    offsetMinutes: 120,
    quality: "unknown",
  } as const;
  return encodeReading({
    source: {
      stream: stream.name,
      protocol: "dsmr-p1",
      id: "E0000000000000001",
      maker: "TMG",
      emulated: true,
    },
    clock: "ntp",
    frameStatus: { checksum: "ok", decrypted: false, authenticated: false },
    registers: [
      {
        key: { obis: Uint8Array.of(1, 0, 1, 8, 1, 255) },
        value: { quantity: { mantissa: energy, scaler: 0, unit: 30 } },
      },
    ],
    captureTime,
    receiveTime: at,
    monotonic: monotonicMillis(at % 100_000_000),
    frameDigest: sha256(new Uint8Array(randomBytes(16))),
  });
}

/** What the agent's outbox stores: Brotli, or the body as it is where that is shorter. */
export function shorterBody(plain: Uint8Array): EncodedBody {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: brotliQuality,
    [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
  };
  const packed = new Uint8Array(brotliCompressSync(plain, { params }));
  return packed.length < plain.length
    ? { encoding: "brotli", length: plain.length, bytes: packed }
    : { encoding: "identity", length: plain.length, bytes: plain };
}
