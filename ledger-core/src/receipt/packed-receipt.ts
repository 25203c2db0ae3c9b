/**
 * The packed receipt file: the same receipt in fewer bytes, for paths so long that the plain file would pass
 * 4 KB (WIRE.md §10.1). What one part says is not said again by another, and what every certificate says is
 * a number. What is signed does not change: unpacked, it is a receipt like any other.
 */

import { sha256 as digestOf } from "@noble/hashes/sha2.js";
import { present } from "../base/assert.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { concat, equal, fromHex, utf8 } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { rootFromInclusion } from "../log/inclusion-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { FieldFault } from "../wire/field-reader.ts";
import {
  certificateBytesMax,
  chainLengthMax,
  logSignatureBytesMax,
  pathLengthMax,
  readingBytesMax,
  statementBytesMax,
  validatorsMax,
} from "../wire/limits.ts";
import { saltLength } from "../wire/salted-leaf.ts";
import type { Words } from "./packed-bytes.ts";
import { packBytes, unpackBytes } from "./packed-bytes.ts";
import type { DisclosedReading, Receipt, RevokedNeighbour } from "./receipt.ts";
import { parseCertificate } from "./x509-certificate.ts";

/** First field of the file: names format and version. */
export const packedReceiptMagic = "tamga-packed-receipt/1";

type Final = NonNullable<Receipt["final"]>;
type Lane = Receipt["lane"];

const sha256 = (bytes: Uint8Array): Digest => mint<Digest>(digestOf(bytes));
const hasher = treeHasher(sha256);
const hex = (text: string): Uint8Array => present(fromHex(text), "hexadecimal");

/**
 * Words 0 to 15: types of statements, what P-256 certificates have in common, and the root of an empty
 * list. WIRE.md §10.1 has the same table; another table is another version.
 */
export const staticWords: readonly Uint8Array[] = [
  utf8("application/vnd.tamga.bundle.v1+cbor"),
  utf8("application/vnd.tamga.lane-head.v1+cbor"),
  utf8("application/vnd.tamga.gap.v1+cbor"),
  utf8("application/vnd.tamga.start.v1+cbor"),
  utf8("application/vnd.tamga.heartbeat.v1+cbor"),
  utf8("application/vnd.tamga.rejection.v1+cbor"),
  hex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
  hex("300a06082a8648ce3d04030203"),
  hex("300a06082a8648ce3d040302"),
  hex("300e0603551d0f0101ff040403020780"),
  hex("06035504030c"),
  hex("0603551d1104"),
  utf8("urn:x-tamga:device:"),
  utf8("urn:x-tamga:gateway:"),
  utf8("urn:x-tamga:key:"),
  hasher.empty,
];

/** What else is known by the time that a part is unpacked: words 16 to 20. */
type Known = {
  readonly issuer?: Uint8Array | undefined;
  readonly signerKid?: Uint8Array | undefined;
  readonly gatewayKid?: Uint8Array | undefined;
  readonly incarnation?: Uint8Array | undefined;
  readonly laneRoot?: Uint8Array | undefined;
};

function wordsOf(known: Known): Words {
  const { issuer, signerKid, gatewayKid, incarnation, laneRoot } = known;
  return [...staticWords, issuer, signerKid, gatewayKid, incarnation, laneRoot];
}

export function encodePackedReceipt(receipt: Receipt): Uint8Array {
  const { disclosed, lane, final } = receipt;
  const signer = leafFacts(receipt.deviceChain);
  const statementWords = wordsOf({ ...signer, incarnation: lane.incarnation });
  const fields = new Map<number, CborValue>([
    [0, packedReceiptMagic],
    [2, packBytes(receipt.statement, statementWords)],
    [3, receipt.deviceChain.map((der) => packBytes(der, wordsOf({})))],
    [
      4,
      [
        ...[lane.gateway, lane.incarnation, lane.index, lane.size],
        ...[concat(...lane.path), lane.signature],
      ],
    ],
  ]);
  if (disclosed !== undefined) {
    const { reading, salt, index, path } = disclosed;
    fields.set(1, [reading, salt, index, concat(...path)]);
  }
  if (final !== undefined) fields.set(5, finalValue(receipt, final, signer));
  return encodeCbor(fields);
}

