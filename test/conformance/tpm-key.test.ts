/** The gateway's judgement of a key in a TPM, over what an emulated TPM and its maker really give. */

import { createSign, generateKeyPairSync, X509Certificate } from "node:crypto";
import {
  attestationKeyTemplate,
  endorsementTemplates,
  signingKeyTemplate,
} from "@tamga/agent/tpm/key-templates";
import { socketTransport } from "@tamga/agent/tpm/socket-transport";
import { Tpm } from "@tamga/agent/tpm/tpm";
import { certify, readEndorsementCertificate } from "@tamga/agent/tpm/tpm-attesting";
import type { TpmKey } from "@tamga/agent/tpm/tpm-keys";
import { createKey, createPrimary, loadKey, storageRoot } from "@tamga/agent/tpm/tpm-keys";
import { judgeTpmKey } from "@tamga/gateway/registry/judge-tpm-key";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, toHex } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { certifyQualifier } from "@tamga/ledger-core/tpm/certify-qualifier";
import type { TpmPublicArea } from "@tamga/ledger-core/tpm/public-area";
import { encodeTpmPublic, parseTpmPublic, tpmPublicKey } from "@tamga/ledger-core/tpm/public-area";
import { tpmSized, tpmU16 } from "@tamga/ledger-core/tpm/tpm-bytes";
import { tpmAlgorithms, tpmAttributes, tpmHandles } from "@tamga/ledger-core/tpm/tpm-numbers";
import type { TpmClaim } from "@tamga/ledger-core/wire/enrolment";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePart } from "../real-parts.ts";
import { Swtpm } from "../support/swtpm.ts";
import { unwrap } from "../support/unwrap.ts";

const request = {
  device: "meter-1",
  signing: Uint8Array.of(1, 2, 3),
  tls: Uint8Array.of(4, 5, 6),
};
const qualifier = certifyQualifier(nodeCrypto, request);

