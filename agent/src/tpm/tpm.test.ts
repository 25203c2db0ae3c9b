/** A real TPM 2.0 emulator, and tpm2-tools on the other side of it. */

import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { parseTpmPublic, tpmName, tpmPublicKey } from "@tamga/ledger-core/tpm/public-area";
import { parseTpmAttest } from "@tamga/ledger-core/tpm/tpm-attest";
import { tpmAlgorithms } from "@tamga/ledger-core/tpm/tpm-numbers";
import { parseTpmSignature } from "@tamga/ledger-core/tpm/tpm-signature";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import {
  attestationKeyTemplate,
  endorsementTemplates,
  signingKeyTemplate,
} from "./key-templates.ts";
import { socketTransport } from "./socket-transport.ts";
import { Tpm } from "./tpm.ts";
import {
  certify,
  extendPcr,
  listHandles,
  quote,
  readClock,
  readEndorsementCertificate,
  readPcrs,
} from "./tpm-attesting.ts";
import { readIdentity } from "./tpm-identity.ts";
import type { TpmKey } from "./tpm-keys.ts";
import {
  createKey,
  createPrimary,
  evictKey,
  loadKey,
  persistKey,
  readKey,
  signDigest,
  storageRoot,
} from "./tpm-keys.ts";

const { sha256 } = tpmAlgorithms;
const text = new TextEncoder().encode("one reading");
const parts = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;
const hasParts = parts.every((name) => requirePart(name));

