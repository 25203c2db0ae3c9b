/** Builds X.509 certificates and keys for tests, wrong ones too, out of DER written by hand. */

import type { KeyObject } from "node:crypto";
import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Algorithm, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { createSm2PrivateKey, sm2SignatureBy } from "./sm2-keys.ts";

/** A key pair with the two views of it that tests need. */
export type TestKey = {
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: PublicKey;
  readonly spki: Uint8Array;
  /** A COSE signature: ES256 as r‖s. */
  sign(message: Uint8Array): Uint8Array;
};

export function createKey(algorithm: Algorithm): TestKey {
  if (algorithm === "SM2-SM3") return keyOf(algorithm, createSm2PrivateKey());
  const { privateKey } =
    algorithm === "ES256"
      ? generateKeyPairSync("ec", { namedCurve: "prime256v1" })
      : algorithm === "EdDSA"
        ? generateKeyPairSync("ed25519")
        : generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return keyOf(algorithm, privateKey);
}

export function keyOf(algorithm: Algorithm, privateKey: KeyObject): TestKey {
  const spki = plain(createPublicKey(privateKey).export({ type: "spki", format: "der" }));
  const publicKey: PublicKey =
    algorithm === "PS256"
      ? { algorithm, spki }
      : { algorithm, point: spki.subarray(algorithm === "EdDSA" ? -32 : -65) };
  return {
    algorithm,
    privateKey,
    publicKey,
    spki,
    sign: (message) => plain(signWith(publicKey, privateKey, message)),
  };
}

export type CertificateOptions = {
  readonly subject: string;
  readonly publicKey: TestKey;
  /** Name and key of the issuer; itself where left out. */
  readonly issuer?: { readonly subject: string; readonly key: TestKey };
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly ca?: boolean;
  readonly pathLength?: number;
  /** Bit numbers of KeyUsage; false for no such extension. */
  readonly keyUsage?: readonly number[] | false;
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly extendedKeyUsage?: readonly string[];
  /** Whole further extensions, see {@link extension}. */
  readonly extensions?: readonly Uint8Array[];
  /** Replaces the signature's AlgorithmIdentifier in both places. */
  readonly signatureIdentifier?: Uint8Array;
  readonly version?: number;
};

/** The certificate's DER. A CA gets keyCertSign, a leaf digitalSignature, unless told otherwise. */
export function createCertificate(options: CertificateOptions): Uint8Array {
  const { subject, publicKey, ca = false } = options;
  const issuer = options.issuer ?? { subject, key: publicKey };
  const identifier = options.signatureIdentifier ?? identifiers[issuer.key.algorithm];
  const tbs = der(
    0x30,
    der(0xa0, der(0x02, Uint8Array.of((options.version ?? 3) - 1))),
    der(0x02, Uint8Array.of(0x4d, 0x01)),
    identifier,
    nameOf(issuer.subject),
    der(
      0x30,
      timeOf(options.notBefore ?? day("2025-01-01")),
      timeOf(options.notAfter ?? day("2035-01-01")),
    ),
    nameOf(subject),
    publicKey.spki,
    der(0xa3, der(0x30, ...extensionsOf(options, ca))),
  );
  const signed = issuer.key.sign(tbs);
  const isPair = issuer.key.algorithm === "ES256" || issuer.key.algorithm === "SM2-SM3";
  const signature = isPair ? derSignature(signed) : signed;
  return der(0x30, tbs, identifier, der(0x03, Uint8Array.of(0), signature));
}

export function day(text: string): Date {
  return new Date(`${text}T00:00:00Z`);
}

/** One extension, critical or not, around its DER value. */
export function extension(oidText: string, value: Uint8Array, critical = false): Uint8Array {
  const flag = critical ? [der(0x01, Uint8Array.of(0xff))] : [];
  return der(0x30, oid(oidText), ...flag, der(0x04, value));
}