describe.runIf(requirePart("swtpm") && requirePart("swtpm-tools"))("a key in a TPM", () => {
  let swtpm: Swtpm;
  let roots: readonly X509Certificate[];
  let intermediates: readonly Uint8Array[];
  let claim: TpmClaim;
  let key: PublicKey;

  const use = <T>(run: (tpm: Tpm) => Promise<T>): Promise<T> =>
    Tpm.use(
      socketTransport({ path: swtpm.socket }),
      { clock: new SystemClock(), signal: AbortSignal.timeout(60_000) },
      run,
    );

  async function makeKey(tpm: Tpm, template: TpmPublicArea): Promise<TpmKey> {
    const root = await storageRoot(tpm);
    const made = await loadKey(tpm, root, await createKey(tpm, root, template));
    await tpm.flush(root.handle);
    return made;
  }

  /** What an agent would send for a key of this template, certified by one of that template. */
  function claimOf(
    signingTemplate = signingKeyTemplate,
    attestationTemplate = attestationKeyTemplate,
  ): Promise<TpmClaim> {
    return use(async (tpm) => {
      const certificate = present(await readEndorsementCertificate(tpm, "rsa"), "certificate");
      const ek = await createPrimary(tpm, tpmHandles.endorsement, endorsementTemplates.rsa);
      await tpm.flush(ek.handle);
      const ak = await createPrimary(tpm, tpmHandles.endorsement, attestationTemplate);
      const signing = await makeKey(tpm, signingTemplate);
      const options = { key: signing.handle, attestationKey: ak.handle, qualifying: qualifier };
      const certified = await certify(tpm, options);
      return {
        endorsementCertificate: certificate,
        intermediates,
        endorsementKey: ek.publicBytes,
        attestationKey: ak.publicBytes,
        signingKey: signing.publicBytes,
        certified: certified.attest,
        signature: certified.signatureBytes,
      };
    });
  }

  const keyOf = (publicBytes: Uint8Array) =>
    present(tpmPublicKey(unwrap(parseTpmPublic(publicBytes))), "key");
  const code = (
    changed: Partial<TpmClaim>,
    given: { readonly key?: PublicKey; readonly roots?: readonly X509Certificate[] } = {},
  ): string => {
    const asked = { key: given.key ?? key, qualifier };
    const judged = judgeTpmKey({ ...claim, ...changed }, asked, given.roots ?? roots);
    return judged.ok ? "ok" : judged.fault.code;
  };

  beforeAll(async () => {
    swtpm = await Swtpm.make();
    const [root, issuer] = swtpm.makerCertificates.map((pem) => new X509Certificate(pem));
    roots = [present(root, "root")];
    intermediates = [new Uint8Array(present(issuer, "issuer").raw)];
    claim = await claimOf();
    key = keyOf(claim.signingKey);
  });
  afterAll(() => swtpm.remove());

  test("is known to be in it, by its maker's certificate", () => {
    const judged = unwrap(judgeTpmKey(claim, { key, qualifier }, roots));
    expect(judged.endorsement.maker).toContain("swtpm-localca-rootca");
    expect(judged.attestationKey).toEqual(keyOf(claim.attestationKey));
    expect(toHex(judged.attestationName).slice(0, 4)).toBe("000b");
  });

  test("is refused by an unknown maker's word, and without what stands between", async () => {
    expect(code({}, { roots: [] })).toBe("EK_MAKER_UNKNOWN");
    expect(code({ intermediates: [] })).toBe("EK_MAKER_UNKNOWN");
    const other = await Swtpm.make();
    try {
      const [foreign] = other.makerCertificates.map((pem) => new X509Certificate(pem));
      expect(code({}, { roots: [present(foreign, "root")] })).toBe("EK_MAKER_UNKNOWN");
    } finally {
      await other.remove();
    }
    const five = Array.from({ length: 5 }, () => present(intermediates[0], "issuer"));
    expect(code({ intermediates: five })).toBe("EK_CHAIN_TOO_LONG");
    expect(code({ endorsementCertificate: Uint8Array.of(0x30) })).toBe("EK_CERTIFICATE_MALFORMED");
  });

  test("is refused when the certificate is over another endorsement key, or that is no such key", () => {
    const ek = unwrap(parseTpmPublic(claim.endorsementKey));
    if (ek.type !== "rsa") throw new Error("no RSA key");
    const modulus = ek.modulus.slice();
    modulus[9] = (modulus[9] ?? 0) ^ 1;
    const other = encodeTpmPublic({ ...ek, modulus });
    expect(code({ endorsementKey: other })).toBe("EK_KEY_MISMATCH");
    const attributes = ek.attributes & ~tpmAttributes.restricted;
    const loose = encodeTpmPublic({ ...ek, attributes });
    expect(code({ endorsementKey: loose })).toBe("EK_NOT_RESTRICTED");
    const issuer = present(intermediates[0], "issuer");
    expect(code({ endorsementCertificate: issuer })).toBe("EK_CERTIFICATE_OTHER_USE");
  });

  test("is refused for another request: the certification is bound to one", () => {
    const elsewhere = certifyQualifier(nodeCrypto, { ...request, device: "meter-2" });
    const judged = judgeTpmKey(claim, { key, qualifier: elsewhere }, roots);
    expect(judged).toMatchObject({ ok: false, fault: { code: "CERTIFY_NOT_BOUND" } });
  });

  test("is refused when an attestation key would sign anything, in a TPM or in software", async () => {
    const loose = await claimOf(signingKeyTemplate, signingKeyTemplate);
    expect(code(loose, { key: keyOf(loose.signingKey) })).toBe("AK_NOT_RESTRICTED");
    // Software signs what looks like a TPM's word: nothing in the bytes tells, the credential will.
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { x = "", y = "" } = publicKey.export({ format: "jwk" });
    const ak = unwrap(parseTpmPublic(claim.attestationKey));
    if (ak.type !== "ecc") throw new Error("no P-256 key");
    const [ax, ay] = [x, y].map((part) => new Uint8Array(Buffer.from(part, "base64url")));
    const area = { ...ak, x: present(ax, "x"), y: present(ay, "y") };
    const forged = { attestationKey: encodeTpmPublic(area) };
    expect(code(forged)).toBe("CERTIFY_SIGNATURE_WRONG");
    const raw = createSign("sha256")
      .update(claim.certified)
      .sign({ key: privateKey, dsaEncoding: "ieee-p1363" });
    const head = concat(tpmU16(tpmAlgorithms.ecdsa), tpmU16(tpmAlgorithms.sha256));
    const parts = [raw.subarray(0, 32), raw.subarray(32)].map((part) => tpmSized(part));
    const judged = judgeTpmKey(
      { ...claim, ...forged, signature: concat(head, ...parts) },
      { key, qualifier },
      roots,
    );
    // A name that only this software's key has: the genuine TPM opens no credential for it.
    const genuine = unwrap(judgeTpmKey(claim, { key, qualifier }, roots));
    expect(toHex(unwrap(judged).attestationName)).not.toBe(toHex(genuine.attestationName));
  });

  test("is refused when it could leave the TPM, or is another than was certified", async () => {
    const { fixedTpm, fixedParent } = tpmAttributes;
    const attributes = signingKeyTemplate.attributes & ~(fixedTpm | fixedParent);
    const movable = await claimOf({ ...signingKeyTemplate, attributes });
    expect(code(movable, { key: keyOf(movable.signingKey) })).toBe("KEY_NOT_BOUND_TO_TPM");
    expect(code({ signingKey: movable.signingKey })).toBe("CERTIFY_OTHER_KEY");
    expect(code({}, { key: keyOf(movable.signingKey) })).toBe("CERTIFY_OTHER_KEY");
  });

  test("is refused by name when a part cannot be read", () => {
    const bad = Uint8Array.of(1);
    for (const part of ["endorsementKey", "attestationKey", "signingKey", "signature"] as const) {
      const judged = judgeTpmKey({ ...claim, [part]: bad }, { key, qualifier }, roots);
      expect(judged).toMatchObject({ fault: { code: "TPM_CLAIM_MALFORMED", part } });
    }
    expect(code({ certified: bad })).toBe("TPM_CLAIM_MALFORMED");
  });
});
