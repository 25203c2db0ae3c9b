/** Certificates and requests under SM2 with SM3, made by OpenSSL or by us, as verifier, gateway and OpenSSL judge them. */

import { execFileSync, spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildCsr } from "@tamga/agent/signer/csr";
import { openFileSigner } from "@tamga/agent/signer/file-signer";
import { readCertificationRequest } from "@tamga/gateway/registry/certification-request";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { verifyChain } from "@tamga/ledger-core/receipt/certificate-chain";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CertificateOptions, TestKey } from "../support/certificate-builder.ts";
import { createCertificate, createKey, der, keyOf, oid } from "../support/certificate-builder.ts";
import { ecdsaOnSm2Curve, sm2PrivateKey } from "../support/sm2-keys.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";

const { signal } = new AbortController();
const directory = mkdtempSync(join(tmpdir(), "tamga-sm2-certificates-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = (of: string) => join(directory, of);
const openssl = (...parameters: readonly string[]) =>
  execFileSync("openssl", parameters, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const signing = (id = "1234567812345678") => ["-sm3", "-sigopt", `distid:${id}`];
const verifying = ["-vfyopt", "distid:1234567812345678"];
const fileOf = (of: string) => new Uint8Array(readFileSync(file(of)));

/** The one answer of both ports: `organisation`, or a code with its position. */
function judge(chain: readonly Uint8Array[], ca: Uint8Array): string {
  const trusted = [{ name: name("organisation-1"), certificate: unwrap(parseCertificate(ca)) }];
  const [native, portable] = [nodeCrypto, nobleCrypto].map((crypto) =>
    verifyChain(crypto, chain, trusted, {}),
  );
  expect(portable, "native and portable differ").toEqual(native);
  if (native?.ok === true) return native.value.organisation;
  const { code, ...facts } = native?.fault ?? { code: "none" };
  return [code, ...Object.values(facts)].join(" ");
}

describe("chains of OpenSSL's making, the device's key in a file of ours", () => {
  let csr: Uint8Array;

  beforeAll(async () => {
    const signer = await openFileSigner({
      path: file("device.key"),
      create: true,
      algorithm: "SM2-SM3",
    });
    csr = await buildCsr(signer, "device-1", { signal });
    writeFileSync(file("device.csr"), csr);
    for (const of of ["ca", "middle"])
      openssl("genpkey", "-algorithm", "SM2", "-out", file(`${of}.key`));
    const usage = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
    writeFileSync(file("ca.ext"), usage);
    writeFileSync(file("leaf.ext"), "keyUsage=critical,digitalSignature\n");
    const request = ["req", "-new", "-key", file("ca.key"), "-subj", "/CN=organisation"];
    openssl(...request, ...signing(), "-out", file("ca.csr"));
    const self = ["x509", "-req", "-in", file("ca.csr"), "-signkey", file("ca.key"), ...verifying];
    const ext = ["-extfile", file("ca.ext"), "-days", "3650", "-outform", "DER"];
    openssl(...self, ...signing(), ...ext, "-out", file("ca.der"));
    openssl("x509", "-in", file("ca.der"), "-inform", "DER", "-out", file("ca.pem"));
  });

  function issue(csrFile: string, out: string, ext: string, ...more: readonly string[]): void {
    const by = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-set_serial", "7"];
    const form = ["-outform", "DER", "-out", file(out), "-days", "365", "-extfile", file(ext)];
    openssl("x509", "-req", "-in", file(csrFile), ...verifying, ...by, ...form, ...more);
  }

  it("OpenSSL verifies our request, and only as SM2 with this user ID", () => {
    const options = ["req", "-inform", "DER", "-verify", "-noout", "-text", "-vfyopt"];
    const judged = (id: string) =>
      spawnSync("openssl", [...options, `distid:${id}`], { input: csr, encoding: "utf8" });
    const good = judged("1234567812345678");
    expect(`${good.stdout}${good.stderr}`).toMatch(/verify OK/);
    expect(good.stdout).toContain("Signature Algorithm: SM2-with-SM3");
    expect(judged("ALICE123@YAHOO.COM").stderr).not.toMatch(/verify OK/);
  });

  it("verify from the device to the organisation, directly and over another CA", () => {
    openssl("req", "-in", file("device.csr"), "-inform", "DER", "-out", file("device.csr.pem"));
    issue("device.csr.pem", "leaf.der", "leaf.ext", ...signing());
    expect(judge([fileOf("leaf.der")], fileOf("ca.der"))).toBe("organisation-1");
    const leaf = fileOf("leaf.der");
    for (let bit = 40; bit < 8 * leaf.length; bit += 97) {
      const changed = leaf.with(bit >> 3, (leaf[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
      expect(judge([changed], fileOf("ca.der")), `bit ${bit}`).not.toBe("organisation-1");
    }
    // Who reads it with OpenSSL's eyes sees the same key.
    const spki = new X509Certificate(leaf).publicKey.export({ type: "spki", format: "der" });
    const device = createPrivateKey(readFileSync(file("device.key")));
    const { spki: own } = keyOf("SM2-SM3", device);
    expect(new Uint8Array(spki)).toEqual(own);

    const request = ["req", "-new", "-key", file("middle.key"), "-subj", "/CN=middle"];
    openssl(...request, ...signing(), "-out", file("middle.csr"));
    issue("middle.csr", "middle.der", "ca.ext", ...signing());
    openssl("x509", "-in", file("middle.der"), "-inform", "DER", "-out", file("middle.pem"));
    const below = ["-CA", file("middle.pem"), "-CAkey", file("middle.key"), "-set_serial", "8"];
    const form = ["-outform", "DER", "-out", file("deep.der"), "-extfile", file("leaf.ext")];
    const from = ["x509", "-req", "-in", file("device.csr.pem"), ...verifying];
    openssl(...from, ...below, ...form, ...signing());
    const deep = [fileOf("deep.der"), fileOf("middle.der")];
    expect(judge(deep, fileOf("ca.der"))).toBe("organisation-1");
    expect(judge(deep.slice(0, 1), fileOf("ca.der"))).toBe("CHAIN_NOT_TRUSTED");
  });

  it("are refused where the CA signed for another user ID", () => {
    issue("device.csr.pem", "other.der", "leaf.ext", ...signing("ALICE123@YAHOO.COM"));
    expect(judge([fileOf("other.der")], fileOf("ca.der"))).toBe("CHAIN_SIGNATURE_WRONG 0");
  });

  it("take requests of OpenSSL's at the gateway, and none that is not SM2's", async () => {
    const read = async (der: Uint8Array) => {
      const judged = await readCertificationRequest(der, name("device-1"));
      return judged.ok ? judged.value.publicKey.algorithm : judged.fault.code;
    };
    expect(await read(csr)).toBe("SM2-SM3");
    const request = ["req", "-new", "-key", file("middle.key"), "-subj", "/CN=device-1"];
    const made = (...more: readonly string[]) => {
      openssl(...request, ...more, "-outform", "DER", "-out", file("made.csr"));
      return read(fileOf("made.csr"));
    };
    expect(await made(...signing())).toBe("SM2-SM3");
    expect(await made(...signing("ALICE123@YAHOO.COM"))).toBe("CSR_SIGNATURE_WRONG");
    const last = csr.length - 1;
    expect(await read(csr.with(last, (csr[last] ?? 0) ^ 1))).toBe("CSR_SIGNATURE_WRONG");
    expect(await read(csr.subarray(0, last))).toBe("CSR_MALFORMED");
    const elsewhere = await readCertificationRequest(csr, name("device-2"));
    expect(elsewhere).toEqual({ ok: false, fault: { code: "CSR_WRONG_NAME" } });
  });
});

describe("certificates written by hand", () => {
  const ca = createKey("SM2-SM3");
  const device = createKey("SM2-SM3");
  const root = createCertificate({ subject: "organisation", publicKey: ca, ca: true });
  const leaf = (options: Partial<CertificateOptions> = {}, key: TestKey = ca) =>
    createCertificate({
      subject: "device-1",
      publicKey: device,
      issuer: { subject: "organisation", key },
      ...options,
    });
  const sm2Oid = oid("1.2.156.10197.1.501");

  it("may leave the algorithm's parameters out, or write NULL", () => {
    expect(judge([leaf()], root)).toBe("organisation-1");
    const withNull = leaf({ signatureIdentifier: der(0x30, sm2Oid, der(0x05)) });
    expect(judge([withNull], root)).toBe("organisation-1");
    const other = leaf({ signatureIdentifier: der(0x30, sm2Oid, der(0x02, Uint8Array.of(1))) });
    expect(judge([other], root)).toBe(
      "CERT_SIGNATURE_ALGORITHM_UNSUPPORTED SM2 with SM3 and other parameters",
    );
  });

  it("may hold keys of other kinds, and be under CAs of other kinds", () => {
    for (const algorithm of ["ES256", "EdDSA"] as const) {
      expect(judge([leaf({ publicKey: createKey(algorithm) })], root)).toBe("organisation-1");
      const other = createKey(algorithm);
      const plain = createCertificate({ subject: "organisation", publicKey: other, ca: true });
      expect(judge([leaf({}, other)], plain)).toBe("organisation-1");
    }
  });

  it("are refused by ECDSA on the SM2 curve, whatever they call it", () => {
    const secret = new Uint8Array(32).fill(5);
    const forger = keyOf("SM2-SM3", sm2PrivateKey(secret));
    const sign = (message: Uint8Array) =>
      ecdsaOnSm2Curve(secret, message, { nonce: new Uint8Array(32).fill(6) });
    const own = createCertificate({ subject: "organisation", publicKey: forger, ca: true });
    expect(judge([leaf({}, forger)], own)).toBe("organisation-1");
    expect(judge([leaf({}, { ...forger, sign })], own)).toBe("CHAIN_SIGNATURE_WRONG 0");
    const signatureIdentifier = der(0x30, oid("1.2.840.10045.4.3.2"));
    expect(judge([leaf({ signatureIdentifier }, { ...forger, sign })], own)).toBe(
      "CHAIN_SIGNATURE_WRONG 0",
    );
  });

  it("are refused with a key that is compressed or of an unnamed curve", () => {
    const { spki } = device;
    const prefix = spki.subarray(2, 23);
    const compressed = Uint8Array.of(0x00, 0x02, ...spki.subarray(-64, -32));
    const keys = [
      der(0x30, prefix, der(0x03, compressed)),
      der(
        0x30,
        der(0x30, oid("1.2.840.10045.2.1"), oid("1.2.156.10197.1.300")),
        der(0x03, spki.subarray(-66)),
      ),
    ];
    for (const wrong of keys)
      expect(judge([leaf({ publicKey: { ...device, spki: wrong } })], root)).toMatch(
        /^CERT_KEY_UNSUPPORTED/,
      );
  });
});
