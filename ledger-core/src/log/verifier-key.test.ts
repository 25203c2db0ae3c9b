/** Tests of verifier keys: published ones in both directions, and what is refused. */

import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/c2sp-note.json" with { type: "json" };
import { toBase64 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { keyNameLengthMax, verifierKeyLengthMax } from "./limits.ts";
import { encodeVerifierKey, isKeyName, keyIdOf, parseVerifierKey } from "./verifier-key.ts";

const { logVerifierKey, witnessVerifierKey } = vectors.checkpoint;
const base64 = (type: number, length: number) => {
  const bytes = new Uint8Array(1 + length);
  bytes[0] = type;
  return toBase64(bytes);
};

describe("verifier keys", () => {
  it("come back as they went", () => {
    for (const text of [
      ...vectors.published.map((published) => published.verifierKey),
      logVerifierKey,
      witnessVerifierKey,
    ]) {
      const parsed = parseVerifierKey(nobleCrypto, text);
      expect(parsed.ok && encodeVerifierKey(nobleCrypto, parsed.value)).toBe(text);
    }
  });

  it("of ML-DSA-44 come back as they went, also with the longest name", () => {
    const publicKey = new Uint8Array(1_312).fill(9);
    const key = {
      type: "cosignature-ml-dsa-44",
      name: "a".repeat(keyNameLengthMax),
      publicKey,
    } as const;
    const text = encodeVerifierKey(nobleCrypto, key);
    expect(parseVerifierKey(nobleCrypto, text)).toEqual({ ok: true, value: key });
    expect(text.length).toBeLessThanOrEqual(verifierKeyLengthMax);
  });

  it("have another id for another type or name", () => {
    const publicKey = new Uint8Array(32);
    const ids = [
      keyIdOf(nobleCrypto, { type: "ed25519", name: "a", publicKey }),
      keyIdOf(nobleCrypto, { type: "cosignature-v1", name: "a", publicKey }),
      keyIdOf(nobleCrypto, { type: "ed25519", name: "b", publicKey }),
    ];
    expect(new Set(ids).size).toBe(3);
  });

  it.each([
    ["", "VERIFIER_KEY_MALFORMED"],
    ["a+b", "VERIFIER_KEY_MALFORMED"],
    [logVerifierKey.replace("+", "++"), "VERIFIER_KEY_MALFORMED"],
    [` ${logVerifierKey}`, "VERIFIER_KEY_MALFORMED"],
    [`${logVerifierKey}\n`, "VERIFIER_KEY_MALFORMED"],
    [logVerifierKey.slice(0, -1), "VERIFIER_KEY_MALFORMED"],
    [`a+00000000+${base64(1, 31)}`, "VERIFIER_KEY_MALFORMED"],
    [`a+00000000+${base64(1, 33)}`, "VERIFIER_KEY_MALFORMED"],
    [`a+00000000+${base64(1, 32)}`, "VERIFIER_KEY_ID_MISMATCH"],
    [
      `other.example${logVerifierKey.slice(logVerifierKey.indexOf("+"))}`,
      "VERIFIER_KEY_ID_MISMATCH",
    ],
    [`a+00000000+${base64(2, 91)}`, "VERIFIER_KEY_UNKNOWN_TYPE"],
    [`a+00000000+${base64(6, 1_312)}`, "VERIFIER_KEY_ID_MISMATCH"],
    [`a+00000000+${base64(6, 32)}`, "VERIFIER_KEY_MALFORMED"],
    [`a+00000000+${base64(5, 91)}`, "VERIFIER_KEY_UNKNOWN_TYPE"],
  ])("refuse %j", (text, code) => {
    expect(parseVerifierKey(nobleCrypto, text)).toMatchObject({ ok: false, fault: { code } });
  });

  it("are bounded in length", () => {
    const fill = (length: number) => "a".repeat(length);
    expect(parseVerifierKey(nobleCrypto, fill(verifierKeyLengthMax))).toMatchObject({
      fault: { code: "VERIFIER_KEY_MALFORMED" },
    });
    expect(parseVerifierKey(nobleCrypto, fill(verifierKeyLengthMax + 1))).toEqual({
      ok: false,
      fault: { code: "VERIFIER_KEY_TOO_LONG", limit: verifierKeyLengthMax },
    });
    expect(isKeyName(fill(keyNameLengthMax))).toBe(true);
    expect(isKeyName(fill(keyNameLengthMax + 1))).toBe(false);
  });

  it("have names without spaces, control characters and plus", () => {
    for (const name of ["", "a b", "a+b", "a\tb", "a\nb", "a\u0085b", "a\u2028b", "a\u3000b"])
      expect(isKeyName(name)).toBe(false);
    expect(isKeyName("example.com/\u9418")).toBe(true);
  });
});
