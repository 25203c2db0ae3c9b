/** The doctor over real parts: an emulated TPM and SoftHSM2. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { parseKeyUri } from "../signer/key-uri.ts";
import { checkTpm } from "./check-tpm.ts";
import { findSerialPorts } from "./find-serial-ports.ts";
import { findTokens } from "./find-tokens.ts";

const { signal } = new AbortController();
const main = join(import.meta.dirname, "../main.ts");

describe.runIf(requirePart("swtpm") && requirePart("swtpm-tools") && requirePart("tpm2-tools"))(
  "a TPM",
  () => {
    let swtpm: Swtpm;
    beforeAll(async () => {
      swtpm = await Swtpm.make();
    });
    afterAll(() => swtpm.remove());

    const look = async () => {
      const uri = unwrap(parseKeyUri(`tpm:0x81020001${swtpm.keyUriQuery}`));
      if (uri.scheme !== "tpm") throw new Error("no TPM key");
      const findings = await checkTpm(uri, { signal });
      return new Map(
        findings.map(({ check, verdict, sentence }) => [check, `${verdict} ${sentence}`]),
      );
    };

    test("is described, and an emulator named as one", async () => {
      const before = await look();
      expect(before.get("tpm")).toMatch(/^warn .*IBM SW +TPM is an emulator/);
      expect(before.get("tpm certificate")).toMatch(/^ok .*\(rsa\)/);
      expect(before.get("tpm boot log")).toMatch(/^warn PCR 0 and 7 are empty/);
      expect(before.get("tpm handles")).toContain("0x81010001");
      await swtpm.tool("tpm2_pcrextend", `7:sha256=${"ab".repeat(32)}`);
      expect((await look()).get("tpm boot log")).toMatch(/^ok/);
    });

    test("that is locked out is found, and our own key in it still signs", async () => {
      expect((await look()).get("tpm lockout")).toMatch(/^ok 0 of/);
      await swtpm.tool("tpm2_dictionarylockout", "--setup-parameters", "--max-tries=1");
      await swtpm.tool("tpm2_createprimary", "-C", "o", "-p", "right", "-c", "primary");
      const wrong = ["-C", "primary", "-P", "wrong", "-u", "u", "-r", "r"];
      await expect(swtpm.tool("tpm2_create", ...wrong)).rejects.toThrow();
      expect((await look()).get("tpm lockout")).toMatch(/^fail It is locked out/);
      await swtpm.tool("tpm2_dictionarylockout", "--clear-lockout");
      expect((await look()).get("tpm lockout")).toMatch(/^ok/);
    });
  },
);

describe.runIf(requirePart("softhsm2"))("tokens", () => {
  let hsm: SoftHsm;
  beforeAll(() => {
    hsm = createSoftHsm();
  });
  afterAll(() => hsm.remove());

  test("are listed by label, with the key URI that names them; a broken library is named", async () => {
    hsm.addToken("site");
    const findings = await findTokens(main, hsm.modulePath, { signal });
    const [first] = findings;
    expect(first).toMatchObject({ check: `tokens of ${hsm.modulePath}`, verdict: "ok" });
    expect(first?.sentence).toMatch(/^site \(SoftHSM v2, serial \w+\): key = "pkcs11:token=site;/);
    const [broken] = await findTokens(main, "/no/such/library.so", { signal });
    expect(broken).toMatchObject({ verdict: "warn" });
    expect(broken?.sentence).toContain("tamga-agent tokens /no/such/library.so");
  });
});

test("what a library prints beside the tokens is passed over", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tamga-find-tokens-"));
  try {
    // Stands in for `tamga-agent tokens` with a library that prints: no library at hand does.
    const standIn = join(folder, "stand-in-main.mjs");
    const token = (label: string) =>
      JSON.stringify({
        ...{ label, manufacturer: "m", model: "t", serial: "1" },
        ...{ isInitialized: true, isPinLocked: false, isPinFinalTry: false },
      });
    const printed = [
      "Vendor PKCS#11 1.2 (evaluation copy)",
      '{"level":"debug"}',
      token("first"),
      `no line end: ${token("second")}`,
      '{"label":"torn',
      '{"label":"of another shape"}',
      "[]",
    ].join("\n");
    writeFileSync(standIn, `process.stdout.write(${JSON.stringify(printed)});`);
    const findings = await findTokens(standIn, "/opt/vendor.so", { signal });
    const ours = findings.filter(({ check }) => check === "tokens of /opt/vendor.so");
    expect(ours.map(({ verdict, sentence }) => [verdict, sentence.split(" ")[0]])).toEqual([
      ["ok", "first"],
      ["ok", "second"],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("serial ports are listed, or that none is plugged in", async () => {
  const findings = await findSerialPorts();
  expect(findings.length).toBeGreaterThan(0);
  for (const { check, verdict } of findings)
    expect([check, verdict]).toEqual(["serial ports", "ok"]);
});
