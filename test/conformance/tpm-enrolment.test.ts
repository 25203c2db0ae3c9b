/** Enrolment of a device whose key is in a TPM, over the two files, with both real sides and an emulated TPM. */

import { execFileSync } from "node:child_process";
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkAnswer, makeRequest } from "@tamga/agent/enrol";
import { encodeSpki } from "@tamga/agent/signer/public-key";
import { endorsementTemplates } from "@tamga/agent/tpm/key-templates";
import { socketTransport } from "@tamga/agent/tpm/socket-transport";
import { Tpm } from "@tamga/agent/tpm/tpm";
import { createPrimary } from "@tamga/agent/tpm/tpm-keys";
import { DeviceRegistry } from "@tamga/gateway/registry/device-registry";
import type { SiteFacts } from "@tamga/gateway/registry/enrolment";
import { approveEnrolment, receiveEnrolment } from "@tamga/gateway/registry/enrolment";
import { answerText } from "@tamga/gateway/registry/seal-answer";
import { SiteCa } from "@tamga/gateway/registry/site-ca";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { keyKindOf } from "@tamga/ledger-core/receipt/certificate-names";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { tpmHandles } from "@tamga/ledger-core/tpm/tpm-numbers";
import { parseEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../real-parts.ts";
import { refusingTpm } from "../support/refusing-tpm.ts";
import { Swtpm } from "../support/swtpm.ts";
import { SyntheticChannel } from "../support/synthetic-channel.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";

const { signal } = new AbortController();
const now = unixMillis(Date.now());

const needed = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;

describe.runIf(needed.every((part) => requirePart(part)))("a device with a TPM", () => {
  const folder = mkdtempSync(join(tmpdir(), "tamga-tpm-enrolment-"));
  let swtpm: Swtpm;
  let other: Swtpm;
  /** Without the certificate of its maker, as many are sold. */
  let bare: Swtpm;
  let ca: SiteCa;
  let registry: DeviceRegistry;
  let facts: SiteFacts;
  let device = "";
  let devices = 0;

  beforeAll(async () => {
    [swtpm, other, bare] = await Promise.all([Swtpm.make(), Swtpm.make(), Swtpm.make()]);
    await bare.tool("tpm2_nvundefine", "-C", "p", "0x01c00002");
    const paths = { dir: join(folder, "ca"), organisation: name("site") };
    ca = await SiteCa.open({ ...paths, now, create: true });
    registry = new DeviceRegistry(join(folder, "registry.db"));
    const channel = new SyntheticChannel({ validators: 1 });
    facts = {
      channel: channel.policy.channel,
      gateway: name("gateway-1"),
      uplink: ["mqtts://gateway:8883"],
      trust: encodeTrustPolicy(channel.policy),
      certificateDays: 30,
    };
  });
  afterAll(async () => {
    registry.close();
    rmSync(folder, { recursive: true });
    await Promise.all([swtpm.remove(), other.remove(), bare.remove()]);
  });

  const pem = (of: Swtpm, at: number) =>
    new X509Certificate(present(of.makerCertificates[at], "PEM"));
  const keysOf = (of: Swtpm, at: string) => {
    const issuer = new Uint8Array(pem(of, 1).raw);
    return {
      dataDir: join(folder, at),
      key: `tpm:0x81020100${of.keyUriQuery}`,
      profile: "development" as const,
      certificates: [issuer],
    };
  };
  /** What the agent of a new device asks for. */
  async function ask(of: Swtpm) {
    device = `meter-${devices++}`;
    const made = await makeRequest(name(device), keysOf(of, device), { signal });
    return { text: made.text, request: unwrap(parseEnrolmentRequest(made.text)) };
  }

  test("is enrolled in one trip of files, and the answer opens in its TPM alone", async () => {
    const { text, request } = await ask(swtpm);
    expect(text).toContain("enrolment-request/2");
    const tpmRoots = [pem(swtpm, 0)];
    const parts = { ca, registry, tpmRoots };
    const approved = unwrap(await approveEnrolment(parts, facts, { request, now }));
    const answer = answerText(approved, request.tpm);
    expect(answer).not.toContain("signingChain");
    const keys = keysOf(swtpm, device);
    const checked = await checkAnswer(answer, keys, { signal });
    expect(checked.answer).toEqual(approved);
    // An emulator says of itself that its keys lie in files, and the certificate does too.
    const leaf = unwrap(parseCertificate(present(checked.answer.signingChain[0], "leaf")));
    expect(keyKindOf(leaf)).toBe("file");
    const code = "ENROLMENT_ANSWER_BAD";
    const stolen = checkAnswer(answer, { ...keys, key: keysOf(other, device).key }, { signal });
    await expect(stolen).rejects.toMatchObject({ code });
    const parsed: Record<string, string> = JSON.parse(answer);
    const sealed = Buffer.from(present(parsed["sealed"], "sealed"), "base64");
    sealed[5] = (sealed[5] ?? 0) ^ 1;
    const changed = JSON.stringify({ ...parsed, sealed: sealed.toString("base64") });
    await expect(checkAnswer(changed, keys, { signal })).rejects.toMatchObject({ code });
    // Lost on the way: the operator writes it once more.
    const again = answerText(approved, registry.tpmOf(name(device)));
    expect(again).not.toBe(answer);
    expect((await checkAnswer(again, keys, { signal })).answer).toEqual(approved);
  });

  test("is refused where the site does not know its maker, or its request was changed", async () => {
    const { request } = await ask(swtpm);
    const roots = [pem(other, 0)];
    expect(await receiveEnrolment({ registry, tpmRoots: roots }, { request, now })).toMatchObject({
      fault: { code: "EK_MAKER_UNKNOWN" },
    });
    const tpmRoots = [pem(swtpm, 0)];
    const elsewhere = await ask(swtpm);
    const mixed = { ...request, tpm: present(elsewhere.request.tpm, "claim") };
    expect(await receiveEnrolment({ registry, tpmRoots }, { request: mixed, now })).toMatchObject({
      fault: { code: "CERTIFY_NOT_BOUND" },
    });
    const { tpm: _, ...silent } = { ...request, keyKind: "tpm" as const };
    expect(await receiveEnrolment({ registry, tpmRoots }, { request: silent, now })).toMatchObject({
      fault: { code: "TPM_CLAIM_MISSING" },
    });
    expect(await receiveEnrolment({ registry, tpmRoots }, { request, now })).toEqual({
      ok: true,
      value: null,
    });
    expect(registry.pending(request.device)).toEqual(request);
  });

  /** A maker made of openssl, who certifies the P-256 endorsement key of `bare`, which holds no certificate. */
  async function makerOf(of: Swtpm) {
    const spki = await Tpm.use(
      socketTransport({ path: of.socket }),
      { clock: new SystemClock(), signal },
      async (tpm) => {
        const { area } = await createPrimary(tpm, tpmHandles.endorsement, endorsementTemplates.ecc);
        if (area.type !== "ecc") throw new Error("no point");
        const point = concat(Uint8Array.of(4), area.x, area.y);
        return encodeSpki({ algorithm: "ES256", point });
      },
    );
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    const openssl = (...args: readonly string[]) =>
      execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
    writeFileSync(join(folder, "ek.pub"), key.export({ format: "pem", type: "spki" }));
    writeFileSync(
      join(folder, "ek.ext"),
      "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=2.23.133.8.1\nkeyUsage=critical,keyAgreement\n",
    );
    const ca = ["-nodes", "-keyout", "maker.key", "-out", "maker.pem", "-subj", "/CN=maker"];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    openssl("req", "-x509", ...curve, ...ca, "-addext", "basicConstraints=critical,CA:TRUE");
    openssl(
      "req",
      "-new",
      ...curve,
      "-nodes",
      "-keyout",
      "any.key",
      "-subj",
      "/",
      "-out",
      "ek.csr",
    );
    openssl(
      ...["x509", "-req", "-in", "ek.csr", "-force_pubkey", "ek.pub", "-extfile", "ek.ext"],
      ...["-CA", "maker.pem", "-CAkey", "maker.key", "-set_serial", "7", "-out", "ek.pem"],
    );
    const [root, endorsement] = ["maker.pem", "ek.pem"].map(
      (file) => new X509Certificate(readFileSync(join(folder, file))),
    );
    return { root: present(root, "root"), endorsement: present(endorsement, "endorsement") };
  }

  test("is enrolled with a certificate from a file, over the P-256 key that the TPM then makes", async () => {
    const { root, endorsement } = await makerOf(bare);
    device = `meter-${devices++}`;
    const without = { ...keysOf(bare, device), certificates: [] };
    await expect(makeRequest(name(device), without, { signal })).rejects.toMatchObject({
      code: "TPM_CERTIFICATE_MISSING",
    });
    const keys = { ...without, certificates: [new Uint8Array(endorsement.raw)] };
    const { text } = await makeRequest(name(device), keys, { signal });
    const request = unwrap(parseEnrolmentRequest(text));
    const parts = { ca, registry, tpmRoots: [root] };
    const approved = unwrap(await approveEnrolment(parts, facts, { request, now }));
    const answer = answerText(approved, request.tpm);
    expect((await checkAnswer(answer, keys, { signal })).answer).toEqual(approved);

    // Refused to everybody until its owner opens it: nothing is said of whom the answer is for.
    for (const [response, code] of Object.entries(refusals)) {
      const refusing = await refusingTpm(bare.socket, join(folder, response), code);
      const behind = { ...keys, key: `tpm:0x81020100?swtpm=${refusing.path}` };
      await expect(checkAnswer(answer, behind, { signal })).rejects.toMatchObject({
        code: "TPM_COMMAND_FAILED",
        details: { response },
      });
      expect(refusing.refused()).toBeGreaterThan(0);
      await refusing.close();
    }
  });
  /** As they come to TPM2_PolicySecret (Part 2, §6.6.3): with the session or the handle that is meant. */
  const refusals = { BAD_AUTH: 0x9a2, AUTH_FAIL: 0x98e, HIERARCHY: 0x185, DISABLED: 0x120 };

  test("is told which certificate from a file is none, or over a key that no TPM of ours makes", async () => {
    device = `meter-${devices++}`;
    const keys = keysOf(bare, device);
    const code = "TPM_CERTIFICATE_INVALID";
    const ask = (certificate: Uint8Array) =>
      makeRequest(name(device), { ...keys, certificates: [certificate] }, { signal });
    await expect(ask(utf8("no certificate"))).rejects.toMatchObject({
      code,
      message: expect.stringContaining("number 1 is no certificate"),
    });
    // RSA-3072, as the emulator's maker has it for its own key.
    const issuer = pem(bare, 1);
    expect(issuer.publicKey.asymmetricKeyDetails).not.toMatchObject({ modulusLength: 2_048 });
    await expect(ask(new Uint8Array(issuer.raw))).rejects.toMatchObject({
      code,
      message: expect.stringContaining("RSA-2048 or P-256"),
    });
  });
});
