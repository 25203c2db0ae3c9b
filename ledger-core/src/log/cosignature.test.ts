/** Tests of cosignatures against another implementation's bytes, and of every refusal. */

import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/c2sp-note.json" with { type: "json" };
import { InvariantError, present } from "../base/assert.ts";
import { concat, fromHex, fromUtf8, u64, utf8 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import {
  cosignature,
  cosignatureMessage,
  encodeCosignatureLine,
  verifyCosignature,
} from "./cosignature.ts";
import { cosignatureTimeSecondsMax } from "./limits.ts";
import type { SignedNote } from "./note.ts";
import { parseNote } from "./note.ts";
import { parseVerifierKey } from "./verifier-key.ts";

const { text, timeSeconds, witnessLine, logLine, witnessSecret, witnessVerifierKey } =
  vectors.checkpoint;
const secret = present(fromHex(witnessSecret), "hex");

function witness() {
  const parsed = parseVerifierKey(nobleCrypto, witnessVerifierKey);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return { name: parsed.value.name, publicKey: parsed.value.publicKey };
}

function note(lines: string): SignedNote {
  const parsed = parseNote(utf8(`${text}\n${lines}`));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value;
}

function signedAt(time: number) {
  const signature = ed25519.sign(cosignatureMessage(text, time), secret);
  return cosignature(nobleCrypto, witness(), { timeSeconds: time, signature });
}

describe("cosignature", () => {
  it("signs the bytes that the specification shows", () => {
    expect(fromUtf8(cosignatureMessage(text, 1_679_315_147))).toBe(
      "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n" +
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
    );
  });

  it("writes the line that another implementation writes", () => {
    const signature = ed25519.sign(cosignatureMessage(text, timeSeconds), secret);
    const signed = { timeSeconds, signature };
    expect(encodeCosignatureLine(nobleCrypto, witness(), signed)).toBe(witnessLine);
  });

  it("verifies beside the log's signature and gives its time", () => {
    const verified = verifyCosignature(nobleCrypto, witness(), note(logLine + witnessLine));
    expect(verified).toEqual({ ok: true, value: { name: witness().name, timeSeconds, text } });
  });

  it("fails with any bit of time or signature flipped, or another text", () => {
    const [line] = note(witnessLine).signatures;
    const good = present(line, "line");
    for (let bit = 0; bit < 8 * good.signature.length; bit++) {
      const signature = good.signature.slice();
      signature[bit >> 3] = (signature[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const signatures = [{ ...good, signature }];
      expect(verifyCosignature(nobleCrypto, witness(), { text, signatures }).ok).toBe(false);
    }
    const other = { text: text.replace("20852163", "20852164"), signatures: [good] };
    expect(verifyCosignature(nobleCrypto, witness(), other)).toEqual({
      ok: false,
      fault: { code: "COSIGNATURE_INVALID" },
    });
  });

  it("names what is missing, repeated, cut or out of time", () => {
    const code = (lines: SignedNote["signatures"]) => {
      const judged = verifyCosignature(nobleCrypto, witness(), { text, signatures: lines });
      return judged.ok ? "ok" : judged.fault.code;
    };
    const good = signedAt(timeSeconds);
    expect(code([good])).toBe("ok");
    expect(code(note(logLine).signatures)).toBe("COSIGNATURE_MISSING");
    expect(code([{ ...good, name: "other.example" }])).toBe("COSIGNATURE_MISSING");
    expect(code([good, signedAt(timeSeconds + 1)])).toBe("COSIGNATURE_REPEATED");
    expect(code([{ ...good, signature: good.signature.subarray(1) }])).toBe(
      "COSIGNATURE_BAD_LENGTH",
    );
    expect(code([signedAt(0)])).toBe("ok");
    expect(code([signedAt(cosignatureTimeSecondsMax)])).toBe("ok");
    for (const time of [BigInt(cosignatureTimeSecondsMax) + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const signature = concat(u64(time), good.signature.subarray(8));
      expect(code([{ ...good, signature }])).toBe("COSIGNATURE_TIME_OUT_OF_RANGE");
    }
  });

  it("does not take a log's key for a witness's, even the same key of the same name", () => {
    const signature = ed25519.sign(utf8(text), secret);
    const asLog = { ...signedAt(timeSeconds), signature };
    expect(verifyCosignature(nobleCrypto, witness(), { text, signatures: [asLog] })).toEqual({
      ok: false,
      fault: { code: "COSIGNATURE_BAD_LENGTH" },
    });
    const typed = { ...witness(), type: "ed25519" };
    expect(verifyCosignature(nobleCrypto, typed, note(witnessLine)).ok).toBe(true);
  });

  it("is not made with a time or signature that would be refused", () => {
    for (const time of [-1, 0.5, Number.NaN, cosignatureTimeSecondsMax + 1])
      expect(() => cosignatureMessage(text, time)).toThrow(InvariantError);
    expect(() => cosignatureMessage("no newline", 1)).toThrow(InvariantError);
    const short = { timeSeconds, signature: new Uint8Array(63) };
    expect(() => cosignature(nobleCrypto, witness(), short)).toThrow(InvariantError);
  });
});
