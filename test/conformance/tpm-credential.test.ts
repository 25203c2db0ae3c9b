/** Credentials between our two sides, and between each of them and tpm2-tools, on an emulated TPM. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { attestationKeyTemplate, endorsementTemplates } from "@tamga/agent/tpm/key-templates";
import { socketTransport } from "@tamga/agent/tpm/socket-transport";
import { Tpm } from "@tamga/agent/tpm/tpm";
import { activateCredential } from "@tamga/agent/tpm/tpm-attesting";
import type { TpmKey } from "@tamga/agent/tpm/tpm-keys";
import { createPrimary } from "@tamga/agent/tpm/tpm-keys";
import { credentialBytesMax, makeCredential } from "@tamga/gateway/registry/make-credential";
import { concat, toHex, u32, utf8 } from "@tamga/ledger-core/base/bytes";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { encodeTpmPublic } from "@tamga/ledger-core/tpm/public-area";
import { tpmSized } from "@tamga/ledger-core/tpm/tpm-bytes";
import { tpmHandles } from "@tamga/ledger-core/tpm/tpm-numbers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../real-parts.ts";
import { Swtpm } from "../support/swtpm.ts";
import { unwrap } from "../support/unwrap.ts";

const value = utf8("thirty-two bytes of a secret key");
const parts = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;

describe.runIf(parts.every((name) => requirePart(name)))("a credential", () => {
  let swtpm: Swtpm;
  beforeAll(async () => {
    swtpm = await Swtpm.make();
  });
  afterAll(() => swtpm.remove());

  const withKeys = <T>(
    kind: "rsa" | "ecc",
    run: (tpm: Tpm, keys: { readonly ek: TpmKey; readonly ak: TpmKey }) => Promise<T>,
  ): Promise<T> =>
    Tpm.use(
      socketTransport({ path: swtpm.socket }),
      { clock: new SystemClock(), signal: AbortSignal.timeout(60_000) },
      async (tpm) => {
        const of = (template: Parameters<typeof createPrimary>[2]) =>
          createPrimary(tpm, tpmHandles.endorsement, template);
        const ek = await of(endorsementTemplates[kind]);
        return run(tpm, { ek, ak: await of(attestationKeyTemplate) });
      },
    );

  describe.each(["rsa", "ecc"] as const)("for a key of kind %s", (kind) => {
    test("opens in the TPM that it was made for", () =>
      withKeys(kind, async (tpm, { ek, ak }) => {
        const made = unwrap(makeCredential(ek.area, { name: ak.name, value }));
        const handles = { attestationKey: ak.handle, endorsementKey: ek.handle };
        const opened = await activateCredential(tpm, { ...handles, ...made });
        expect(toHex(opened)).toBe(toHex(value));
      }));

    test("opens for no other attestation key, and not when a byte of it was changed", () =>
      withKeys(kind, async (tpm, { ek, ak }) => {
        const handles = { attestationKey: ak.handle, endorsementKey: ek.handle };
        const name = ak.name.slice();
        name[33] = (name[33] ?? 0) ^ 1;
        const other = unwrap(makeCredential(ek.area, { name, value }));
        const code = "TPM_COMMAND_FAILED";
        const wrong = activateCredential(tpm, { ...handles, ...other });
        await expect(wrong).rejects.toMatchObject({ code, details: { response: "INTEGRITY" } });
        const made = unwrap(makeCredential(ek.area, { name: ak.name, value }));
        const credential = made.credential.slice();
        credential[40] = (credential[40] ?? 0) ^ 1;
        const changed = activateCredential(tpm, { ...handles, ...made, credential });
        await expect(changed).rejects.toMatchObject({ code, details: { response: "INTEGRITY" } });
      }));
  });

  test("of tpm2_makecredential opens with our commands", () =>
    withKeys("rsa", async (tpm, { ek, ak }) => {
      writeFileSync(join(swtpm.work, "ek.pub"), tpmSized(encodeTpmPublic(ek.area)));
      writeFileSync(join(swtpm.work, "value"), value);
      // Works without a TPM, which our own line occupies meanwhile.
      const args = ["-T", "none", "-u", "ek.pub", "-n", toHex(ak.name)];
      await swtpm.toolAlone("tpm2_makecredential", ...args, "-s", "value", "-o", "made");
      const made = new Uint8Array(readFileSync(join(swtpm.work, "made")));
      // The tool's header: a magic number and a version, then the two sized buffers.
      const length = new DataView(made.buffer).getUint16(8);
      const credential = made.subarray(10, 10 + length);
      const secret = made.subarray(12 + length);
      const handles = { attestationKey: ak.handle, endorsementKey: ek.handle };
      const opened = await activateCredential(tpm, { ...handles, credential, secret });
      expect(toHex(opened)).toBe(toHex(value));
    }));

  test("of ours opens with tpm2_activatecredential", async () => {
    await swtpm.tool("tpm2_createek", "-c", "0x81020030", "-G", "rsa", "-u", "their.ek");
    const names = ["-u", "ak.pub", "-n", "ak.name", "-c", "ak.ctx"];
    await swtpm.tool(
      "tpm2_createak",
      "-C",
      "0x81020030",
      "-G",
      "ecc",
      "-g",
      "sha256",
      "-s",
      "ecdsa",
      ...names,
    );
    const name = new Uint8Array(readFileSync(join(swtpm.work, "ak.name")));
    const ek = await withKeys("rsa", async (_, keys) => keys.ek.area);
    const made = unwrap(makeCredential(ek, { name, value }));
    const header = concat(u32(0xbadcc0de), u32(1));
    const file = concat(header, tpmSized(made.credential), tpmSized(made.secret));
    writeFileSync(join(swtpm.work, "ours"), file);
    await swtpm.tool("tpm2_startauthsession", "--policy-session", "-S", "session");
    await swtpm.tool("tpm2_policysecret", "-S", "session", "-c", "e");
    const keys = ["-c", "ak.ctx", "-C", "0x81020030", "-P", "session:session"];
    await swtpm.tool("tpm2_activatecredential", ...keys, "-i", "ours", "-o", "opened");
    expect(readFileSync(join(swtpm.work, "opened"), "utf8")).toBe(
      "thirty-two bytes of a secret key",
    );
  });
});

test("is refused for what is no endorsement key of the templates", () => {
  const { ecc } = endorsementTemplates;
  const name = new Uint8Array(34);
  const code = (area: typeof ecc) => {
    const made = makeCredential(area, { name, value: new Uint8Array(credentialBytesMax) });
    return made.ok ? "ok" : made.fault.code;
  };
  // Zeros are no point on the curve.
  expect(code(ecc)).toBe("EK_UNSUPPORTED");
  expect(code({ ...ecc, nameAlgorithm: 4 })).toBe("EK_UNSUPPORTED");
  expect(code({ ...ecc, symmetric: { algorithm: 0x13, keyBits: 128, mode: 0x43 } })).toBe(
    "EK_UNSUPPORTED",
  );
});