function finalValue(receipt: Receipt, final: Final, signer: Known): CborValue {
  const { index, size, path, seals } = final.channel;
  const headWords = headWordsOf(receipt, final.gatewayChain);
  return [
    packBytes(final.laneHead, headWords),
    final.gatewayChain.map((der) => packBytes(der, wordsOf({ issuer: signer.issuer }))),
    [
      ...[index, size, concat(...path)],
      seals.map((seal) => [seal.keyId, seal.timeSeconds, seal.cosignature, seal.logSignature]),
    ],
    [neighbourValue(final.revocation.below), neighbourValue(final.revocation.above)],
    final.consistency === undefined ? null : sharedValue(final.consistency, path),
  ];
}

/** Reads a file whose first field said that it is packed. Faults: FIELD_*. Nothing is verified. */
export function parsePackedReceipt(fields: FieldReader): Result<Receipt, FieldFault> {
  if (fields.text(0) !== packedReceiptMagic) fields.refuse(0);
  const deviceChain = readChain(fields, 3, {});
  const signer = leafFacts(deviceChain);
  const lane = readLane(fields.nested(4));
  const statement = unpackBytes(fields, 2, {
    words: wordsOf({ ...signer, incarnation: lane.incarnation }),
    max: statementBytesMax,
  });
  const plain = {
    ...(fields.has(1) ? { disclosed: readDisclosed(fields.nested(1)) } : {}),
    ...{ statement, deviceChain, lane },
  };
  return fields.finish({
    ...plain,
    ...(fields.has(5) ? { final: readFinal(fields.nested(5), plain, signer) } : {}),
  });
}

function readFinal(fields: FieldReader, receipt: Receipt, signer: Known): Final {
  const gatewayChain = readChain(fields, 1, { issuer: signer.issuer });
  const neighbours = fields.nested(3);
  const channel = readChannel(fields.nested(2));
  const final = {
    laneHead: unpackBytes(fields, 0, {
      words: headWordsOf(receipt, gatewayChain),
      max: statementBytesMax,
    }),
    gatewayChain,
    channel,
    revocation: {
      ...(neighbours.given(0) ? { below: readNeighbour(neighbours.nested(0)) } : {}),
      ...(neighbours.given(1) ? { above: readNeighbour(neighbours.nested(1)) } : {}),
    },
    ...(fields.given(4) ? { consistency: readShared(fields, 4, channel.path) } : {}),
  };
  neighbours.close();
  fields.close();
  return final;
}

/** What a chain's first certificate lets one know; nothing where it cannot be read. */
function leafFacts(chain: readonly Uint8Array[]): Pick<Known, "issuer" | "signerKid"> {
  const [leaf] = chain;
  const parsed = leaf === undefined ? undefined : parseCertificate(leaf);
  if (parsed?.ok !== true) return {};
  const { issuer, publicKey } = parsed.value;
  return { issuer, signerKid: thumbprint(sha256, publicKey) };
}

/** A lane head names the gateway's key, the lane and the root that the statement's path leads to. */
function headWordsOf(receipt: Receipt, gatewayChain: readonly Uint8Array[]): Words {
  const { index: leafIndex, size: treeSize, path, incarnation } = receipt.lane;
  const leafHash = hasher.leaf(receipt.statement);
  const root = rootFromInclusion(hasher, { leafIndex, treeSize, leafHash, path });
  const laneRoot = root.ok ? root.value : undefined;
  return wordsOf({ gatewayKid: leafFacts(gatewayChain).signerKid, incarnation, laneRoot });
}

