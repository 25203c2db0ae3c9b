/** Evidence as a file between the two real programs: a box with an emulated TPM, and the operator of its site. */

import { execFile } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { verifyResult } from "@tamga/ledger-core/wire/attestation-result";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../real-parts.ts";
import { bootLog } from "../support/attestation-samples.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";

const agentProgram = fileURLToPath(new URL("../../agent/src/main.ts", import.meta.url));
const run = promisify(execFile);
const parts = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;

describe.runIf(parts.every((part) => requirePart(part)))("evidence as a file", () => {
  let swtpm: Swtpm;
  let site: TestSite;
  let box: string;
  const agent = async (...parameters: readonly string[]) =>
    (await run(process.execPath, [agentProgram, ...parameters])).stderr;
  const file = (name: string) => join(box, name);
  const attest = (name: string, ...more: readonly string[]) =>
    agent("attest", "--data", box, "--out", file(name), "--pcrs", "0,7,16", ...more);
  const appraise = (name: string, ...more: readonly string[]) =>
    site.cli(
      "attest",
      "appraise",
      file(name),
      "--reference",
      file("values.toml"),
      "--json",
      ...more,
    );

  beforeAll(async () => {
    swtpm = await Swtpm.make();
    box = swtpm.work;
    const root = file("root.pem");
    writeFileSync(root, present(swtpm.makerCertificates[0], "the maker's root"));
    writeFileSync(file("maker.pem"), present(swtpm.makerCertificates[1], "its issuer"));
    site = await TestSite.start({ config: `[enrolment]\ntpm_roots = ["${root}"]\n` });
    const key = `tpm:0x81020001${swtpm.keyUriQuery}`;
    const asking = ["--data", box, "--device", "box-1", "--key", key];
    const maker = ["--tpm-certificates", file("maker.pem")];
    await agent("enrol", ...asking, ...maker, "--out", file("request.json"));
    // Without its issuer the chain does not reach the root; the operator is told where it ends.
    await agent("enrol", ...asking, "--out", file("short.json"));
    await expect(site.cli("devices", "approve", "--request", file("short.json"))).rejects.toThrow(
      /Its chain ends at: .*CN=.*EK_MAKER_UNKNOWN/,
    );
    const answer = ["--request", file("request.json"), "--out", file("answer.json")];
    await site.cli("devices", "approve", ...answer);
    await agent("enrol", "--data", box, "--key", key, "--answer", file("answer.json"));
  }, 600_000);
  afterAll(async () => {
    await site.close();
    await swtpm.remove();
  });

  test("of a good boot gives reference values, which affirm it and no other boot", async () => {
    expect(await attest("good")).toContain("the TPM is an emulator, whose quotes prove nothing");
    writeFileSync(file("values.toml"), await site.cli("attest", "values", file("good")));
    expect(readFileSync(file("values.toml"), "utf8")).toMatch(/^7 = \["[0-9a-f]{64}"\]$/m);
    const good = JSON.parse(await appraise("good", "--out", file("result")));
    expect(good).toMatchObject({
      device: "box-1",
      status: { platform: "affirming" },
      findings: [],
    });
    const { raw } = new X509Certificate(readFileSync(join(site.dir, "gateway.crt")));
    const { publicKey } = unwrap(parseCertificate(new Uint8Array(raw)));
    const signed = new Uint8Array(readFileSync(file("result")));
    expect(unwrap(verifyResult(nodeCrypto, publicKey, signed))).toMatchObject({ device: "box-1" });
    const tampered = signed.with(-1, (signed.at(-1) ?? 0) ^ 1);
    expect(verifyResult(nodeCrypto, publicKey, tampered)).toMatchObject({
      fault: { code: "RESULT_SIGNATURE_WRONG" },
    });

    await swtpm.tool("tpm2_pcrextend", `16:sha256=${"05".repeat(32)}`);
    await attest("other");
    await expect(appraise("other")).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('[{"code":"PCR_NOT_ALLOWED","pcr":16}]'),
    });
    // The earlier file is still what it was; nothing in it can be changed.
    const bytes = readFileSync(file("good"));
    bytes[bytes.indexOf("box-1") + 4] = "2".charCodeAt(0);
    writeFileSync(file("renamed"), bytes);
    await expect(appraise("renamed")).rejects.toThrow("ATTESTATION_KEY_UNKNOWN");
  });

  test("answers a nonce, that one and no other, and none is taken for one", async () => {
    await attest("plain");
    writeFileSync(file("values.toml"), await site.cli("attest", "values", file("plain")));
    const [nonce, other] = [0, 1].map(() => randomBytes(16).toString("hex"));
    const asked = ["--asked", new Date().toISOString(), "--nonce"];
    await attest("answer", "--nonce", present(nonce, "nonce"));
    expect(JSON.parse(await appraise("answer", ...asked, nonce ?? ""))).toMatchObject({
      status: { platform: "affirming" },
    });
    await expect(appraise("answer", ...asked, other ?? "")).rejects.toThrow("EVIDENCE_NONCE_WRONG");
    await expect(appraise("answer")).rejects.toThrow("EVIDENCE_NONCE_UNASKED");
    writeFileSync(file("nothing.toml"), 'max_age = "1d"\n');
    const toNothing = ["attest", "appraise", file("plain"), "--reference", file("nothing.toml")];
    await expect(site.cli(...toNothing)).rejects.toThrow("REFERENCES_EMPTY");
    await expect(appraise("plain", ...asked, other ?? "")).rejects.toThrow(
      "EVIDENCE_NONCE_MISSING",
    );
    const long = new Date(Date.now() - 3 * 86_400_000).toISOString();
    const late = appraise("answer", "--asked", long, "--nonce", nonce ?? "");
    await expect(late).rejects.toThrow("EVIDENCE_TOO_OLD");
  });

  test("with another boot's log is refused, and so is a changed log beside it", async () => {
    writeFileSync(file("boot.log"), bootLog(["a loader that this TPM never saw"]));
    await attest("logged", "--log", file("boot.log"));
    writeFileSync(file("values.toml"), await site.cli("attest", "values", file("logged")));
    await expect(appraise("logged")).rejects.toThrow("EVENT_LOG_NOT_OF_PCRS");
    writeFileSync(file("logged.log"), bootLog(["another"]));
    await expect(appraise("logged")).rejects.toThrow("EVENT_LOG_OTHER");
    expect(JSON.parse(await appraise("logged", "--no-log"))).toMatchObject({ device: "box-1" });
  });

  test("is refused of a device that was revoked, and not made where the key is no TPM's", async () => {
    await attest("last");
    await site.cli("devices", "revoke", "box-1", "--reason", "retired");
    await expect(appraise("last")).rejects.toThrow("DEVICE_REVOKED");
    const config = readFileSync(file("agent.toml"), "utf8");
    writeFileSync(file("agent.toml"), config.replace(/^key = .*$/m, ""));
    await expect(attest("none")).rejects.toThrow("KEY_NOT_IN_TPM");
    writeFileSync(file("agent.toml"), config);
    await expect(attest("none", "--pcrs", "24")).rejects.toThrow("USAGE_PCRS");
    await expect(attest("none", "--nonce", "00")).rejects.toThrow("USAGE_NONCE");
  });
});