/** A DER value with a definite, shortest length. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = concat(...contents);
  const { length } = content;
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 255];
  return concat(Uint8Array.from(head), content);
}

export function oid(text: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  return der(0x06, ...[first * 40 + second, ...rest].map(base128));
}

function base128(value: number): Uint8Array {
  const groups = [value & 0x7f];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    groups.unshift((left & 0x7f) | 0x80);
  return Uint8Array.from(groups);
}

/** AlgorithmIdentifiers of the signature algorithms that chains may use. */
const identifiers: Readonly<Record<Algorithm, Uint8Array>> = {
  ES256: der(0x30, oid("1.2.840.10045.4.3.2")),
  EdDSA: der(0x30, oid("1.3.101.112")),
  "SM2-SM3": der(0x30, oid("1.2.156.10197.1.501")),
  PS256: der(
    0x30,
    oid("1.2.840.113549.1.1.10"),
    der(
      0x30,
      der(0xa0, der(0x30, oid("2.16.840.1.101.3.4.2.1"), der(0x05))),
      der(
        0xa1,
        der(0x30, oid("1.2.840.113549.1.1.8"), der(0x30, oid("2.16.840.1.101.3.4.2.1"), der(0x05))),
      ),
      der(0xa2, der(0x02, Uint8Array.of(32))),
    ),
  ),
};

function extensionsOf(options: CertificateOptions, ca: boolean): readonly Uint8Array[] {
  const { pathLength, uris = [], dnsNames = [], extendedKeyUsage = [] } = options;
  const usage = options.keyUsage ?? (ca ? [5, 6] : [0]);
  const list: Uint8Array[] = [];
  if (ca) {
    const limit = pathLength === undefined ? [] : [der(0x02, Uint8Array.of(pathLength))];
    const constraints = der(0x30, der(0x01, Uint8Array.of(0xff)), ...limit);
    list.push(extension("2.5.29.19", constraints, true));
  }
  if (usage !== false) list.push(extension("2.5.29.15", namedBits(usage), true));
  const names = [
    ...uris.map((uri) => der(0x86, utf8(uri))),
    ...dnsNames.map((name) => der(0x82, utf8(name))),
  ];
  if (names.length > 0) list.push(extension("2.5.29.17", der(0x30, ...names)));
  if (extendedKeyUsage.length > 0)
    list.push(extension("2.5.29.37", der(0x30, ...extendedKeyUsage.map(oid))));
  return [...list, ...(options.extensions ?? [])];
}

function namedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(...bits);
  const bytes = new Uint8Array(1 + (highest >> 3) + 1);
  bytes[0] = 7 - (highest & 7);
  for (const bit of bits)
    bytes[1 + (bit >> 3)] = (bytes[1 + (bit >> 3)] ?? 0) | (0x80 >> (bit & 7));
  return der(0x03, bytes);
}

function nameOf(commonName: string): Uint8Array {
  return der(0x30, der(0x31, der(0x30, oid("2.5.4.3"), der(0x0c, utf8(commonName)))));
}

function timeOf(date: Date): Uint8Array {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, "");
  return date.getUTCFullYear() < 2050 ? der(0x17, utf8(text.slice(2))) : der(0x18, utf8(text));
}

/** ECDSA's r and s, as certificates have them: two INTEGERs without needless zeros. */
function derSignature(signature: Uint8Array): Uint8Array {
  const integers = [signature.subarray(0, 32), signature.subarray(32)].map((number) => {
    const start = number.findIndex((byte) => byte !== 0);
    const isNegative = (number[start] ?? 0) >= 0x80;
    return der(0x02, ...(isNegative ? [Uint8Array.of(0)] : []), number.subarray(start));
  });
  return der(0x30, ...integers);
}

function signWith(publicKey: PublicKey, key: KeyObject, message: Uint8Array): Uint8Array {
  switch (publicKey.algorithm) {
    case "ES256":
      return sign("sha256", message, { key, dsaEncoding: "ieee-p1363" });
    case "EdDSA":
      return sign(null, message, key);
    case "PS256":
      return sign("sha256", message, { key, padding: 6, saltLength: 32 });
    case "SM2-SM3":
      return sm2SignatureBy(key, publicKey.point, message);
  }
}

function plain(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}
