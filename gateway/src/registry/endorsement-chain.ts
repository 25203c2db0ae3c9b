/** Whether a maker that the site trusts vouches for an endorsement key (TCG EK Credential Profile 2.5). */

import type { KeyObject } from "node:crypto";
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { TpmPublicArea } from "@tamga/ledger-core/tpm/public-area";
import { tpmCurves } from "@tamga/ledger-core/tpm/tpm-numbers";

/** Certificates between an endorsement key and its maker's root; makers have one or two. */
export const endorsementChainMax = 4;

export type Endorsement = {
  /** SHA-256 of the endorsement certificate: names this one TPM. */
  readonly fingerprint: Digest;
  /** Subject of the root that vouches, as one line. */
  readonly maker: string;
};

export type EndorsementFault =
  | { readonly code: "EK_CERTIFICATE_MALFORMED" }
  /** Of a CA, or of a key that the maker certified for something else. */
  | { readonly code: "EK_CERTIFICATE_OTHER_USE" }
  /** The certificate is over another key than the one that was given. */
  | { readonly code: "EK_KEY_MISMATCH" }
  | { readonly code: "EK_MAKER_UNKNOWN"; readonly issuer: string }
  | { readonly code: "EK_CHAIN_TOO_LONG"; readonly limit: number };

/**
 * Follows the certificate up to one of `roots`. Dates are not looked at: makers' certificates outlive their
 * TPMs or forget to, and an expired one still says who made the key.
 *
 * @param intermediates of the device or of the site, in any order; they are believed for what a root signed.
 */
export function verifyEndorsement(
  { certificate, area }: { readonly certificate: Uint8Array; readonly area: TpmPublicArea },
  {
    intermediates,
    roots,
  }: {
    readonly intermediates: readonly Uint8Array[];
    readonly roots: readonly X509Certificate[];
  },
): Result<Endorsement, EndorsementFault> {
  const leaf = parse(certificate);
  const between = intermediates.flatMap((der) => parse(der) ?? []);
  if (leaf === undefined || between.length !== intermediates.length)
    return err({ code: "EK_CERTIFICATE_MALFORMED" });
  if (between.length > endorsementChainMax)
    return err({ code: "EK_CHAIN_TOO_LONG", limit: endorsementChainMax });
  if (leaf.ca || !(leaf.keyUsage?.includes(endorsementUse) ?? true))
    return err({ code: "EK_CERTIFICATE_OTHER_USE" });
  if (!isOver(leaf.publicKey, area)) return err({ code: "EK_KEY_MISMATCH" });
  let at = leaf;
  for (let step = 0; step <= endorsementChainMax; step++) {
    const root = roots.find((one) => isIssued(at, one));
    if (root !== undefined)
      return ok({ fingerprint: digestOf(leaf), maker: oneLine(root.subject) });
    const next = between.find(
      (one) => one.ca && isIssued(at, one) && one.raw.compare(at.raw) !== 0,
    );
    if (next === undefined) break;
    at = next;
  }
  return err({ code: "EK_MAKER_UNKNOWN", issuer: oneLine(at.issuer) });
}

/** tcg-kp-EKCertificate; extended key usages may be left out (EK Credential Profile 2.5, §3.2.16). */
const endorsementUse = "2.23.133.8.1";

function parse(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

function isIssued(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.issuer === issuer.subject && certificate.verify(issuer.publicKey);
  } catch {
    // A key of another kind than the signature's.
    return false;
  }
}

function isOver(key: KeyObject, area: TpmPublicArea): boolean {
  if (area.type === "rsa") {
    if (key.asymmetricKeyType !== "rsa") return false;
    const { n = "", e = "" } = key.export({ format: "jwk" });
    const exponent = area.exponent === 0 ? 65_537 : area.exponent;
    const isSameExponent = BigInt(`0x${hexOf(e) || "0"}`) === BigInt(exponent);
    return isSameExponent && equal(new Uint8Array(Buffer.from(n, "base64url")), area.modulus);
  }
  const name = area.curve === tpmCurves.p256 ? "P-256" : "P-384";
  const length = area.curve === tpmCurves.p256 ? 32 : 48;
  if (area.x.length > length || area.y.length > length) return false;
  const [x, y] = [area.x, area.y].map((part) =>
    Buffer.concat([Buffer.alloc(length - part.length), part]).toString("base64url"),
  );
  try {
    const own = createPublicKey({
      key: { kty: "EC", crv: name, x: x ?? "", y: y ?? "" },
      format: "jwk",
    });
    return own.equals(key);
  } catch {
    // The point is not on the curve.
    return false;
  }
}

function hexOf(base64url: string): string {
  return Buffer.from(base64url, "base64url").toString("hex");
}

function digestOf(certificate: X509Certificate): Digest {
  return mint<Digest>(new Uint8Array(createHash("sha256").update(certificate.raw).digest()));
}

function oneLine(name: string): string {
  return name.split("\n").join(", ");
}
