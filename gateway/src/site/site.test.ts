/** The first start cut anywhere, and files that went missing since: nothing of weight is made twice. */

import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { GatewayConfig } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { openCa, openSite, sitePaths } from "./site.ts";

const now = unixMillis(1_780_000_000_000);
let config: GatewayConfig;
let paths: ReturnType<typeof sitePaths>;

beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-site-files-"));
  config = readGatewayConfig({ data: directory });
  paths = sitePaths(directory);
});
afterEach(() => rmSync(paths.ca.slice(0, -"/site-ca".length), { recursive: true }));

it.each(["gatewayCertificate", "tlsCertificate"] as const)(
  "keeps the key where a power cut left none but it: %s",
  async (which) => {
    const first = await openSite(config, now);
    const key = readFileSync(paths.gatewayKey);
    rmSync(paths[which]);
    const second = await openSite(config, now);
    expect(readFileSync(paths.gatewayKey)).toEqual(key);
    expect(second.signer.kid).toEqual(first.signer.kid);
    const { key: tlsKey, certificate } = second.tls;
    expect(tlsKey).toBe(first.tls.key);
    const names = new X509Certificate(certificate).subjectAltName;
    expect(names).toContain("DNS:localhost");
  },
);

it("makes the CA anew only while nothing depends on it", async () => {
  await openSite(config, now);
  rmSync(paths.caCertificate);
  const key = readFileSync(join(paths.ca, "ca.key"));
  writeFileSync(paths.ledger, "");
  await expect(openSite(config, now)).rejects.toMatchObject({ code: "SITE_CA_MISSING" });
  expect(readFileSync(join(paths.ca, "ca.key"))).toEqual(key);
  rmSync(paths.ledger);
  await openSite(config, now);
});

it("opens no second channel beside a lane that was ordered in another", async () => {
  await openSite(config, now);
  writeFileSync(paths.lane, "");
  await expect(openSite(config, now)).rejects.toMatchObject({ code: "LEDGER_MISSING" });
});

it("makes no CA for a command before the first start", async () => {
  await expect(openCa(config, now)).rejects.toMatchObject({ code: "SITE_NOT_STARTED" });
});

it("makes certificates that last, also where the clock begins in 1970", async () => {
  const site = await openSite(config, unixMillis(0));
  const ca = new X509Certificate(site.ca.certificate());
  const gateway = new X509Certificate(site.gatewayChain[0]);
  expect(ca.validFromDate.getFullYear()).toBe(2025);
  expect(ca.validToDate.getFullYear()).toBeGreaterThanOrEqual(2045);
  expect(gateway.validToDate.getFullYear()).toBeGreaterThanOrEqual(2035);
});
