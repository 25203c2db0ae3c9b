/** How long an enrolment by files takes: keys and request, the site's judgement and certificates, the answer taken. */

import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkAnswer, makeRequest } from "@tamga/agent/enrol";
import { readGatewayConfig } from "@tamga/gateway/config";
import { DeviceRegistry } from "@tamga/gateway/registry/device-registry";
import { approveEnrolment } from "@tamga/gateway/registry/enrolment";
import { answerText } from "@tamga/gateway/registry/seal-answer";
import { openCa, sitePaths } from "@tamga/gateway/site/site";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { parseEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { requirePart } from "../real-parts.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";
import type { Bench, BenchContext } from "./bench.ts";
import type { Row } from "./row.ts";
import { rowOf } from "./row.ts";

const { signal } = new AbortController();
const parts = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;

export const enrolmentTime: Bench = {
  name: "enrolment",
  async run(context) {
    const site = await TestSite.start();
    const work = mkdtempSync(join(tmpdir(), "tamga-bench-enrolment-"));
    try {
      const rows = [await fileRow(context, site, work)];
      if (parts.every((part) => requirePart(part))) rows.push(await tpmRow(context, site, work));
      return rows;
    } finally {
      await site.close();
      rmSync(work, { recursive: true });
    }
  },
};

async function fileRow({ runs }: BenchContext, site: TestSite, work: string): Promise<Row> {
  const values: number[] = [];
  for (let run = 0; run < runs; run++) {
    const dataDir = join(work, `file-${run}`);
    values.push(
      await enrolmentMs(site, { device: `file-${run}`, key: `file:${dataDir}/k`, dataDir }),
    );
  }
  return rowOf({
    name: "enrolment of a device with a key file",
    unit: "ms",
    values,
    conditions:
      "in one process, without the start of any program; P-256; request and answer as texts",
  });
}

async function tpmRow({ runs }: BenchContext, site: TestSite, work: string): Promise<Row> {
  const swtpm = await Swtpm.make();
  try {
    const [root, issuer] = swtpm.makerCertificates.map((pem) => new X509Certificate(pem));
    const values: number[] = [];
    for (let run = 0; run < runs; run++) {
      const key = `tpm:0x8102000${run + 1}${swtpm.keyUriQuery}`;
      const dataDir = join(work, `tpm-${run}`);
      const given = { device: `tpm-${run}`, key, dataDir };
      values.push(
        await enrolmentMs(site, given, {
          tpmRoots: [present(root, "the maker's root")],
          certificates: [new Uint8Array(present(issuer, "its issuer").raw)],
        }),
      );
    }
    return rowOf({
      name: "enrolment of a device with a key in a TPM",
      unit: "ms",
      values,
      conditions:
        "emulated TPM (swtpm): a chip takes seconds for its keys; EK chain, attestation key, TPM2_Certify, the answer sealed and opened in the TPM; one process",
    });
  } finally {
    await swtpm.remove();
  }
}

async function enrolmentMs(
  site: TestSite,
  {
    device,
    key,
    dataDir,
  }: { readonly device: string; readonly key: string; readonly dataDir: string },
  tpm: {
    readonly tpmRoots?: readonly X509Certificate[];
    readonly certificates?: readonly Uint8Array[];
  } = {},
): Promise<number> {
  const config = readGatewayConfig({ data: site.dir });
  const now = unixMillis(Date.now());
  const ca = await openCa(config, now);
  const registry = new DeviceRegistry(sitePaths(site.dir).registry);
  const facts = {
    channel: config.channel,
    gateway: config.gateway,
    uplink: [`mqtts://127.0.0.1:${site.mqttPort}`],
    trust: readFileSync(sitePaths(site.dir).trust, "utf8"),
    certificateDays: config.certificates.device_days,
  };
  const { certificates = [], tpmRoots = [] } = tpm;
  const keys = { dataDir, key, profile: "development" as const, certificates };
  try {
    const begun = performance.now();
    const { text } = await makeRequest(name(device), keys, { signal });
    const request = unwrap(parseEnrolmentRequest(text));
    const asked = { request, now };
    const approved = unwrap(await approveEnrolment({ ca, registry, tpmRoots }, facts, asked));
    const { answer } = await checkAnswer(answerText(approved, request.tpm), keys, { signal });
    const ms = performance.now() - begun;
    if (answer.device !== device) throw new Error("an answer for another device");
    return ms;
  } finally {
    registry.close();
  }
}
