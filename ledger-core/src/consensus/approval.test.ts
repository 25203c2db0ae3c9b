import { describe, expect, test } from "vitest";
import { mint } from "../base/brand.ts";
import { toHex, utf8 } from "../base/bytes.ts";
import type { Identifier } from "../base/identifier.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { approvalBytes, approvalsNeeded } from "./approval.ts";

const id = (text: string) => mint<Identifier>(text);
const channel = nobleCrypto.sha256(utf8("channel"));
const entry = (n: number) => ({
  name: id(`v${n}`),
  organisation: id(`o${n}`),
  publicKey: new Uint8Array(32).fill(n),
});

describe("approvals", () => {
  test("are over label, channel, epoch and the set, byte by byte", () => {
    const bytes = approvalBytes(nobleCrypto, channel, { epoch: 2, validators: [entry(1)] });
    const set = Uint8Array.of(0x81, 0x83, 0x62, 0x76, 0x31, 0x62, 0x6f, 0x31, 0x58, 32);
    const key = new Uint8Array(32).fill(1);
    const digest = nobleCrypto.sha256(Uint8Array.of(...set, ...key));
    expect(toHex(bytes)).toBe(
      `${toHex(utf8("tamga/ready/1"))}${toHex(channel)}0000000000000002${toHex(digest)}`,
    );
    expect(bytes).toHaveLength(85);
  });

  test("change with the epoch, the channel, each member and their order", () => {
    const of = (epoch: number, validators = [entry(1), entry(2)], of = channel) =>
      toHex(approvalBytes(nobleCrypto, of, { epoch, validators }));
    const others = [
      of(2),
      of(1, [entry(2), entry(1)]),
      of(1, [entry(1)]),
      of(1, [entry(1), { ...entry(2), organisation: id("o3") }]),
      of(1, undefined, nobleCrypto.sha256(utf8("other"))),
    ];
    expect(new Set([of(1), ...others]).size).toBe(6);
  });

  test("are needed of all but those that may lie", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 10, 16].map(approvalsNeeded)).toEqual([
      1, 2, 3, 3, 4, 5, 5, 7, 11,
    ]);
  });
});
