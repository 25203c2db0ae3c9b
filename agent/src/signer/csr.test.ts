import { execFileSync, spawnSync } from "node:child_process";
import { constants, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { buildCsr, csrForTlsKey, csrToPem } from "./csr.ts";
import { openFileSigner } from "./file-signer.ts";
import { encodeSpki } from "./public-key.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-csr-"));
afterAll(() => rmSync(directory, { recursive: true }));
const { signal } = new AbortController();

/** @returns what openssl prints of a request, and whether it has verified its signature. */
function judge(csr: Uint8Array): { readonly text: string; readonly verified: boolean } {
  const options = ["req", "-inform", "DER", "-verify", "-noout", "-text", "-subject"];
  const { stdout, stderr, status } = spawnSync("openssl", options, { input: csr });
  const verified = status === 0 && /verify OK/.test(stderr.toString());
  return { text: stdout.toString(), verified };
}

function openssl(csr: Uint8Array): string {
  const { text, verified } = judge(csr);
  expect(verified).toBe(true);
  return text;
}

describe("buildCsr", () => {
  it.each([
    ["ES256", "ecdsa-with-SHA256"],
    ["EdDSA", "ED25519"],
  ] as const)(
    "makes a request by an %s file key that openssl verifies",
    async (algorithm, name) => {
      const path = join(directory, `${algorithm}.pem`);
      const signer = await openFileSigner({ path, create: true, algorithm });
      const csr = await buildCsr(signer, "site-1_meter.7", { signal });
      expect(openssl(csr)).toMatch(/CN ?= ?site-1_meter\.7/);
      expect(openssl(csr)).toContain(`Signature Algorithm: ${name}`);
    },
  );

  it("writes integers of every length right: hundreds of signatures, r and s short or not", async () => {
    const signer = await openFileSigner({ path: join(directory, "many.pem"), create: true });
    const lengths = new Set<number>();
    let shortest = await buildCsr(signer, "d", { signal });
    for (let count = 0; count < 400; count++) {
      const csr = await buildCsr(signer, "d", { signal });
      lengths.add(csr.length);
      if (csr.length < shortest.length) shortest = csr;
    }
    expect(lengths.size).toBeGreaterThan(2);
    expect(openssl(shortest)).toMatch(/CN ?= ?d/);
  });

  it("makes a request by an RSA key with PSS", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const spki = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    const signer = {
      algorithm: "PS256" as const,
      publicKey: () => ({ algorithm: "PS256" as const, spki }),
      sign: async (message: Uint8Array) => sign("sha256", message, { key: privateKey, ...padding }),
    };
    expect(openssl(await buildCsr(signer, "rsa", { signal }))).toContain("rsassaPss");
  });

  it("is refused by openssl once a bit of the name is changed", async () => {
    const signer = await openFileSigner({ path: join(directory, "many.pem"), create: true });
    const csr = Buffer.from(await buildCsr(signer, "device", { signal }));
    csr[csr.indexOf("device")] = "f".charCodeAt(0);
    expect(judge(csr).verified).toBe(false);
  });

  it("passes on the signal's reason, and takes no name that is no device id", async () => {
    const signer = await openFileSigner({ path: join(directory, "many.pem"), create: true });
    const reason = new Error("enough");
    const aborted = { signal: AbortSignal.abort(reason) };
    await expect(buildCsr(signer, "d", aborted)).rejects.toBe(reason);
    await expect(buildCsr(signer, "a/b", { signal })).rejects.toThrow("common name");
    await expect(buildCsr(signer, "d".repeat(65), { signal })).rejects.toThrow("common name");
  });
});

describe("csrForTlsKey", () => {
  it.each([generateKeyPairSync("ec", { namedCurve: "P-256" }), generateKeyPairSync("ed25519")])(
    "makes a request that openssl verifies, for the key it was given",
    async (pair) => {
      const csr = await csrForTlsKey(pair.privateKey, "device-9");
      expect(openssl(csr)).toMatch(/CN ?= ?device-9/);
      const spki = pair.publicKey.export({ format: "der", type: "spki" });
      expect(Buffer.from(csr).includes(spki)).toBe(true);
    },
  );
});

describe("csrToPem", () => {
  it("is what openssl reads", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const csr = await csrForTlsKey(privateKey, "device-9");
    const options = ["req", "-outform", "DER"];
    expect(execFileSync("openssl", options, { input: csrToPem(csr) })).toEqual(Buffer.from(csr));
  });
});

describe("encodeSpki", () => {
  it("leaves an RSA key as it is", () => {
    const spki = Uint8Array.of(1, 2, 3);
    expect(encodeSpki({ algorithm: "PS256", spki })).toBe(spki);
  });
});
