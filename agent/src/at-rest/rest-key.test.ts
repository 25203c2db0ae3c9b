/** The data key of an outbox, wrapped by real tokens: SoftHSM2, and a TPM that is emulated. */

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import { createPkcs11Tap } from "../../../test/support/pkcs11-tap.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { createTpm2Pkcs11, requireTpm2Pkcs11 } from "../../../test/support/tpm2-pkcs11.ts";
import { requireKeyUri } from "../signer/open-signer.ts";
import { Pkcs11Modules } from "../signer/pkcs11-module.ts";
import type { SealingName } from "./rest-cipher.ts";
import { sealingNames } from "./rest-cipher.ts";
import type { RestKeyOptions } from "./rest-key.ts";
import { openRestKey } from "./rest-key.ts";

const clock = new SystemClock();
const place = utf8("row 7");
let directory: string;
let modules: Pkcs11Modules;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-rest-"));
  modules = new Pkcs11Modules(createPkcs11Tap().load);
});
afterEach(() => rmSync(directory, { recursive: true }));

function openKey(uri: string, more: Partial<RestKeyOptions> = {}) {
  const file = join(directory, "outbox.key");
  const parsed = requireKeyUri(uri);
  return openRestKey({
    file,
    uri: parsed,
    wanted: "aes-256-gcm",
    known: undefined,
    clock,
    modules,
    ...more,
  });
}

/** Makes a key, and finds the same again with nothing but the file and the token. */
async function proveKept(uri: string, wanted: SealingName = "aes-256-gcm"): Promise<Uint8Array> {
  const made = await openKey(uri, { wanted });
  expect(made?.cipher.name).toBe(wanted);
  const sealed = made?.cipher.seal(utf8("a reading"), place) ?? new Uint8Array();
  expect(statSync(join(directory, "outbox.key")).mode & 0o777).toBe(0o600);
  const found = await openKey(uri, { wanted: "off", known: made?.check });
  expect(found?.check).toEqual(made?.check);
  expect(found?.cipher.name).toBe(wanted);
  expect(found?.cipher.open(sealed, place)).toEqual(utf8("a reading"));
  expect(found?.cipher.open(sealed, utf8("row 8"))).toBeUndefined();
  return made?.check ?? new Uint8Array();
}

