import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  createCertificate,
  createKey,
  day,
  der,
  extension,
} from "../../../test/support/certificate-builder.ts";
import { present } from "../base/assert.ts";
import { fromBase64 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { certificateBytesMax } from "../wire/limits.ts";
import { extensionsMax, subjectNamesMax } from "./limits.ts";
import { parseCertificate } from "./x509-certificate.ts";

const key = createKey("ES256");
const plain = { subject: "device", publicKey: key };

function codeOf(bytes: Uint8Array): string {
  const parsed = parseCertificate(bytes);
  return parsed.ok ? "parsed" : parsed.fault.code;
}

const vectors = z
  .object({
    certificates: z.array(
      z.object({
        name: z.string(),
        der: z.string(),
        fault: z.string().optional(),
        fact: z.string().optional(),
      }),
    ),
  })
  .parse(
    JSON.parse(
      readFileSync(new URL("../../../test/vectors/x509-openssl.json", import.meta.url), "utf8"),
    ),
  ).certificates;

describe("certificates made by OpenSSL", () => {
  test.each(vectors.filter(({ fault }) => fault === undefined))("$name is read", (vector) => {
    const parsed = parseCertificate(present(fromBase64(vector.der), "base64"));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    const { tbs, signature, publicKey, subject, issuer, commonName } = parsed.value;
    expect(nodeCrypto.verify(publicKey, tbs, signature), "self-signature").toBe(true);
    expect([commonName, subject]).toEqual(["openssl device", issuer]);
    if (vector.name === "ca-pathlen-1") {
      expect(parsed.value).toMatchObject({
        basicConstraints: { ca: true, pathLength: 1 },
        keyUsage: { digitalSignature: false, keyCertSign: true },
      });
    } else {
      expect(parsed.value).toMatchObject({
        keyUsage: { digitalSignature: true, keyCertSign: false },
        extendedKeyUsage: ["1.3.6.1.5.5.7.3.2"],
        uris: ["urn:x-tamga:device:milk:device-1", "urn:x-tamga:key:file"],
        dnsNames: ["box.example"],
      });
      expect(parsed.value.basicConstraints).toBeUndefined();
    }
  });

  test.each(vectors.filter(({ fault }) => fault !== undefined))("$name", (vector) => {
    const parsed = parseCertificate(present(fromBase64(vector.der), "base64"));
    expect(parsed.ok ? {} : parsed.fault).toMatchObject({ code: vector.fault });
    expect(JSON.stringify(parsed)).toContain(vector.fact);
  });
});

describe("validity", () => {
  test.each([
    ["1970-01-01", "2049-12-31"],
    ["2050-01-01", "9999-12-31"],
  ])("is read from %s to %s, in both forms of time", (from, to) => {
    const bytes = createCertificate({ ...plain, notBefore: day(from), notAfter: day(to) });
    const parsed = parseCertificate(bytes);
    expect(parsed.ok && [parsed.value.notBefore, parsed.value.notAfter]).toEqual([
      day(from).getTime(),
      day(to).getTime(),
    ]);
  });
});

describe("limits and forms", () => {
  const note = (index: number) => extension(`1.3.6.1.4.1.99999.${index}`, der(0x05));
  // KeyUsage is one more.
  const many = (count: number) => Array.from({ length: count - 1 }, (_, index) => note(index));

  test("CERT_TOO_LONG past its limit", () => {
    expect(codeOf(new Uint8Array(certificateBytesMax + 1))).toBe("CERT_TOO_LONG");
    expect(codeOf(new Uint8Array(certificateBytesMax))).toBe("CERT_MALFORMED");
  });

  test("extensions and names up to their limits", () => {
    expect(codeOf(createCertificate({ ...plain, extensions: many(extensionsMax) }))).toBe("parsed");
    expect(codeOf(createCertificate({ ...plain, extensions: many(extensionsMax + 1) }))).toBe(
      "CERT_MALFORMED",
    );
    const names = Array.from({ length: subjectNamesMax }, (_, index) => `urn:${index}`);
    expect(codeOf(createCertificate({ ...plain, uris: names }))).toBe("parsed");
    expect(codeOf(createCertificate({ ...plain, uris: [...names, "urn:x"] }))).toBe(
      "CERT_MALFORMED",
    );
    const purposes = names.map((_, index) => `1.3.${index}`);
    expect(codeOf(createCertificate({ ...plain, extendedKeyUsage: purposes }))).toBe("parsed");
    expect(codeOf(createCertificate({ ...plain, extendedKeyUsage: [...purposes, "1.2.3"] }))).toBe(
      "CERT_MALFORMED",
    );
  });

  test("one extension twice, or with something after its value", () => {
    expect(codeOf(createCertificate({ ...plain, extensions: [note(1), note(1)] }))).toBe(
      "CERT_MALFORMED",
    );
    const loose = extension("2.5.29.19", Uint8Array.of(0x30, 0, 0), true);
    expect(codeOf(createCertificate({ ...plain, extensions: [loose] }))).toBe("CERT_MALFORMED");
  });

  test("versions 1 and 2", () => {
    expect(codeOf(createCertificate({ ...plain, version: 2 }))).toBe("CERT_VERSION_UNSUPPORTED");
  });

  test("an algorithm that differs inside and outside", () => {
    const bytes = createCertificate(plain);
    const ed25519 = createCertificate({ subject: "x", publicKey: createKey("EdDSA") });
    expect(codeOf(bytes)).toBe("parsed");
    expect(codeOf(ed25519)).toBe("parsed");
    const identifier = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    const at = Buffer.from(bytes).lastIndexOf(Buffer.from(identifier));
    const mixed = bytes.slice();
    mixed[at + 7] = 3;
    expect(codeOf(mixed)).toBe("CERT_SIGNATURE_ALGORITHM_UNSUPPORTED");
  });

  test("a flipped bit leaves no certificate with a good signature, and nothing throws", () => {
    const bytes = createCertificate({ ...plain, ca: true, uris: ["urn:a"] });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 * bytes.length - 1 }), (bit) => {
        const flipped = bytes.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const parsed = parseCertificate(flipped);
        if (!parsed.ok) return;
        const { tbs, signature } = parsed.value;
        expect(nodeCrypto.verify(key.publicKey, tbs, signature)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});
