/** Parses X.509 certificates (RFC 5280), those parts that a chain of ours uses, and refuses the rest. */

import { present } from "../base/assert.ts";
import { concat, equal, fromHex } from "../base/bytes.ts";
import type { Algorithm, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import { certificateBytesMax } from "../wire/limits.ts";
import type { CertificateExtensions } from "./certificate-extensions.ts";
import { parseExtensions } from "./certificate-extensions.ts";
import { fromCivil } from "./civil-time.ts";
import { DerReader, derTags } from "./der.ts";
import { rsaModulusBytesMax, rsaModulusBytesMin } from "./limits.ts";

/** A certificate taken apart; its signature is checked by `certificate-chain.ts`. */
export type X509Certificate = {
  readonly der: Uint8Array;
  /** The bytes that the issuer signed. */
  readonly tbs: Uint8Array;
  readonly algorithm: Algorithm;
  /** In the form that {@link PublicKey} checks take: ECDSA as r‖s. */
  readonly signature: Uint8Array;
  /** Names as DER, to compare; `commonName` is the subject's, "" where it has none. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly commonName: string;
  readonly notBefore: UnixMillis;
  readonly notAfter: UnixMillis;
  readonly publicKey: PublicKey;
} & CertificateExtensions;

export type CertificateFault =
  | { readonly code: "CERT_TOO_LONG"; readonly limit: number }
  | { readonly code: "CERT_MALFORMED" }
  | { readonly code: "CERT_VERSION_UNSUPPORTED" }
  | { readonly code: "CERT_SIGNATURE_ALGORITHM_UNSUPPORTED"; readonly algorithm: string }
  | { readonly code: "CERT_KEY_UNSUPPORTED"; readonly algorithm: string }
  | { readonly code: "CERT_EXTENSION_UNKNOWN"; readonly extension: string };

/**
 * Parses one DER certificate of version 3, at most 8,192 bytes. Keys are P-256, Ed25519, SM2, or RSA of
 * 2,048 to 4,096 bits; signatures ECDSA or RSASSA-PSS with SHA-256, Ed25519, or SM2 with SM3.
 *
 * Faults: CERT_TOO_LONG, CERT_MALFORMED, CERT_VERSION_UNSUPPORTED, CERT_KEY_UNSUPPORTED and
 *   CERT_SIGNATURE_ALGORITHM_UNSUPPORTED (by name or OID), CERT_EXTENSION_UNKNOWN (a critical one).
 */
export function parseCertificate(der: Uint8Array): Result<X509Certificate, CertificateFault> {
  if (der.length > certificateBytesMax)
    return err({ code: "CERT_TOO_LONG", limit: certificateBytesMax });
  const outer = new DerReader(der);
  const certificate = outer.nested(derTags.sequence);
  const tbs = certificate.take(derTags.sequence);
  const identifier = certificate.take(derTags.sequence);
  const bits = certificate.bytesOfBits();
  certificate.close();
  if (!outer.finish()) return err({ code: "CERT_MALFORMED" });

  const algorithm = signatureAlgorithmOf(identifier.whole);
  if (algorithm === undefined) {
    const name = nameOfAlgorithm(identifier.content);
    return err({ code: "CERT_SIGNATURE_ALGORITHM_UNSUPPORTED", algorithm: name });
  }
  const body = parseBody(tbs.content, identifier.whole);
  if (!body.ok) return body;
  const signature = fixedSignature(algorithm, bits);
  if (signature === undefined) return err({ code: "CERT_MALFORMED" });
  return ok({ der, tbs: tbs.whole, algorithm, signature, ...body.value });
}

type Body = Omit<X509Certificate, "der" | "tbs" | "algorithm" | "signature">;

/** TBSCertificate (RFC 5280 §4.1.2); `outerAlgorithm` must stand in it again. */
function parseBody(
  content: Uint8Array,
  outerAlgorithm: Uint8Array,
): Result<Body, CertificateFault> {
  const fields = new DerReader(content);
  const version = fields.optional(versionTag);
  if (version === undefined || !equal(version.content, version3))
    return err({ code: "CERT_VERSION_UNSUPPORTED" });
  fields.unsigned();
  if (!equal(fields.take(derTags.sequence).whole, outerAlgorithm)) fields.refuse();
  const issuer = fields.take(derTags.sequence).whole;
  const validity = fields.nested(derTags.sequence);
  const notBefore = parseTime(validity);
  const notAfter = parseTime(validity);
  validity.close();
  const subject = fields.take(derTags.sequence);
  const commonName = parseCommonName(fields.within(subject.content));
  const spki = fields.take(derTags.sequence);
  const list = fields.optional(extensionsTag);
  const extensions = parseExtensions(fields.within(list?.content ?? noExtensions));
  if (!fields.finish()) return err({ code: "CERT_MALFORMED" });
  if (!extensions.ok) return extensions;
  const publicKey = parsePublicKey(spki.whole);
  if (!publicKey.ok) return publicKey;
  return ok({
    issuer,
    subject: subject.whole,
    commonName,
    notBefore,
    notAfter,
    publicKey: publicKey.value,
    ...extensions.value,
  });
}

const versionTag = 0xa0;
const extensionsTag = 0xa3;
/** INTEGER 2, which means version 3. */
const version3 = Uint8Array.of(0x02, 0x01, 0x02);
/** An empty SEQUENCE OF Extension, for a certificate that has none. */
const noExtensions = Uint8Array.of(derTags.sequence, 0x00);

/** UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5), both with seconds and `Z`. */
function parseTime(validity: DerReader): UnixMillis {
  const element = validity.any();
  const text = String.fromCharCode(...element.content.subarray(0, 16));
  const pattern =
    element.tag === derTags.utcTime
      ? /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
      : element.tag === derTags.generalizedTime
        ? /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/
        : undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = (
    pattern?.exec(text) ?? []
  )
    .slice(1)
    .map(Number);
  const century = element.tag === derTags.utcTime ? (year < 50 ? 2_000 : 1_900) : 0;
  const at = fromCivil({ year: century + year, month, day, hour, minute, second });
  if (at === undefined || element.content.length > 16) validity.refuse();
  return at ?? unixMillis(0);
}

/** The last CN of a Name; every other attribute is only compared, as bytes. */
function parseCommonName(names: DerReader): string {
  let commonName = "";
  while (names.more) {
    const set = names.nested(derTags.set);
    while (set.more) {
      const attribute = set.nested(derTags.sequence);
      const oid = attribute.oid();
      const value = attribute.any();
      if (oid === "2.5.4.3") commonName = attribute.text(value);
      attribute.close();
    }
  }
  return commonName;
}

/** SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of one of our kinds of key. Faults: CERT_MALFORMED, CERT_KEY_UNSUPPORTED. */
export function parsePublicKey(spki: Uint8Array): Result<PublicKey, CertificateFault> {
  const outer = new DerReader(spki);
  const fields = outer.nested(derTags.sequence);
  const identifier = fields.take(derTags.sequence);
  const bits = fields.bytesOfBits();
  fields.close();
  if (!outer.finish()) return err({ code: "CERT_MALFORMED" });
  const known = keyAlgorithms.find(({ der }) => equal(der, identifier.whole));
  const unsupported = {
    code: "CERT_KEY_UNSUPPORTED",
    algorithm: nameOfAlgorithm(identifier.content),
  } as const;
  switch (known?.name) {
    case "ES256":
      if (bits.length !== 65 || bits[0] !== 4) return err(unsupported);
      return ok({ algorithm: "ES256", point: bits });
    case "SM2-SM3":
      if (bits.length !== 65 || bits[0] !== 4) return err(unsupported);
      return ok({ algorithm: "SM2-SM3", point: bits });
    case "EdDSA":
      if (bits.length !== 32) return err(unsupported);
      return ok({ algorithm: "EdDSA", point: bits });
    case "PS256":
      return isRsaKey(bits) ? ok({ algorithm: "PS256", spki }) : err(unsupported);
    case undefined:
      return err(unsupported);
  }
}

/** RSAPublicKey (RFC 8017 §A.1.1) of a size that we take, with the exponent 65,537. */
function isRsaKey(bits: Uint8Array): boolean {
  const outer = new DerReader(bits);
  const fields = outer.nested(derTags.sequence);
  const modulus = fields.unsigned();
  const exponent = fields.unsigned();
  fields.close();
  if (!outer.finish() || !equal(exponent, Uint8Array.of(1, 0, 1))) return false;
  const topBit = (modulus[0] ?? 0) >= 0x80;
  return topBit && modulus.length >= rsaModulusBytesMin && modulus.length <= rsaModulusBytesMax;
}

/** @param identifier an AlgorithmIdentifier in DER, whole. */
export function signatureAlgorithmOf(identifier: Uint8Array): Algorithm | undefined {
  return signatureAlgorithms.find(({ der }) => equal(der, identifier))?.name;
}

/** A signature as {@link PublicKey} checks take it, of how X.509 carries it; undefined where it is malformed. */
export function fixedSignature(algorithm: Algorithm, bits: Uint8Array): Uint8Array | undefined {
  return algorithm === "ES256" || algorithm === "SM2-SM3" ? fixedForm(bits) : bits;
}

/** ECDSA-Sig-Value (RFC 3279 §2.2.3), which is SM2's form, too (GM/T 0009-2012 §7.3), as r‖s of 32 bytes each. */
function fixedForm(der: Uint8Array): Uint8Array | undefined {
  const outer = new DerReader(der);
  const fields = outer.nested(derTags.sequence);
  const [r, s] = [fields.unsigned(), fields.unsigned()];
  fields.close();
  if (!outer.finish() || r.length > 32 || s.length > 32) return undefined;
  return concat(new Uint8Array(32 - r.length), r, new Uint8Array(32 - s.length), s);
}

function bytesOf(hex: string): Uint8Array {
  return present(fromHex(hex), "hexadecimal");
}

/**
 * AlgorithmIdentifiers as their one DER form, parameters included (RFC 5758, RFC 8410, RFC 4055). Only SM2's
 * (GM/T 0006-2012) has two: OpenSSL leaves its parameters out, other CAs write NULL.
 */
const signatureAlgorithms: readonly { readonly name: Algorithm; readonly der: Uint8Array }[] = [
  { name: "ES256", der: bytesOf("300a06082a8648ce3d040302") },
  { name: "EdDSA", der: bytesOf("300506032b6570") },
  {
    // RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
    name: "PS256",
    der: bytesOf(
      "304106092a864886f70d01010a3034a00f300d06096086480165030402010500" +
        "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
    ),
  },
  { name: "SM2-SM3", der: bytesOf("300a06082a811ccf55018375") },
  { name: "SM2-SM3", der: bytesOf("300c06082a811ccf550183750500") },
];

const keyAlgorithms: readonly { readonly name: Algorithm; readonly der: Uint8Array }[] = [
  { name: "ES256", der: bytesOf("301306072a8648ce3d020106082a8648ce3d030107") },
  { name: "EdDSA", der: bytesOf("300506032b6570") },
  { name: "PS256", der: bytesOf("300d06092a864886f70d0101010500") },
  { name: "SM2-SM3", der: bytesOf("301306072a8648ce3d020106082a811ccf5501822d") },
];

/** A readable name for what is refused; only names that people meet. */
const algorithmNames: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.1": "RSA",
  "1.2.840.113549.1.1.4": "RSA with MD5",
  "1.2.840.113549.1.1.5": "RSA with SHA-1",
  "1.2.840.113549.1.1.10": "RSASSA-PSS with other parameters",
  "1.2.840.113549.1.1.11": "RSA PKCS #1 v1.5 with SHA-256",
  "1.2.840.10040.4.3": "DSA with SHA-1",
  "1.2.840.10045.2.1": "EC on another curve",
  "1.2.840.10045.4.1": "ECDSA with SHA-1",
  "1.2.840.10045.4.3.3": "ECDSA with SHA-384",
  "1.2.840.10045.4.3.4": "ECDSA with SHA-512",
  "1.2.156.10197.1.501": "SM2 with SM3 and other parameters",
  "1.3.101.113": "Ed448",
};

function nameOfAlgorithm(identifier: Uint8Array): string {
  const oid = new DerReader(identifier).oid();
  return algorithmNames[oid] ?? oid;
}
