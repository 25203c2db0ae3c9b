import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterAll, describe, expect, it } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { loadCryptoki } from "./cryptoki.ts";
import { openSigner } from "./open-signer.ts";
import { Pkcs11Modules } from "./pkcs11-module.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-open-signer-"));
afterAll(() => rmSync(directory, { recursive: true }));
const { signal } = new AbortController();
const message = utf8("reading");

describe("openSigner", () => {
  it("opens a file key, of either algorithm, outside of production", async () => {
    for (const algorithm of ["ES256", "EdDSA"] as const) {
      const uri = `file:${directory}/${algorithm}.pem`;
      const signer = await openSigner({ uri, profile: "embedded", create: true, algorithm });
      expect(signer).toMatchObject({ algorithm, keyKind: "file" });
      expect(signer.state()).toBe("ready");
    }
  });

  it("refuses a file key in production, and makes none", async () => {
    const before = readdirSync(directory);
    const uri = `file:${directory}/production.pem`;
    const opening = openSigner({ uri, profile: "production", create: true });
    await expect(opening).rejects.toMatchObject({ code: "KEY_FILE_IN_PRODUCTION" });
    expect(readdirSync(directory)).toEqual(before);
  });

  it.each([
    ["tpm:0x81020001?device=/dev/no-tpm-here", "TPM_UNAVAILABLE"],
    ["pkcs11:token=t;object=o?module-path=/l.so&pin-value=1234", "KEY_URI_PIN_INLINE"],
    ["key.pem", "KEY_URI_SCHEME_UNKNOWN"],
  ])("refuses %s with %s", async (uri, code) => {
    const opening = openSigner({ uri, profile: "embedded", create: true });
    await expect(opening).rejects.toMatchObject({ name: "OperationalError", code });
    await expect(opening).rejects.not.toThrow("1234");
  });

  it.skipIf(!requirePart("softhsm2"))(
    "opens a token's key with what the process shares",
    async () => {
      const hsm = createSoftHsm();
      hsm.addToken("site");
      const uri = hsm.keyUri("site", "device");
      const signer = await openSigner({ uri, profile: "production", create: true });
      const signature = await signer.sign(message, { signal });
      expect(nodeCrypto.verify(signer.publicKey(), message, signature)).toBe(true);
      await signer.close();
      hsm.remove();
    },
  );
});

describe("loadCryptoki", () => {
  it("names what to install where the binding is absent", async () => {
    const absent = () => import(String(join(directory, "pkcs11js.js")));
    const loading = loadCryptoki("/usr/lib/any.so", absent);
    await expect(loading).rejects.toMatchObject({ code: "PKCS11_UNAVAILABLE" });
    await expect(loading).rejects.toThrow("pkcs11js");
  });

  it("says that a library cannot be used, and tries anew next time", async () => {
    const library = join(directory, "driver.so");
    writeFileSync(library, "not a library");
    const modules = new Pkcs11Modules();
    for (const path of [library, library, join(directory, "absent.so")]) {
      const acquiring = modules.acquire(path);
      await expect(acquiring).rejects.toMatchObject({ code: "PKCS11_MODULE_UNUSABLE" });
    }
  });
});
