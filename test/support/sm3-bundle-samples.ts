/** What `test/vectors/sm3-bundle-v1.json` pins: bundles hashed with SM3, true and false, the same in every run. */

import { present } from "@tamga/ledger-core/base/assert";
import { encodeCbor } from "@tamga/ledger-core/base/cbor";
import type { Receipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeReceipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import { encodeSign1, parseSign1, sigStructure } from "@tamga/ledger-core/wire/cose";
import { statementTypes } from "@tamga/ledger-core/wire/statement";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { fixedKey } from "./fixed-key.ts";
import type { BundleOptions } from "./synthetic-channel.ts";
import { SyntheticChannel } from "./synthetic-channel.ts";
import { unwrap } from "./unwrap.ts";
import { readings, seed } from "./wire-samples.ts";

export const sm3Channel = new SyntheticChannel({ createKey: fixedKey });

/** An odd number of them, so that a node of the tree has no neighbour. */
export const sm3Readings = [...readings, present(readings[0], "sample")];
export const sm3Seed = seed;

/** A statement with what travels beside it, and what a gateway says: `ok` or a code. */
export type UplinkSample = {
  readonly name: string;
  readonly statement: Uint8Array;
  readonly body?: EncodedBody;
  readonly verdict: string;
};

/** A receipt, and what its verifier says: `valid` or a code. */
export type Sm3ReceiptSample = {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly verdict: string;
};

const position = { range: { first: 1n, count: sm3Readings.length } };
const make = (options: BundleOptions) =>
  sm3Channel.bundle({ readings: sm3Readings, seed, position, ...options });
const sm3Bundle = make({ hash: "sm3" });
const sha256Bundle = make({ hash: "sha-256" });
/** Each kind with the other's root. */
const sha256Root = make({ hash: "sha-256", type: "sm3-bundle" });
const sm3Root = make({ hash: "sm3", type: "bundle" });

const body = asIs(encodeBody({ seed, readings: sm3Readings }));
const [first, second, third] = sm3Readings.map((bytes) => flippedLast(bytes));
const changed = [first, second, third].map((bytes, i) =>
  asIs(encodeBody({ seed, readings: sm3Readings.with(i, present(bytes, "reading")) })),
);

/** In the order of the file. */
export const uplinkSamples: readonly UplinkSample[] = [
  { name: "SM3", statement: sm3Bundle.statement, body, verdict: "ok" },
  { name: "SHA-256, of the same readings", statement: sha256Bundle.statement, body, verdict: "ok" },
  {
    name: "SM3 with the root of SHA-256",
    statement: sha256Root.statement,
    body,
    verdict: "BODY_ROOT_WRONG",
  },
  {
    name: "SHA-256 with the root of SM3",
    statement: sm3Root.statement,
    body,
    verdict: "BODY_ROOT_WRONG",
  },
  ...changed.map((other, i) => ({
    name: `SM3 with reading ${i} changed`,
    statement: sm3Bundle.statement,
    body: other,
    verdict: "BODY_ROOT_WRONG",
  })),
  {
    name: "SM3 with another seed",
    statement: sm3Bundle.statement,
    body: asIs(encodeBody({ seed: flippedLast(seed), readings: sm3Readings })),
    verdict: "BODY_ROOT_WRONG",
  },
  {
    name: "SM3 with a reading less",
    statement: sm3Bundle.statement,
    body: asIs(encodeBody({ seed, readings: sm3Readings.slice(1) })),
    verdict: "BODY_COUNT_WRONG",
  },
  { name: "SM3 without a body", statement: sm3Bundle.statement, verdict: "UPLINK_BODY_MISSING" },
  {
    name: "a later version of the kind",
    statement: ofNextVersion(sm3Bundle.statement),
    body,
    verdict: "STATEMENT_TYPE_UNKNOWN",
  },
];

export const sm3ReceiptSamples: readonly Sm3ReceiptSample[] = receipts();

function receipts(): readonly Sm3ReceiptSample[] {
  const index = sm3Channel.admit(sm3Bundle.statement);
  const wrongIndex = sm3Channel.admit(sha256Root.statement);
  const head = sm3Channel.seal();
  const disclosed = sm3Bundle.disclose(1);
  const good = sm3Channel.receipt(index, head, { disclosed });
  const { disclosed: _, ...whole } = good;
  const last = sm3Bundle.disclose(2);
  const wrong = "RECEIPT_READING_NOT_IN_BUNDLE";
  const rows: readonly (readonly [name: string, verdict: string, receipt: Receipt])[] = [
    ["a reading in the middle", "valid", good],
    ["the last reading, which has no neighbour", "valid", { ...good, disclosed: last }],
    ["the bundle as a whole", "valid", whole],
    [
      "a reading changed",
      wrong,
      { ...good, disclosed: { ...disclosed, reading: flippedLast(disclosed.reading) } },
    ],
    [
      "another salt",
      wrong,
      { ...good, disclosed: { ...disclosed, salt: flippedLast(disclosed.salt) } },
    ],
    ["the salt and path of SHA-256", wrong, { ...good, disclosed: sha256Bundle.disclose(1) }],
    [
      "the path of SHA-256",
      wrong,
      { ...good, disclosed: { ...disclosed, path: sha256Bundle.disclose(1).path } },
    ],
    ["another index", wrong, { ...good, disclosed: { ...disclosed, index: 0 } }],
    [
      "under the root of SHA-256, the way of SHA-256",
      wrong,
      sm3Channel.receipt(wrongIndex, head, { disclosed: sha256Root.disclose(1) }),
    ],
    [
      "under the root of SHA-256, the way of SM3",
      wrong,
      sm3Channel.receipt(wrongIndex, head, { disclosed }),
    ],
  ];
  return rows.map(([name, verdict, receipt]) => ({
    name,
    verdict,
    bytes: encodeReceipt(receipt),
  }));
}

function asIs(bytes: Uint8Array): EncodedBody {
  return { encoding: "identity", length: bytes.length, bytes };
}

function flippedLast(bytes: Uint8Array): Uint8Array {
  return bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1);
}

/** Signed well, of version 2. */
function ofNextVersion(statement: Uint8Array): Uint8Array {
  const part = unwrap(parseSign1(statement));
  const now = encodeCbor(statementTypes["sm3-bundle"]);
  const next = encodeCbor(statementTypes["sm3-bundle"].replace("v1", "v2"));
  const protectedBytes = part.protectedBytes.slice();
  protectedBytes.set(next, Buffer.from(protectedBytes).indexOf(now));
  const changedPart = { ...part, protectedBytes };
  const signature = sm3Channel.device.key.sign(sigStructure(changedPart));
  return encodeSign1({ ...changedPart, signature });
}
