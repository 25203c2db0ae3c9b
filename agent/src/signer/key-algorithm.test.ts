import { describe, expect, it } from "vitest";
import { parseKeyAlgorithm } from "./key-algorithm.ts";

describe("parseKeyAlgorithm", () => {
  it.each([
    ["es256", "ES256"],
    ["EdDSA", "EdDSA"],
    ["ps256", "PS256"],
    ["sm2-sm3", "SM2-SM3"],
    ["SM2", "SM2-SM3"],
  ])("takes %s", (name, algorithm) => {
    expect(parseKeyAlgorithm(name)).toEqual({ ok: true, value: algorithm });
  });

  it.each([
    ["des", "DES"],
    ["3des", "DES"],
    ["sha1", "SHA-1"],
    ["sha-1-rsa", "SHA-1"],
    ["rsa1024", "2048"],
    ["rs256", "PSS"],
    ["secp256k1", "secp256k1"],
    ["es256k", "secp256k1"],
    ["p-384", "P-256, Ed25519 and SM2"],
    ["ed448", "P-256, Ed25519 and SM2"],
    ["", "not known"],
  ])("refuses %j, and says why", (name, word) => {
    const fault = { code: "KEY_ALGORITHM_REFUSED", name, reason: expect.stringContaining(word) };
    expect(parseKeyAlgorithm(name)).toEqual({ ok: false, fault });
  });
});