describe.runIf(hasParts)("a TPM", () => {
  let swtpm: Swtpm;
  const use = <T>(run: (tpm: Tpm) => Promise<T>): Promise<T> =>
    Tpm.use(
      socketTransport({ path: swtpm.socket }),
      { clock: new SystemClock(), signal: AbortSignal.timeout(60_000) },
      run,
    );
  const makeKey = async (tpm: Tpm, template = signingKeyTemplate): Promise<TpmKey> => {
    const root = await storageRoot(tpm);
    const key = await loadKey(tpm, root, await createKey(tpm, root, template));
    await tpm.flush(root.handle);
    return key;
  };

  beforeAll(async () => {
    swtpm = await Swtpm.make();
  });
  afterAll(() => swtpm.remove());

  test("makes a key that signs, and whose Name is what it says", () =>
    use(async (tpm) => {
      const key = await makeKey(tpm);
      const { signature } = await signDigest(tpm, key.handle, nodeCrypto.sha256(text));
      const publicKey = tpmPublicKey(key.area);
      if (publicKey === undefined) throw new Error("no P-256 key");
      expect(nodeCrypto.verify(publicKey, text, signature)).toBe(true);
      expect(toHex(key.name)).toBe(toHex(tpmName(nodeCrypto, key.publicBytes)));
    }));

  test("keeps a key at a handle, where tpm2-tools find it and verify what it signed", async () => {
    const handle = 0x8102_0001;
    const { signature, name } = await use(async (tpm) => {
      const key = await makeKey(tpm);
      await persistKey(tpm, key, handle);
      const again = await readKey(tpm, handle);
      expect(toHex(again.name)).toBe(toHex(key.name));
      return { ...(await signDigest(tpm, handle, nodeCrypto.sha256(text))), name: key.name };
    });
    writeFileSync(join(swtpm.work, "message"), text);
    writeFileSync(join(swtpm.work, "signature"), plainSignature(signature));
    const listed = await swtpm.tool("tpm2_readpublic", "-c", "0x81020001");
    expect(listed).toContain(toHex(name));
    const args = [
      "-c",
      "0x81020001",
      "-g",
      "sha256",
      "-m",
      "message",
      "-f",
      "ecdsa",
      "-s",
      "signature",
    ];
    await swtpm.tool("tpm2_verifysignature", ...args);
    writeFileSync(join(swtpm.work, "message"), "another reading");
    await expect(swtpm.tool("tpm2_verifysignature", ...args)).rejects.toThrow();
    await use((tpm) => evictKey(tpm, handle));
    expect(await use((tpm) => listHandles(tpm, handle))).not.toContain(handle);
  });

  test("quotes what tpm2_checkquote accepts", async () => {
    const qualifying = nodeCrypto.sha256(new TextEncoder().encode("a nonce"));
    const indices = [0, 1, 7, 23];
    const quoted = await use(async (tpm) => {
      await extendPcr(tpm, 23, { hash: sha256, digest: nodeCrypto.sha256(text) });
      const key = await makeKey(tpm, attestationKeyTemplate);
      const pcrs = [{ hash: sha256, indices }];
      return {
        key,
        values: await readPcrs(tpm, { hash: sha256, indices }),
        ...(await quote(tpm, key.handle, { pcrs, qualifying })),
      };
    });
    const attest = unwrap(parseTpmAttest(quoted.attest));
    expect(attest).toMatchObject({
      type: "quote",
      extraData: qualifying,
      pcrs: [{ hash: sha256, indices }],
    });
    const digest = nodeCrypto.sha256(Buffer.concat(quoted.values.values.map(({ value }) => value)));
    expect(attest.type === "quote" && toHex(attest.pcrDigest)).toBe(toHex(digest));
    const { work } = swtpm;
    writeFileSync(join(work, "quote.msg"), quoted.attest);
    writeFileSync(join(work, "quote.sig"), quoted.signatureBytes);
    writeFileSync(join(work, "key.pem"), pemOf(quoted.key));
    const args = ["-u", "key.pem", "-m", "quote.msg", "-s", "quote.sig", "-q"];
    await swtpm.tool("tpm2_checkquote", ...args, toHex(qualifying));
    await expect(swtpm.tool("tpm2_checkquote", ...args, "00".repeat(32))).rejects.toThrow();
  });

  test("reads the quote and the signature that tpm2_quote makes", async () => {
    await swtpm.tool("tpm2_createprimary", "-C", "e", "-c", "primary");
    const kind = ["-G", "ecc:ecdsa-sha256:null", "-g", "sha256"];
    const attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda";
    await swtpm.tool(
      "tpm2_create",
      "-C",
      "primary",
      ...kind,
      "-u",
      "u",
      "-r",
      "r",
      "-c",
      "c",
      "-a",
      attributes,
    );
    await swtpm.tool("tpm2_readpublic", "-c", "c", "-o", "tss", "-n", "name");
    const outputs = ["-m", "their.msg", "-s", "their.sig", "-q", "c0ffee"];
    await swtpm.tool("tpm2_quote", "-c", "c", "-l", "sha256:0,7,23", ...outputs);
    const read = (name: string) => new Uint8Array(readFileSync(join(swtpm.work, name)));
    const message = read("their.msg");
    const attest = unwrap(parseTpmAttest(message));
    expect(attest).toMatchObject({
      type: "quote",
      extraData: Uint8Array.of(0xc0, 0xff, 0xee),
      pcrs: [{ hash: sha256, indices: [0, 7, 23] }],
    });
    const { signature } = unwrap(parseTpmSignature(read("their.sig")));
    const area = unwrap(parseTpmPublic(read("tss").subarray(2)));
    const publicKey = tpmPublicKey(area);
    if (publicKey === undefined) throw new Error("no P-256 key");
    expect(nodeCrypto.verify(publicKey, message, signature)).toBe(true);
    expect(toHex(read("name"))).toBe(toHex(tpmName(nodeCrypto, read("tss").subarray(2))));
  });

  test("certifies that a key is its own", () =>
    use(async (tpm) => {
      const key = await makeKey(tpm);
      const attestationKey = await makeKey(tpm, attestationKeyTemplate);
      const qualifying = Uint8Array.of(1, 2, 3);
      const options = { key: key.handle, attestationKey: attestationKey.handle, qualifying };
      const certified = await certify(tpm, options);
      const attest = unwrap(parseTpmAttest(certified.attest));
      expect(attest).toMatchObject({ type: "certify", extraData: qualifying, name: key.name });
    }));

  test("tells its clock, its resets and who made it, and says that it is emulated", async () => {
    const before = await use(readClock);
    await swtpm.stop();
    await swtpm.start();
    const after = await use(readClock);
    expect(after.resetCount).toBeGreaterThan(before.resetCount);
    expect(await use(readIdentity)).toMatchObject({ manufacturer: "IBM", isEmulated: true });
  });

  test("gives its maker's certificate, which is over the key that the template makes", async () => {
    const certificate = await use((tpm) => readEndorsementCertificate(tpm, "rsa"));
    const { area } = await use((tpm) => createPrimary(tpm, 0x4000_000b, endorsementTemplates.rsa));
    if (certificate === undefined || area.type !== "rsa") throw new Error("no certified RSA key");
    const { n } = new X509Certificate(certificate).publicKey.export({ format: "jwk" });
    expect(Buffer.from(area.modulus).toString("base64url")).toBe(n);
    expect(await use((tpm) => readEndorsementCertificate(tpm, "ecc"))).toBeUndefined();
  });

  test("names what is wrong in a sentence with a code", async () => {
    const missing = use((tpm) => readKey(tpm, 0x8102_7777));
    await expect(missing).rejects.toMatchObject({
      code: "TPM_COMMAND_FAILED",
      message: /no such key/,
    });
    await swtpm.stop();
    await expect(use(readClock)).rejects.toMatchObject({ code: "TPM_UNAVAILABLE" });
    await swtpm.start();
    await use(readClock);
  });

  test("holds nothing of a use that is over", async () => {
    for (let at = 0; at < 5; at++) await use(makeKey);
    expect(await use((tpm) => listHandles(tpm, 0x8000_0000))).toEqual([]);
  });
});

/** r‖s as tpm2-tools want a plain ECDSA signature: DER. */
function plainSignature(signature: Uint8Array): Uint8Array {
  const integer = (bytes: Uint8Array) => {
    const digits = [...bytes];
    while (digits.length > 1 && digits[0] === 0) digits.shift();
    if ((digits[0] ?? 0) > 127) digits.unshift(0);
    return [2, digits.length, ...digits];
  };
  const content = [...integer(signature.subarray(0, 32)), ...integer(signature.subarray(32))];
  return Uint8Array.of(0x30, content.length, ...content);
}

function pemOf(key: TpmKey): string {
  const publicKey = tpmPublicKey(key.area);
  if (publicKey?.algorithm !== "ES256") throw new Error("no P-256 key");
  const prefix = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200", "hex");
  const der = Buffer.concat([prefix, publicKey.point]);
  return `-----BEGIN PUBLIC KEY-----\n${der.toString("base64")}\n-----END PUBLIC KEY-----\n`;
}
