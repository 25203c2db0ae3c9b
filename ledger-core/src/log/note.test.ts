/** Tests of signed notes: published ones, tampered ones, and every bound. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/c2sp-note.json" with { type: "json" };
import { InvariantError } from "../base/assert.ts";
import { concat, fromUtf8, toBase64, utf8 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { noteBytesMax, noteSignaturesMax } from "./limits.ts";
import type { SignedNote } from "./note.ts";
import { encodeNote, encodeSignatureLine, noteSignature, parseNote, verifyNote } from "./note.ts";
import type { VerifierKey } from "./verifier-key.ts";
import { parseVerifierKey } from "./verifier-key.ts";

type LogKey = VerifierKey & { readonly type: "ed25519" };

function logKey(text: string): LogKey {
  const parsed = parseVerifierKey(nobleCrypto, text);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  const { type, name, publicKey } = parsed.value;
  if (type !== "ed25519") throw new Error("not a log's key");
  return { type, name, publicKey };
}

function note(text: string): SignedNote {
  const parsed = parseNote(utf8(text));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value;
}

const line = (name: string, length = 5) =>
  `\u2014 ${name} ${toBase64(new Uint8Array(length).fill(7))}\n`;

describe("verifyNote", () => {
  it.each(vectors.published)("verifies the published note of $verifierKey", (published) => {
    const key = logKey(published.verifierKey);
    const [text] = published.note.split("\n\n");
    expect(verifyNote(nobleCrypto, key, note(published.note))).toEqual({
      ok: true,
      value: `${text}\n`,
    });
    expect(fromUtf8(encodeNote(note(published.note)))).toBe(published.note);
  });

  it("refuses a note with any bit of its text or signature flipped", () => {
    const { note: published, verifierKey } = vectors.published[0] ?? { note: "", verifierKey: "" };
    const key = logKey(verifierKey);
    const bytes = utf8(published);
    const signed = note(published);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const tampered = bytes.slice();
      tampered[bit >> 3] = (tampered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const parsed = parseNote(tampered);
      expect(parsed.ok && verifyNote(nobleCrypto, key, parsed.value).ok).toBe(false);
    }
    expect(verifyNote(nobleCrypto, key, { ...signed, text: "Another message.\n" })).toEqual({
      ok: false,
      fault: { code: "NOTE_SIGNATURE_INVALID" },
    });
  });

  it("passes over other keys' lines, and wants exactly one of its own", () => {
    const { checkpoint } = vectors;
    const key = logKey(checkpoint.logVerifierKey);
    const judge = (lines: string) =>
      verifyNote(nobleCrypto, key, note(`${checkpoint.text}\n${lines}`));
    const stranger = line("stranger.example");
    const sameName = line(key.name);
    expect(judge(stranger + sameName + checkpoint.logLine + checkpoint.witnessLine).ok).toBe(true);
    expect(judge(stranger + sameName)).toMatchObject({ fault: { code: "NOTE_SIGNATURE_MISSING" } });
    expect(judge(checkpoint.logLine + checkpoint.logLine)).toMatchObject({
      fault: { code: "NOTE_SIGNATURE_REPEATED" },
    });
  });

  it("wraps a signature as another implementation does", () => {
    const { checkpoint } = vectors;
    const key = logKey(checkpoint.logVerifierKey);
    const [signed] = note(`${checkpoint.text}\n${checkpoint.logLine}`).signatures;
    const bytes = signed?.signature ?? new Uint8Array(0);
    expect(encodeSignatureLine(noteSignature(nobleCrypto, key, bytes))).toBe(checkpoint.logLine);
    expect(() => noteSignature(nobleCrypto, key, bytes.subarray(1))).toThrow(InvariantError);
  });
});

describe("parseNote", () => {
  it("gives back what encodeNote wrote, blank lines in the text included", () => {
    const text = fc
      .array(fc.constantFrom("", "a", "\u2014 b AAAAAAAA", "\u00e8 subito sera."), { minLength: 1 })
      .map((lines) => lines.map((content) => `${content}\n`).join(""));
    const signature = fc.record({
      name: fc.constantFrom("a", "example.com/\u00fc", "x-1"),
      keyId: fc.nat(0xffff_ffff),
      signature: fc.uint8Array({ minLength: 1, maxLength: 80 }),
    });
    const signatures = fc.array(signature, { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(text, signatures, (content, lines) => {
        const original = { text: content, signatures: lines };
        expect(parseNote(encodeNote(original))).toEqual({ ok: true, value: original });
      }),
    );
  });

  it("throws nothing on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof parseNote(bytes).ok).toBe("boolean");
        expect(typeof parseNote(concat(utf8("a\n\n\u2014 "), bytes)).ok).toBe("boolean");
      }),
    );
  });

  it.each([
    ["", "NOTE_UNSIGNED"],
    ["text\n", "NOTE_UNSIGNED"],
    ["text\n\n", "NOTE_UNSIGNED"],
    [`text\n${line("a")}`, "NOTE_UNSIGNED"],
    [`text\n\n${line("a")}`.trimEnd(), "NOTE_UNSIGNED"],
    [`text\r\n\n${line("a")}`, "NOTE_CONTROL_CHARACTER"],
    [`te\u0000xt\n\n${line("a")}`, "NOTE_CONTROL_CHARACTER"],
    [`text\n\n${line("a")}more\n`, "NOTE_SIGNATURE_MALFORMED"],
    ["text\n\n- a BwcHBwc=\n", "NOTE_SIGNATURE_MALFORMED"],
    ["text\n\n\u2014 a\n", "NOTE_SIGNATURE_MALFORMED"],
    ["text\n\n\u2014  BwcHBwc=\n", "NOTE_SIGNATURE_MALFORMED"],
    [`text\n\n${line("a+b")}`, "NOTE_SIGNATURE_MALFORMED"],
    [`text\n\n${line("a\u00a0b")}`, "NOTE_SIGNATURE_MALFORMED"],
    [`text\n\n${line("a\u2003b")}`, "NOTE_SIGNATURE_MALFORMED"],
    [`text\n\n${line("a", 4)}`, "NOTE_SIGNATURE_MALFORMED"],
    ["text\n\n\u2014 a BwcHBwd=\n", "NOTE_SIGNATURE_MALFORMED"],
    ["text\n\n\u2014 a BwcHBwc\n", "NOTE_SIGNATURE_MALFORMED"],
    ["text\n\n\u2014 a BwcHBwc= \n", "NOTE_SIGNATURE_MALFORMED"],
  ])("refuses %j", (text, code) => {
    expect(parseNote(utf8(text))).toMatchObject({ ok: false, fault: { code } });
  });

  it("refuses what is not UTF-8", () => {
    const bytes = concat(utf8("te"), Uint8Array.of(0xff), utf8(`xt\n\n${line("a")}`));
    expect(parseNote(bytes)).toEqual({ ok: false, fault: { code: "NOTE_NOT_UTF8" } });
  });

  it("takes as many bytes and signatures as its limits, and not one more", () => {
    const lines = line("a").repeat(noteSignaturesMax);
    expect(parseNote(utf8(`text\n\n${lines}`)).ok).toBe(true);
    expect(parseNote(utf8(`text\n\n${lines}${line("a")}`))).toEqual({
      ok: false,
      fault: { code: "NOTE_TOO_MANY_SIGNATURES", limit: noteSignaturesMax },
    });
    const rest = utf8(`\n\n${line("a")}`);
    const fill = (length: number) => concat(new Uint8Array(length - rest.length).fill(97), rest);
    expect(parseNote(fill(noteBytesMax)).ok).toBe(true);
    expect(parseNote(fill(noteBytesMax + 1))).toEqual({
      ok: false,
      fault: { code: "NOTE_TOO_LONG", limit: noteBytesMax },
    });
  });

  it("is not fed by encodeNote with what it would refuse", () => {
    const signature = { name: "a", keyId: 1, signature: Uint8Array.of(1) };
    for (const bad of [
      { text: "no newline", signatures: [signature] },
      { text: "tab\t\n", signatures: [signature] },
      { text: "text\n", signatures: [] },
      { text: "text\n", signatures: [{ ...signature, name: "a b" }] },
      { text: "text\n", signatures: [{ ...signature, signature: new Uint8Array(0) }] },
      { text: `${"a".repeat(noteBytesMax)}\n`, signatures: [signature] },
      {
        text: "text\n",
        signatures: Array.from({ length: noteSignaturesMax + 1 }, () => signature),
      },
    ])
      expect(() => encodeNote(bad)).toThrow(InvariantError);
  });
});
