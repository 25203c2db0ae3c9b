import { describe, expect, test } from "vitest";
import {
  channel,
  digestOf,
  finalize,
  notarize,
  nullify,
} from "../../../test/support/consensus-fixture.ts";
import { toHex, utf8 } from "../base/bytes.ts";
import { voteBytes } from "./vote.ts";

const label = toHex(utf8("tamga/simplex/1"));
const digest = digestOf("block");
const hexOf = (kind: string) => `${label}${kind}${toHex(channel)}`;

describe("voteBytes", () => {
  test("a NULLIFY is label, kind, channel, epoch and view: 64 bytes", () => {
    const bytes = voteBytes({ channel, epoch: 2 }, nullify(258));
    expect(bytes).toHaveLength(64);
    expect(toHex(bytes)).toBe(`${hexOf("02")}${"00".repeat(7)}02${"00".repeat(6)}0102`);
  });

  test.each([
    ["01", notarize(7, digest, 5)],
    ["03", finalize(7, digest, 5)],
  ] as const)("kind %s adds the parent's view and the digest: 104 bytes", (kind, ballot) => {
    const bytes = voteBytes({ channel, epoch: 0 }, ballot);
    expect(bytes).toHaveLength(104);
    const views = `${"00".repeat(8)}${"00".repeat(7)}07${"00".repeat(7)}05`;
    expect(toHex(bytes)).toBe(`${hexOf(kind)}${views}${toHex(digest)}`);
  });

  test("differ in each of kind, channel, epoch, view, parent and digest", () => {
    const domain = { channel, epoch: 1 };
    const all = [
      voteBytes(domain, notarize(7, digest, 5)),
      voteBytes(domain, finalize(7, digest, 5)),
      voteBytes(domain, nullify(7)),
      voteBytes(domain, notarize(8, digest, 5)),
      voteBytes(domain, notarize(7, digest, 4)),
      voteBytes(domain, notarize(7, digestOf("other"), 5)),
      voteBytes({ ...domain, epoch: 0 }, notarize(7, digest, 5)),
      voteBytes({ ...domain, channel: digest }, notarize(7, digest, 5)),
    ].map(toHex);
    expect(new Set(all).size).toBe(all.length);
  });

  test("view and epoch 0 exist", () => {
    expect(toHex(voteBytes({ channel, epoch: 0 }, nullify(0)))).toBe(
      `${hexOf("02")}${"00".repeat(16)}`,
    );
  });
});
