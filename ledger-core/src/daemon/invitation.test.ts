/** One-time codes of enrolment: their digits, and proofs that are pinned against another implementation. */

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "../base/bytes.ts";
import {
  isInvitationProven,
  newInvitationCode,
  parseInvitationProof,
  proveInvitation,
  readInvitationCode,
} from "./invitation.ts";

const code = "01234-56789-ABCDE-FGHJK";
const read = (text: string) => {
  const found = readInvitationCode(text);
  if (!found.ok) throw new Error(found.fault.code);
  return found.value;
};

describe("a one-time code", () => {
  it("is read as people type it, and nothing else is", () => {
    const same = [
      code,
      "0123456789abcdefghjk",
      " O1234 56789 abcde fghjk\n",
      "oI234-56789-ABCDE-FGHJK",
    ];
    for (const text of same) expect(read(text)).toEqual(read(code));
    for (const text of [
      "",
      code.slice(1),
      `${code}0`,
      code.replace("A", "U"),
      code.replace("A", "é"),
    ])
      expect(readInvitationCode(text)).toMatchObject({ fault: { code: "INVITATION_MALFORMED" } });
  });

  it("has 100 bits of what it was made from", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const made = newInvitationCode(new Uint8Array(randomBytes(20)));
      expect(made).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/);
      for (const digit of made) seen.add(digit);
    }
    expect(seen.size).toBe(33);
  });

  it("proves as WIRE says, by openssl's reckoning too", () => {
    const hash = (input: Uint8Array) =>
      execFileSync("openssl", ["dgst", "-sha256", "-binary"], { input });
    const key = hash(utf8("tamga/invitation/10123456789ABCDEFGHJK"));
    const id = hash(Buffer.concat([utf8("tamga/invitation/1 id"), key])).subarray(0, 8);
    const options = [
      "dgst",
      "-sha256",
      "-mac",
      "HMAC",
      "-macopt",
      `hexkey:${key.toString("hex")}`,
      "-binary",
    ];
    const input = Buffer.concat([utf8("tamga/invitation/1 request"), hash(utf8("{}"))]);
    const proof = execFileSync("openssl", options, { input });
    expect(toHex(read(code).key)).toBe(key.toString("hex"));
    expect(proveInvitation(read(code), "request", "{}")).toBe(
      `${id.toString("hex")}.${proof.toString("hex")}`,
    );
  });

  it("proves one text for one purpose under one code", () => {
    const invitation = read(code);
    const parsed = parseInvitationProof(proveInvitation(invitation, "request", "asked"));
    if (parsed === undefined) throw new Error("a proof");
    const holds = (key: Uint8Array, purpose: "request" | "answer", text: string) =>
      isInvitationProven(key, parsed.proof, { purpose, text });
    expect(holds(invitation.key, "request", "asked")).toBe(true);
    expect(holds(invitation.key, "answer", "asked")).toBe(false);
    expect(holds(invitation.key, "request", "asked ")).toBe(false);
    expect(holds(read(code.replace("K", "M")).key, "request", "asked")).toBe(false);
  });

  it("is not parsed out of anything else", () => {
    const good = proveInvitation(read(code), "answer", "");
    for (const text of [
      "",
      ".",
      good.slice(1),
      good.slice(0, -2),
      `${good}.00`,
      good.replace(".", ""),
      "x".repeat(81),
    ])
      expect(parseInvitationProof(text)).toBeUndefined();
  });
});
