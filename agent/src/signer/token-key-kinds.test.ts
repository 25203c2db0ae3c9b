/** Keys of each kind in real tokens: SoftHSM2 and an emulated TPM; and those that are refused. */

import { spawnSync } from "node:child_process";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { buildCsr } from "./csr.ts";
import type { OpenSignerOptions } from "./open-signer.ts";
import { openSigner } from "./open-signer.ts";
import type { Signer } from "./signer.ts";

const { signal } = new AbortController();
const message = utf8("1-0:1.8.0*255(005430.157*kWh)");
let signers: Signer[] = [];
afterEach(async () => {
  for (const signer of signers) await signer.close();
  signers = [];
});

async function open(uri: string, more: Partial<OpenSignerOptions> = {}): Promise<Signer> {
  const signer = await openSigner({ uri, profile: "development", create: true, ...more });
  signers.push(signer);
  return signer;
}

/** Signs, verifies as a gateway does, and lets openssl verify a request. */
async function prove(signer: Signer): Promise<void> {
  const signature = await signer.sign(message, { signal });
  expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);
  expect(nodeCrypto.verify(signer.publicKey(), utf8("other"), signature)).toBe(false);
  const csr = await buildCsr(signer, "device-1", { signal });
  const options = ["req", "-inform", "DER", "-verify", "-noout"];
  const { stderr, status } = spawnSync("openssl", options, { input: csr });
  expect([status, stderr.toString()]).toEqual([0, expect.stringContaining("verify OK")]);
}

describe.runIf(requirePart("softhsm2"))("kinds of key in SoftHSM2", () => {
  let hsm: SoftHsm;
  beforeAll(() => {
    hsm = createSoftHsm();
    hsm.addToken("site");
  });
  afterAll(() => hsm.remove());
  const uriOf = (object: string) => hsm.keyUri("site", object);

  it.each(["ES256", "EdDSA", "PS256"] as const)(
    "%s signs and asks for a certificate",
    async (algorithm) => {
      const made = await open(uriOf(algorithm), { algorithm });
      expect(made).toMatchObject({ algorithm, keyKind: "pkcs11" });
      await prove(made);
      const found = await open(uriOf(algorithm), { create: false });
      expect(found.publicKey()).toEqual(made.publicKey());
      await prove(found);
    },
  );

  it("is not mistaken for a key of another kind that has the name", async () => {
    await open(uriOf("taken"));
    const other = open(uriOf("taken"), { algorithm: "EdDSA" });
    await expect(other).rejects.toMatchObject({ code: "KEY_ALGORITHM_OTHER" });
  });

  it.each([
    ["rsa:1024", "RSA key of 1024 bits"],
    ["EC:secp384r1", "P-384"],
    ["EC:secp256k1", "secp256k1"],
  ])("refuses %s by name", async (type, name) => {
    if (!requirePart("opensc")) return;
    const label = type.replace(":", "-");
    const { status, stderr } = spawnSync("pkcs11-tool", [
      ...["--module", hsm.modulePath, "--token-label", "site", "--login", "--pin", hsm.pin],
      ...["--keypairgen", "--key-type", type, "--label", label, "--id", "77", "--sensitive"],
    ]);
    expect([status, stderr.toString()]).toEqual([0, expect.anything()]);
    const opened = open(uriOf(label), { create: false });
    await expect(opened).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
    await expect(opened).rejects.toThrow(name);
  });
});

describe.runIf(requirePart("swtpm") && requirePart("swtpm-tools"))("kinds of key in a TPM", () => {
  let swtpm: Swtpm;
  beforeAll(async () => {
    swtpm = await Swtpm.make();
  });
  afterAll(() => swtpm.remove());
  const uriOf = (handle: string) => `tpm:${handle}${swtpm.keyUriQuery}`;

  it("PS256 signs with the salt of 32 bytes that WIRE asks for", async () => {
    const made = await open(uriOf("0x81020030"), { algorithm: "PS256" });
    expect(made.algorithm).toBe("PS256");
    await prove(made);
    const found = await open(uriOf("0x81020030"), { create: false });
    expect(found.publicKey()).toEqual(made.publicKey());
  });

  it("makes no Ed25519 key", async () => {
    const opening = open(uriOf("0x81020031"), { algorithm: "EdDSA" });
    await expect(opening).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
    await expect(opening).rejects.toThrow("Ed25519");
  });

  it.each([
    ["rsa1024", "0x81020032", "RSA key of 1024 bits"],
    ["rsa2048:rsapss-sha1:null", "0x81020033", "SHA-1"],
    ["ecc384:ecdsa-sha256:null", "0x81020034", "not one that signs"],
  ])("refuses %s by name", async (algorithm, handle, name) => {
    const attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign";
    await swtpm.tool("tpm2_createprimary", "-Q", "-C", "o", "-c", "p.ctx");
    const names = ["-u", "k.pub", "-r", "k.priv"];
    await swtpm.tool(
      "tpm2_create",
      "-Q",
      "-C",
      "p.ctx",
      "-G",
      algorithm,
      "-a",
      attributes,
      ...names,
    );
    await swtpm.tool("tpm2_load", "-Q", "-C", "p.ctx", ...names, "-c", "k.ctx");
    await swtpm.tool("tpm2_evictcontrol", "-Q", "-c", "k.ctx", handle);
    const opening = open(uriOf(handle), { create: false });
    await expect(opening).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
    await expect(opening).rejects.toThrow(name);
  });
});

describe("PS256 in a file", () => {
  it("is refused, since it is for tokens without curves", async () => {
    const opening = open("file:/nowhere/key", { algorithm: "PS256" });
    await expect(opening).rejects.toMatchObject({ code: "KEY_UNSUPPORTED" });
  });
});
