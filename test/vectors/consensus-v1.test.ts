/** Version 1 of the consensus, pinned: what validators sign and send parses, verifies and encodes to the same. */

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { present } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromHex, parseDigest, toHex } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Identifier } from "@tamga/ledger-core/base/identifier";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import {
  encodeCertificate,
  parseCertificateBytes,
} from "@tamga/ledger-core/consensus/ballot-codec";
import {
  encodeBlock,
  encodeHeader,
  headerDigest,
  parseBlock,
  parseHeader,
} from "@tamga/ledger-core/consensus/block";
import { verifyCertificate } from "@tamga/ledger-core/consensus/certificate";
import { messageBytesMax } from "@tamga/ledger-core/consensus/limits";
import { encodeMessage, parseMessage } from "@tamga/ledger-core/consensus/message-codec";
import { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import type { Ballot } from "@tamga/ledger-core/consensus/vote";
import { voteBytes, voteKinds } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { unwrap } from "../support/unwrap.ts";

type Vote = {
  readonly epoch: number;
  readonly kind: Ballot["kind"];
  readonly view: number;
  readonly parentView?: number;
  readonly digest?: string;
  readonly bytes: string;
  readonly voter: number;
  readonly signature: string;
};
type Vectors = {
  readonly channel: string;
  readonly validators: readonly { readonly name: string; readonly publicKey: string }[];
  readonly votes: readonly Vote[];
  readonly headers: readonly {
    readonly name: string;
    readonly header: string;
    readonly digest: string;
    readonly block: string;
  }[];
  readonly certificates: readonly {
    readonly kind: string;
    readonly view: number;
    readonly voters: readonly number[];
    readonly hex: string;
  }[];
  readonly messages: readonly {
    readonly name: string;
    readonly type: string;
    readonly hex: string;
  }[];
};

const file = new URL("./consensus-v1.json", import.meta.url);
const vectors: Vectors = JSON.parse(readFileSync(file, "utf8"));
const bytes = (hex: string) => present(fromHex(hex), "hexadecimal");
const digest = (hex: string): Digest => unwrap(parseDigest(bytes(hex)));
const channel = digest(vectors.channel);
const validators = new ValidatorSet(
  1,
  vectors.validators.map(({ name, publicKey }) => ({
    name: mint<Identifier>(name),
    organisation: mint<Identifier>("any"),
    publicKey: bytes(publicKey),
  })),
);
const ports: readonly (readonly [string, CryptoPort])[] = [
  ["@noble", nobleCrypto],
  ["node:crypto", nodeCrypto],
];

function ballotOf({ kind, view, parentView = 0, digest: hex = "" }: Vote): Ballot {
  return kind === "nullify" ? { kind, view } : { kind, view, parentView, digest: digest(hex) };
}

describe.each(ports)("version 1 by %s", (_name, crypto) => {
  test.each(vectors.votes)("bytes and signature of $kind $view", (vote) => {
    const signed = voteBytes({ channel, epoch: vote.epoch }, ballotOf(vote));
    expect(toHex(signed)).toBe(vote.bytes);
    const key = validators.keyOf(vote.voter);
    expect(crypto.verify(key, signed, bytes(vote.signature))).toBe(true);
    signed[0] = (signed[0] ?? 0) ^ 1;
    expect(crypto.verify(key, signed, bytes(vote.signature))).toBe(false);
  });

  test.each(vectors.headers)("header, digest and body of the $name block", (vector) => {
    const header = unwrap(parseHeader(bytes(vector.header)));
    expect(toHex(encodeHeader(header))).toBe(vector.header);
    expect(toHex(headerDigest(crypto, header))).toBe(vector.digest);
    const block = unwrap(parseBlock(bytes(vector.block), messageBytesMax));
    expect(block.header).toEqual(header);
    expect(toHex(encodeBlock(block))).toBe(vector.block);
  });

  test.each(vectors.certificates)("certificate of $kind $view", ({ kind, view, voters, hex }) => {
    const certificate = unwrap(parseCertificateBytes(bytes(hex)));
    expect([certificate.ballot.kind, certificate.ballot.view]).toEqual([kind, view]);
    expect(certificate.voters).toEqual(voters);
    expect(toHex(encodeCertificate(certificate))).toBe(hex);
    expect(verifyCertificate(crypto, { channel, validators }, certificate).ok).toBe(true);
  });
});

test.each(vectors.messages)("message: $name", ({ type, hex }) => {
  const message = unwrap(parseMessage(bytes(hex)));
  expect(message.type).toBe(type);
  expect(toHex(encodeMessage(message))).toBe(hex);
});

test("every kind of vote and every type of message is pinned", () => {
  expect(new Set(vectors.votes.map(({ kind }) => kind))).toEqual(new Set(Object.keys(voteKinds)));
  // The type is the second item of a message's array.
  const numbers = vectors.messages.map(({ hex }) => bytes(hex)[2] ?? 0);
  expect([...new Set(numbers)].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 14 }, (_, at) => at + 1),
  );
});
