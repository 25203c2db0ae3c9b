/** Enrolment of a device whose key is in a TPM, over the two files, with both real sides and an emulated TPM. */

import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkAnswer, makeRequest } from "@tamga/agent/enrol";
import { DeviceRegistry } from "@tamga/gateway/registry/device-registry";
import type { SiteFacts } from "@tamga/gateway/registry/enrolment";
import { approveEnrolment, receiveEnrolment } from "@tamga/gateway/registry/enrolment";
import { answerText } from "@tamga/gateway/registry/seal-answer";
import { SiteCa } from "@tamga/gateway/registry/site-ca";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { keyKindOf } from "@tamga/ledger-core/receipt/certificate-names";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { parseEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../real-parts.ts";
import { Swtpm } from "../support/swtpm.ts";
import { SyntheticChannel } from "../support/synthetic-channel.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";

const { signal } = new AbortController();
const now = unixMillis(Date.now());

describe.runIf(requirePart("swtpm") && requirePart("swtpm-tools"))("a device with a TPM", () => {
  const folder = mkdtempSync(join(tmpdir(), "tamga-tpm-enrolment-"));
  let swtpm: Swtpm;
  let other: Swtpm;
  let ca: SiteCa;
  let registry: DeviceRegistry;
  let facts: SiteFacts;
  let device = "";
  let devices = 0;

  beforeAll(async () => {
    [swtpm, other] = await Promise.all([Swtpm.make(), Swtpm.make()]);
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
    await Promise.all([swtpm.remove(), other.remove()]);
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
});
