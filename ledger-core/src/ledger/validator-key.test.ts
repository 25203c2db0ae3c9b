/** The validator's key file: made once, kept private, refused when it is not. */

import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { validatorKeyBytesMax } from "./limits.ts";
import { loadOrCreateValidatorKey, loadValidatorKey } from "./validator-key.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-validator-"));
  path = join(directory, "validator.key");
});
afterEach(() => rmSync(directory, { recursive: true }));

const code = (value: string) => expect.objectContaining({ code: value });

describe("a validator's key", () => {
  it("is made for its owner alone, and is the same from then on", () => {
    const made = loadOrCreateValidatorKey(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(loadOrCreateValidatorKey(path).publicKey).toEqual(made.publicKey);
    expect(loadValidatorKey(path).publicKey).toEqual(made.publicKey);
  });

  it("signs the same bytes each time, and they verify", () => {
    const { publicKey, sign } = loadOrCreateValidatorKey(path);
    const signature = sign(utf8("text"));
    expect(sign(utf8("text"))).toEqual(signature);
    const key = { algorithm: "EdDSA", point: publicKey } as const;
    expect(nodeCrypto.verify(key, utf8("text"), signature)).toBe(true);
  });

  it("is refused when others may read it, when it is no such key, and when it is not there", () => {
    expect(() => loadValidatorKey(path)).toThrow(code("SECRET_MISSING"));
    loadOrCreateValidatorKey(path);
    chmodSync(path, 0o640);
    expect(() => loadValidatorKey(path)).toThrow(code("SECRET_EXPOSED"));
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    const wrong = [
      privateKey.export({ type: "pkcs8", format: "pem" }),
      "nonsense",
      "",
      "x".repeat(validatorKeyBytesMax + 1),
    ];
    for (const content of wrong) {
      writeFileSync(path, content);
      chmodSync(path, 0o600);
      expect(() => loadOrCreateValidatorKey(path)).toThrow(code("SECRET_INVALID"));
    }
  });
});