function readChain(fields: FieldReader, key: number, known: Known): readonly Uint8Array[] {
  const words = wordsOf(known);
  return fields.list(key, chainLengthMax, (item) =>
    unpackBytes(item, 0, { words, max: certificateBytesMax }),
  );
}

function readDisclosed(fields: FieldReader): DisclosedReading {
  const disclosed = {
    reading: fields.bytes(0, readingBytesMax),
    salt: fields.fixed(1, saltLength),
    index: fields.uint(2, 65_535),
    path: readPath(fields, 3),
  };
  fields.close();
  return disclosed;
}

function readLane(fields: FieldReader): Lane {
  const lane = {
    gateway: fields.identifier(0),
    incarnation: fields.fixed(1, 16),
    index: fields.counter(2),
    size: fields.counter(3),
    path: readPath(fields, 4),
    signature: fields.bytes(5, logSignatureBytesMax),
  };
  fields.close();
  return lane;
}

function readChannel(fields: FieldReader): Final["channel"] {
  const channel = {
    index: fields.counter(0),
    size: fields.counter(1),
    path: readPath(fields, 2),
    seals: fields.list(3, validatorsMax, (item) => readSeal(item.nested(0))),
  };
  fields.close();
  return channel;
}

function readSeal(fields: FieldReader): Final["channel"]["seals"][number] {
  const seal = {
    keyId: fields.fixed(0, 4),
    timeSeconds: fields.uint(1, Number.MAX_SAFE_INTEGER),
    cosignature: fields.bytes(2, logSignatureBytesMax),
    logSignature: fields.bytes(3, logSignatureBytesMax),
  };
  fields.close();
  return seal;
}

function neighbourValue(neighbour: RevokedNeighbour | undefined): CborValue {
  if (neighbour === undefined) return null;
  const { kid, reason, since, index, path } = neighbour;
  return [kid, reason, since, index, concat(...path)];
}

function readNeighbour(fields: FieldReader): RevokedNeighbour {
  const neighbour = {
    kid: fields.digest(0),
    reason: fields.uint(1, 255),
    since: fields.counter(2),
    index: fields.counter(3),
    path: readPath(fields, 4),
  };
  fields.close();
  return neighbour;
}

/** Hashes end to end. */
function readPath(fields: FieldReader, key: number): readonly Digest[] {
  return digestsOf(fields, key, fields.bytes(key, 32 * (pathLengthMax + 1)));
}

function digestsOf(fields: FieldReader, key: number, bytes: Uint8Array): readonly Digest[] {
  if (bytes.length % 32 !== 0) fields.refuse(key);
  const count = Math.floor(bytes.length / 32);
  return Array.from({ length: count }, (_, i) => mint<Digest>(bytes.subarray(32 * i, 32 * i + 32)));
}

/** Hashes that stand in `other` as their first position there, the others end to end between them. */
function sharedValue(path: readonly Digest[], other: readonly Digest[]): CborValue {
  const items: (number | Uint8Array)[] = [];
  for (const hash of path) {
    const position = other.findIndex((known) => equal(known, hash));
    const last = items.at(-1);
    if (position >= 0) items.push(position);
    else if (last instanceof Uint8Array) items[items.length - 1] = concat(last, hash);
    else items.push(hash);
  }
  return items;
}

/** Takes only what {@link sharedValue} writes. */
function readShared(fields: FieldReader, key: number, other: readonly Digest[]): readonly Digest[] {
  const path = fields
    .list(key, pathLengthMax + 1, (item) => {
      if (typeof item.raw(0) !== "number")
        return digestsOf(item, 0, item.bytes(0, 32 * (pathLengthMax + 1)));
      const hash = other[item.uint(0, pathLengthMax)];
      if (hash === undefined) item.refuse(0);
      return hash === undefined ? [] : [hash];
    })
    .flat();
  const given = fields.raw(key);
  const again = encodeCbor(sharedValue(path, other));
  if (given === undefined || !equal(again, encodeCbor(given))) fields.refuse(key);
  if (path.length > pathLengthMax + 1) fields.refuse(key);
  return path;
}
