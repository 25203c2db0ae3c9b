/** Builds PKCS#10 certification requests (RFC 2986) for keys that may never leave their place. */

import type { KeyObject } from "node:crypto";
import { assert, assertNever, present } from "@tamga/ledger-core/base/assert";
import { concat, fromHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { encodeSpki, publicKeyOf } from "./public-key.ts";
import type { Signer } from "./signer.ts";
import { softwareSignature } from "./software-signature.ts";

/**
 * @param deviceId becomes the subject's common name: `[A-Za-z0-9._-]{1,64}`.
 * @returns the request in DER, signed through the signer: its only proof of possession. Throws what
 *   {@link Signer.sign} throws.
 */
export async function buildCsr(
  signer: Pick<Signer, "algorithm" | "publicKey" | "sign">,
  deviceId: string,
  { signal }: { readonly signal: AbortSignal },
): Promise<Uint8Array> {
  assert(/^[A-Za-z0-9._-]{1,64}$/.test(deviceId), "a device id can be a common name");
  const commonName = der(tags.sequence, oid.commonName, der(tags.utf8String, utf8(deviceId)));
  const name = der(tags.sequence, der(tags.set, commonName));
  const version = der(tags.integer, Uint8Array.of(0));
  const attributes = der(tags.context0);
  const spki = encodeSpki(signer.publicKey());
  const requestInfo = der(tags.sequence, version, name, spki, attributes);
  const signature = await signer.sign(requestInfo, { signal });
  return der(
    tags.sequence,
    requestInfo,
    signatureAlgorithm(signer.algorithm),
    der(tags.bitString, noUnusedBits, toX509Signature(signer.algorithm, signature)),
  );
}

/** The same for a P-256 or Ed25519 key in memory: TLS keys are, since a socket has to use them. */
export async function csrForTlsKey(key: KeyObject, deviceId: string): Promise<Uint8Array> {
  const publicKey = present(publicKeyOf(key), "public half of a TLS key");
  const signer = {
    algorithm: publicKey.algorithm,
    publicKey: () => publicKey,
    sign: (message: Uint8Array) => softwareSignature(key, publicKey, message),
  };
  return buildCsr(signer, deviceId, { signal: new AbortController().signal });
}

/** PEM (RFC 7468 §7). */
export function csrToPem(csr: Uint8Array): string {
  const lines =
    Buffer.from(csr)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  const label = "CERTIFICATE REQUEST";
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

const tags = {
  integer: 0x02,
  bitString: 0x03,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
} as const;

const noUnusedBits = Uint8Array.of(0);
const oid = { commonName: hex("0603550403") } as const;

/** RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §3.1 with SHA-256 and a salt of 32, GM/T 0006-2012 without parameters. */
function signatureAlgorithm(algorithm: Algorithm): Uint8Array {
  switch (algorithm) {
    case "ES256":
      return hex("300a06082a8648ce3d040302");
    case "EdDSA":
      return hex("300506032b6570");
    case "SM2-SM3":
      return hex("300a06082a811ccf55018375");
    case "PS256":
      return hex(
        "304106092a864886f70d01010a3034a00f300d06096086480165030402010500" +
          "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
      );
    default:
      return assertNever(algorithm);
  }
}

/** X.509 carries ECDSA and SM2 as a sequence of two integers (RFC 3279 §2.2.3, GM/T 0009-2012 §7.3), not as r‖s. */
function toX509Signature(algorithm: Algorithm, signature: Uint8Array): Uint8Array {
  if (algorithm === "EdDSA" || algorithm === "PS256") return signature;
  assert(signature.length === 64, "a signature on these curves has 64 bytes");
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  return der(tags.sequence, unsignedInteger(r), unsignedInteger(s));
}

function unsignedInteger(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  const significant = bytes.subarray(first < 0 ? bytes.length - 1 : first);
  const sign = (significant[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0);
  return der(tags.integer, sign, significant);
}

/** One DER value (X.690 §8.1, §10.1): tag, shortest length, content; at most 65,535 bytes. */
function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const { length } = content;
  assert(length <= 0xffff, "a DER value of ours is small");
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 255];
  return concat(Uint8Array.from(head), content);
}

function hex(text: string): Uint8Array {
  return present(fromHex(text), "hexadecimal digits");
}
