/** SM2 in PKCS#11 tokens: what a real one without SM2 says, and what a fake of one with it is asked. */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import type { FakeSm2Options } from "../../../test/support/fake-sm2-token.ts";
import { FakeSm2Token } from "../../../test/support/fake-sm2-token.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { openSigner } from "./open-signer.ts";
import { Pkcs11Modules } from "./pkcs11-module.ts";

const { signal } = new AbortController();
const message = utf8("1-0:1.8.0*255(005430.157*kWh)");
const ckm = { ecdsa: "0x1041", ecKeyPair: "0x1040" } as const;

describe.runIf(requirePart("softhsm2"))("SM2 through a PKCS#11 module", () => {
  let hsm: SoftHsm;
  beforeEach(() => {
    hsm = createSoftHsm();
    hsm.addToken("site");
  });
  afterEach(() => hsm.remove());

  const uri = (...attributes: readonly string[]) => {
    const query = attributes.map((attribute) => `&x-sm2-${attribute}`).join("");
    return hsm.keyUri("site", "meter", `&pin-source=file:${hsm.pinFile}${query}`);
  };
  const open = (of: string, modules = new Pkcs11Modules(), create = true) =>
    openSigner({ uri: of, profile: "production", create, algorithm: "SM2-SM3", modules });

  describe("of SoftHSM2, which has the curve and no SM2", () => {
    it("needs the maker's numbers, and says so", async () => {
      await expect(open(uri())).rejects.toMatchObject({
        code: "KEY_UNSUPPORTED",
        message: expect.stringContaining("x-sm2-mechanism"),
      });
      await expect(open(uri("mechanism=0x80000101"))).rejects.toMatchObject({
        code: "KEY_UNSUPPORTED",
        message: expect.stringContaining("x-sm2-key-generation"),
      });
    });

    it("finds out a mechanism that is plain ECDSA on the SM2 curve", async () => {
      const named = uri(`mechanism=${ckm.ecdsa}`, `key-generation=${ckm.ecKeyPair}`);
      await expect(open(named)).rejects.toMatchObject({
        code: "KEY_SELF_TEST_FAILED",
        message: expect.stringContaining("x-sm2-input"),
      });
    });

    it("knows a key of that curve, and that its URI names no mechanism", async () => {
      const named = uri(`mechanism=${ckm.ecdsa}`, `key-generation=${ckm.ecKeyPair}`);
      await expect(open(named)).rejects.toMatchObject({ code: "KEY_SELF_TEST_FAILED" });
      await expect(open(uri(), new Pkcs11Modules(), false)).rejects.toMatchObject({
        code: "KEY_UNSUPPORTED",
        message: expect.stringContaining("an SM2 key, for which the key URI names no mechanism"),
      });
    });

    it("passes a number of the maker's range on, and says which one the token has not", async () => {
      const wrong = uri("mechanism=0x80000101", `key-generation=${ckm.ecKeyPair}`);
      await expect(open(wrong)).rejects.toMatchObject({
        code: "KEY_UNSUPPORTED",
        message: expect.stringContaining("0x80000101"),
      });
      const unmade = uri("mechanism=0x80000101", "key-generation=0x80000100");
      await expect(open(unmade.replace("meter", "other"))).rejects.toMatchObject({
        code: "KEY_UNSUPPORTED",
      });
    });
  });

  describe("of a fake one, on SoftHSM2", () => {
    const numbers = { mechanism: 0x8000_0101, keyGeneration: 0x8000_0100 };
    const named = ["mechanism=0x80000101", "key-generation=2147483904"];
    const fake = (options: Partial<FakeSm2Options> = {}) => {
      const token = new FakeSm2Token({ ...numbers, input: "digest", ...options });
      return { token, modules: new Pkcs11Modules(token.load) };
    };

    it.each([
      ["digest", []],
      ["digest", ["input=digest"]],
      ["message", ["input=message"]],
    ] as const)("signs where the token wants the %s", async (input, more) => {
      const { token, modules } = fake({ input });
      const signer = await open(uri(...named, ...more), modules);
      expect(signer).toMatchObject({ algorithm: "SM2-SM3", keyKind: "pkcs11" });
      const signature = await signer.sign(message, { signal });
      expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);
      expect(token.inputs.at(-1)).toBe(input === "digest" ? 32 : message.length);
      const before = signer.publicKey();
      await signer.close();
      const again = await open(uri(...named, ...more), modules, false);
      expect(again.publicKey()).toEqual(before);
      await again.close();
    });

    it("asks for keys of the maker's own type", async () => {
      const { modules } = fake({ keyType: 0x8000_0102 });
      const signer = await open(uri(...named, "key-type=0x80000102"), modules);
      const signature = await signer.sign(message, { signal });
      expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);
      await signer.close();
      const elsewhere = open(uri(...named, "key-type=0x80000103"), modules, false);
      await expect(elsewhere).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
    });

    it("finds out a token that hashes for another user ID, or hashes twice", async () => {
      const failed = { code: "KEY_SELF_TEST_FAILED" };
      const other = fake({ input: "message", userId: "ALICE123@YAHOO.COM" });
      const opening = open(uri(...named, "input=message"), other.modules);
      await expect(opening).rejects.toMatchObject(failed);
      const twice = fake({ input: "message" });
      await expect(open(uri(...named), twice.modules)).rejects.toMatchObject(failed);
    });

    it("refuses a signature of another length", async () => {
      const { modules } = fake({ more: 1 });
      await expect(open(uri(...named), modules)).rejects.toMatchObject({
        code: "TOKEN_FAILED",
        message: expect.stringContaining("not one of SM2-SM3"),
      });
    });
  });
});
