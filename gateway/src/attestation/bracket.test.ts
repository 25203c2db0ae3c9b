/** Brackets: what lies in them, and every reason why two quotes make none. */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { expect, test } from "vitest";
import { claims, clockInfo } from "../../../test/support/attestation-samples.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { name } from "../../../test/support/wire-samples.ts";
import type { AppraisedQuote } from "./bracket.ts";
import { bracket, liesWithin } from "./bracket.ts";

const digestOf = (text: string) => nodeCrypto.sha256(utf8(text));
const earlier: AppraisedQuote = {
  device: claims.device,
  attestationKey: digestOf("key"),
  attest: digestOf("first"),
  clockInfo,
  pcrDigest: digestOf("pcrs"),
  streams: claims.streams,
};
const [p1, tags] = claims.streams;
if (p1 === undefined || tags === undefined) throw new Error("two streams");
const begun = { stream: name("new"), incarnation: new Uint8Array(16).fill(9), next: 5n };
const later: AppraisedQuote = {
  ...earlier,
  attest: digestOf("second"),
  clockInfo: { ...clockInfo, clock: clockInfo.clock + 1n },
  streams: [{ ...p1, next: 50n, last: digestOf("newest") }, tags, begun],
};

test("says which sequences lie between the heads, streams that began in between included", () => {
  const { incarnation } = p1;
  expect(unwrap(bracket(earlier, later))).toEqual([
    { stream: "p1", incarnation, from: 42n, to: 50n, last: digestOf("newest") },
    { stream: "new", incarnation: begun.incarnation, from: 0n, to: 5n },
  ]);
});

test("a statement lies within as a whole or not at all, and only in its own incarnation", () => {
  const streams = unwrap(bracket(earlier, later));
  const of = (first: bigint, count: number, incarnation = p1.incarnation) =>
    liesWithin(streams, { stream: "p1", incarnation, first, count });
  expect(of(42n, 8)).toBe(true);
  expect(of(41n, 2)).toBe(false);
  expect(of(49n, 2)).toBe(false);
  expect(of(42n, 1, new Uint8Array(16))).toBe(false);
  expect(liesWithin(streams, { ...begun, first: 0n, count: 5 })).toBe(true);
});

test.each([
  ["BRACKET_OTHER_DEVICE", { device: "another" }],
  ["BRACKET_OTHER_KEY", { attestationKey: digestOf("another key") }],
  ["BRACKET_RESET", { clockInfo: { ...clockInfo, clock: 9_000n, resetCount: 4 } }],
  ["BRACKET_RESTARTED", { clockInfo: { ...clockInfo, clock: 9_000n, restartCount: 1 } }],
  ["BRACKET_CLOCK_UNSAFE", { clockInfo: { ...clockInfo, clock: 9_000n, safe: false } }],
  ["BRACKET_CLOCK_WENT_BACK", { clockInfo: { ...clockInfo, clock: 1n } }],
  ["BRACKET_PCRS_CHANGED", { pcrDigest: digestOf("another boot") }],
  ["BRACKET_STREAM_WENT_BACK", { streams: [{ ...p1, next: 41n }] }],
] as const)("%s", (code, change) => {
  expect(bracket(earlier, { ...later, ...change })).toMatchObject({ ok: false, fault: { code } });
});
