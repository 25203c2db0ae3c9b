/** What the site CA puts into certificates: each byte of them is in every receipt. */

import { webcrypto, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDeviceKeys } from "../../../test/support/device-keys.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { SiteCa } from "./site-ca.ts";

const folder = mkdtempSync(join(tmpdir(), "site-ca-"));
afterAll(() => rmSync(folder, { recursive: true }));
const now = unixMillis(1_780_000_000_000);
const validity = { from: now, to: unixMillis(now + 31_536_000_000) };
const channel = name("milk");
let ca: SiteCa;

beforeAll(async () => {
  ca = await SiteCa.open({
    dir: join(folder, "ca"),
    organisation: name("dairy-north"),
    now,
    create: true,
  });
});

it("issues a device's signing certificate in at most 400 bytes", async () => {
  const device = name("meter-box-1");
  const { renewal } = await createDeviceKeys(device);
  const issued = await ca.issueSigning({
    csr: renewal.signing,
    channel,
    device,
    keyKind: "pkcs11",
    validity,
  });
  const [der] = present(issued.ok ? issued.value : undefined, "chain");
  expect(der.length).toBeLessThanOrEqual(400);
  expect(parseCertificate(der)).toMatchObject({ ok: true });
});

it("gives serial numbers that are positive, short and never the same", async () => {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const { publicKey } = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const serials = new Set<string>();
  // Enough that some begin with a zero byte and half with a set bit.
  for (let i = 0; i < 400; i++) {
    const [der] = await ca.issueGateway({
      publicKey,
      channel,
      gateway: name("gateway-1"),
      validity,
    });
    expect(parseCertificate(der)).toMatchObject({ ok: true });
    const { serialNumber } = new X509Certificate(der);
    expect(serialNumber).toMatch(/^[0-9A-F]{2,16}$/);
    serials.add(serialNumber);
  }
  expect(serials.size).toBe(400);
});
