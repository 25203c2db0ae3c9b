/** The public area of a TPM object (TPMT_PUBLIC, TPM 2.0 Library, Part 2, §12.2.4) and its Name. */

import { concat, u32 } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { tpmSized, tpmU16 } from "./tpm-bytes.ts";
import { tpmAlgorithms, tpmCurves, tpmModulusBytesMax, tpmPublicBytesMax } from "./tpm-numbers.ts";
import { TpmReader } from "./tpm-reader.ts";

/** An algorithm with the hash that belongs to it; `tpmAlgorithms.null` stands for none. */
export type TpmScheme = { readonly algorithm: number; readonly hash?: number };
/** Of a storage or endorsement key: what protects its children. */
export type TpmSymmetric = {
  readonly algorithm: number;
  readonly keyBits: number;
  readonly mode: number;
};

export type TpmPublicArea = {
  readonly nameAlgorithm: number;
  /** TPMA_OBJECT. */
  readonly attributes: number;
  readonly authPolicy: Uint8Array;
  readonly symmetric?: TpmSymmetric;
  readonly scheme: TpmScheme;
} & (
  | {
      readonly type: "ecc";
      readonly curve: number;
      /** Coordinates as the TPM gives them, which may lack leading zeros. */
      readonly x: Uint8Array;
      readonly y: Uint8Array;
    }
  | {
      readonly type: "rsa";
      readonly keyBits: number;
      /** 0 stands for 65,537. */
      readonly exponent: number;
      readonly modulus: Uint8Array;
    }
);

export type TpmPublicFault =
  | { readonly code: "TPM_PUBLIC_MALFORMED" }
  | { readonly code: "TPM_PUBLIC_TYPE_UNKNOWN"; readonly type: number };

/** @param bytes a TPMT_PUBLIC without its length, at most {@link tpmPublicBytesMax} bytes. */
export function parseTpmPublic(bytes: Uint8Array): Result<TpmPublicArea, TpmPublicFault> {
  if (bytes.length > tpmPublicBytesMax) return err({ code: "TPM_PUBLIC_MALFORMED" });
  const reader = new TpmReader(bytes);
  const type = reader.u16();
  if (!reader.failed && type !== tpmAlgorithms.ecc && type !== tpmAlgorithms.rsa)
    return err({ code: "TPM_PUBLIC_TYPE_UNKNOWN", type });
  const nameAlgorithm = reader.u16();
  const attributes = reader.u32();
  const authPolicy = reader.sized(64);
  const symmetric = readSymmetric(reader);
  const scheme = readScheme(reader);
  const head = {
    nameAlgorithm,
    attributes,
    authPolicy,
    ...(symmetric === undefined ? {} : { symmetric }),
    scheme,
  };
  const area: TpmPublicArea =
    type === tpmAlgorithms.ecc
      ? { ...head, type: "ecc", ...readEcc(reader) }
      : {
          ...head,
          type: "rsa",
          keyBits: reader.u16(),
          exponent: reader.u32(),
          modulus: reader.sized(tpmModulusBytesMax),
        };
  return reader.finish() ? ok(area) : err({ code: "TPM_PUBLIC_MALFORMED" });
}

export function encodeTpmPublic(area: TpmPublicArea): Uint8Array {
  const head = concat(
    tpmU16(area.type === "ecc" ? tpmAlgorithms.ecc : tpmAlgorithms.rsa),
    tpmU16(area.nameAlgorithm),
    u32(area.attributes),
    tpmSized(area.authPolicy),
    encodeSymmetric(area.symmetric),
    encodeScheme(area.scheme),
  );
  return area.type === "ecc"
    ? concat(
        head,
        tpmU16(area.curve),
        tpmU16(tpmAlgorithms.null),
        tpmSized(area.x),
        tpmSized(area.y),
      )
    : concat(head, tpmU16(area.keyBits), u32(area.exponent), tpmSized(area.modulus));
}

/** The Name of an object: its name algorithm and the hash of its public area (Part 1, §16). SHA-256 only. */
export function tpmName(
  { sha256 }: Pick<CryptoPort, "sha256">,
  publicBytes: Uint8Array,
): Uint8Array {
  return concat(tpmU16(tpmAlgorithms.sha256), sha256(publicBytes));
}

/** @returns the key in Tamga's form; undefined for what is neither P-256 nor RSA with a usual exponent. */
export function tpmPublicKey(area: TpmPublicArea): PublicKey | undefined {
  if (area.type === "ecc") {
    if (area.curve !== tpmCurves.p256 || area.x.length > 32 || area.y.length > 32) return undefined;
    const point = new Uint8Array(65);
    point[0] = 4;
    point.set(area.x, 33 - area.x.length);
    point.set(area.y, 65 - area.y.length);
    return { algorithm: "ES256", point };
  }
  const exponent = area.exponent === 0 ? 65_537 : area.exponent;
  return { algorithm: "PS256", spki: rsaSpki(area.modulus, exponent) };
}

function readSymmetric(reader: TpmReader): TpmSymmetric | undefined {
  const algorithm = reader.u16();
  if (algorithm === tpmAlgorithms.null) return undefined;
  return { algorithm, keyBits: reader.u16(), mode: reader.u16() };
}

function encodeSymmetric(symmetric: TpmSymmetric | undefined): Uint8Array {
  if (symmetric === undefined) return tpmU16(tpmAlgorithms.null);
  const { algorithm, keyBits, mode } = symmetric;
  return concat(tpmU16(algorithm), tpmU16(keyBits), tpmU16(mode));
}

function readScheme(reader: TpmReader): TpmScheme {
  const algorithm = reader.u16();
  if (algorithm === tpmAlgorithms.null || algorithm === tpmAlgorithms.rsaEs) return { algorithm };
  const hash = reader.u16();
  // ECDAA has a counter after its hash; nobody here signs with it.
  if (algorithm === tpmAlgorithms.ecdaa) reader.refuse();
  return { algorithm, hash };
}

function encodeScheme({ algorithm, hash }: TpmScheme): Uint8Array {
  return hash === undefined ? tpmU16(algorithm) : concat(tpmU16(algorithm), tpmU16(hash));
}

function readEcc(reader: TpmReader) {
  const curve = reader.u16();
  // A key derivation scheme: no key of ours has one, and none of the TCG's templates.
  if (reader.u16() !== tpmAlgorithms.null) reader.refuse();
  return { curve, x: reader.sized(66), y: reader.sized(66) };
}

/** SubjectPublicKeyInfo with rsaEncryption (RFC 8017, appendix A.1). */
function rsaSpki(modulus: Uint8Array, exponent: number): Uint8Array {
  const key = der(0x30, derInteger(modulus), derInteger(u32(exponent)));
  const algorithm = der(0x30, der(0x06, rsaEncryption), der(0x05));
  return der(0x30, algorithm, der(0x03, Uint8Array.of(0), key));
}

/** 1.2.840.113549.1.1.1 */
const rsaEncryption = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01);

function derInteger(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const isNegative = (digits[0] ?? 0) > 0x7f;
  return der(0x02, isNegative ? Uint8Array.of(0) : new Uint8Array(0), digits);
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const { length } = content;
  if (length < 0x80) return concat(Uint8Array.of(tag, length), content);
  const digits = length < 0x100 ? [length] : [length >> 8, length & 255];
  return concat(Uint8Array.of(tag, 0x80 | digits.length, ...digits), content);
}