describe.runIf(requirePart("softhsm2"))("a data key that a PKCS#11 token wraps", () => {
  let hsm: SoftHsm;
  beforeAll(() => {
    hsm = createSoftHsm();
    hsm.addToken("site");
    hsm.addToken("other");
  });
  afterAll(() => hsm.remove());

  it.each(sealingNames)(
    "of %s opens again, and two devices of one token have different ones",
    async (wanted) => {
      const first = await proveKept(hsm.keyUri("site", `device-1-${wanted}`), wanted);
      rmSync(join(directory, "outbox.key"));
      const second = await proveKept(hsm.keyUri("site", `device-2-${wanted}`), wanted);
      expect(second).not.toEqual(first);
    },
  );

  it.each([
    ["aes-256-gcm", "sm4-gcm"],
    ["sm4-gcm", "aes-256-gcm"],
  ] as const)(
    "of %s is refused where %s is asked for, and opens without one",
    async (made, asked) => {
      const uri = hsm.keyUri("site", `device-5-${made}`);
      const key = await openKey(uri, { wanted: made });
      await expect(openKey(uri, { wanted: asked, known: key?.check })).rejects.toMatchObject({
        code: "KEY_AT_REST_OTHER_CIPHER",
        message: expect.stringContaining(`at_rest = "${made}"`),
      });
      const off = await openKey(uri, { wanted: "off", known: key?.check });
      expect(off?.cipher.name).toBe(made);
    },
  );

  it("is refused where its file says another cipher than it is a key of", async () => {
    const uri = hsm.keyUri("site", "device-6");
    await openKey(uri, { wanted: "sm4-gcm" });
    const file = join(directory, "outbox.key");
    writeFileSync(file, readFileSync(file, "utf8").replace("sm4-gcm", "aes-256-gcm"));
    await expect(openKey(uri)).rejects.toMatchObject({ code: "KEY_AT_REST_UNREADABLE" });
    writeFileSync(file, readFileSync(file, "utf8").replace("aes-256-gcm", "aes-128-gcm"));
    await expect(openKey(uri)).rejects.toMatchObject({ code: "KEY_AT_REST_UNREADABLE" });
  });

  it.each(sealingNames)(
    "of %s does not open without its token's key, nor with another token's",
    async (wanted) => {
      const device = `device-3-${wanted}`;
      const made = await openKey(hsm.keyUri("site", device), { wanted });
      const opening = (uri: string) => openKey(uri, { wanted, known: made?.check });
      const notOpened = { code: "KEY_AT_REST_NOT_OPENED" };
      await expect(opening(hsm.keyUri("site", "nobody"))).rejects.toMatchObject(notOpened);
      // A wrapping key of this label is made there, and it is another one.
      const file = join(directory, "of-another.key");
      await openKey(hsm.keyUri("other", device), { wanted, file });
      await expect(opening(hsm.keyUri("other", device))).rejects.toMatchObject(notOpened);
    },
  );

  it("is refused when its file is gone, is of another time, or is no such file", async () => {
    const uri = hsm.keyUri("site", "device-4");
    const made = await openKey(uri);
    const file = join(directory, "outbox.key");
    const other = await openKey(uri, { file: join(directory, "second.key") });
    const known = { known: other?.check };
    await expect(openKey(uri, known)).rejects.toMatchObject({ code: "KEY_AT_REST_OTHER" });
    const text = readFileSync(file, "utf8");
    const flipped = text.replace(
      /"check":"./,
      (head) => `${head.slice(0, -1)}${head.endsWith("A") ? "B" : "A"}`,
    );
    for (const bad of [
      "",
      "{}",
      text.replace("at-rest-key/1", "at-rest-key/2"),
      flipped,
      "x".repeat(99_999),
    ]) {
      writeFileSync(file, bad);
      await expect(openKey(uri)).rejects.toMatchObject({ code: "KEY_AT_REST_UNREADABLE" });
    }
    rmSync(file);
    const missing = openKey(uri, { known: made?.check });
    await expect(missing).rejects.toMatchObject({ code: "KEY_AT_REST_MISSING" });
    expect(await openKey(uri, { wanted: "off" })).toBeUndefined();
  });

  it("is not made where the key is a file", async () => {
    const opening = openKey(`file:${join(directory, "signing.key")}`);
    await expect(opening).rejects.toMatchObject({ code: "KEY_AT_REST_NO_TOKEN" });
  });
});

describe.runIf(requirePart("swtpm") && requirePart("swtpm-tools"))(
  "a data key that a TPM seals",
  () => {
    let swtpm: Swtpm;
    beforeAll(async () => {
      swtpm = await Swtpm.make();
    });
    afterAll(() => swtpm.remove());
    const uriOf = (tpm: Swtpm) => `tpm:0x81020001${tpm.keyUriQuery}`;

    it.each(sealingNames)(
      "of %s opens again, also after the TPM was off and on",
      async (wanted) => {
        const check = await proveKept(uriOf(swtpm), wanted);
        await swtpm.stop();
        await swtpm.start();
        const found = await openKey(uriOf(swtpm), { wanted, known: check });
        expect(found?.check).toEqual(check);
      },
    );

    it.each(sealingNames)(
      "of %s does not open in another TPM, nor after the owner cleared this one",
      async (wanted) => {
        const made = await openKey(uriOf(swtpm), { wanted });
        const known = { wanted, known: made?.check };
        const other = await Swtpm.make();
        try {
          const notOpened = { code: "KEY_AT_REST_NOT_OPENED" };
          await expect(openKey(uriOf(other), known)).rejects.toMatchObject(notOpened);
          await swtpm.tool("tpm2_clear");
          await expect(openKey(uriOf(swtpm), known)).rejects.toMatchObject(notOpened);
        } finally {
          await other.remove();
        }
      },
    );

    it("waits for no TPM that is off: the caller is told", async () => {
      await openKey(uriOf(swtpm));
      await swtpm.stop();
      await expect(openKey(uriOf(swtpm))).rejects.toMatchObject({ code: "TPM_UNAVAILABLE" });
      await swtpm.start();
    });
  },
);

describe.runIf(requireTpm2Pkcs11())("a data key and a token without AES-GCM", () => {
  it("is refused by name, and no file is left", async () => {
    const token = await createTpm2Pkcs11();
    try {
      const opening = openKey(token.keyUri("device"));
      await expect(opening).rejects.toMatchObject({ code: "KEY_AT_REST_TOKEN_UNABLE" });
      expect(existsSync(join(directory, "outbox.key"))).toBe(false);
    } finally {
      await token.remove();
    }
  });
});
