/** Verifies a certificate chain up to an organisation's CA that a trust policy holds (RFC 5280 §6). */

import { present } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Identifier } from "../wire/identifier.ts";
import { chainLengthMax } from "../wire/limits.ts";
import type { CertificateFault, X509Certificate } from "./x509-certificate.ts";
import { parseCertificate } from "./x509-certificate.ts";

/** An organisation's CA, trusted by name and by its own bytes. */
export type TrustedCa = { readonly name: Identifier; readonly certificate: X509Certificate };

/** A certificate that was not valid at the time that the chain was judged at. */
export type ValidityNote = {
  readonly role: "leaf" | "intermediate" | "organisation";
  readonly state: "expired" | "not-yet-valid";
  readonly commonName: string;
  readonly notBefore: UnixMillis;
  readonly notAfter: UnixMillis;
};

/** A chain whose every signature is good; only {@link verifyChain} makes it. */
export type VerifiedChain = Brand<
  {
    readonly leaf: X509Certificate;
    readonly organisation: Identifier;
    /** What had expired or not begun, leaf first; empty where no time was given. */
    readonly validityNotes: readonly ValidityNote[];
  },
  "VerifiedChain"
>;

export type ChainFault =
  | CertificateFault
  | { readonly code: "CHAIN_EMPTY" }
  | { readonly code: "CHAIN_TOO_LONG"; readonly limit: number }
  | { readonly code: "CHAIN_LEAF_IS_CA" }
  | { readonly code: "CHAIN_KEY_USAGE_WRONG" }
  | { readonly code: "CHAIN_NAME_MISMATCH"; readonly position: number }
  | { readonly code: "CHAIN_ISSUER_NOT_CA"; readonly position: number }
  | { readonly code: "CHAIN_PATH_TOO_LONG"; readonly position: number }
  | { readonly code: "CHAIN_SIGNATURE_WRONG"; readonly position: number }
  | { readonly code: "CHAIN_NOT_TRUSTED" };

/**
 * Checks signatures, names, CA flags, path lengths and key usages. Expiry is reported and never fails
 * a chain: a receipt must verify for ever, and a device that comes back late must be able to deliver.
 *
 * @param chain DER, leaf first, up to below the organisation's CA; at most 4.
 * @param at when validity is judged; without it nothing is said of validity.
 * Faults: CERT_*, CHAIN_*; `position` counts from the leaf, 0.
 */
export function verifyChain(
  crypto: CryptoPort,
  chain: readonly Uint8Array[],
  trustedCas: readonly TrustedCa[],
  { at }: { readonly at?: UnixMillis | undefined },
): Result<VerifiedChain, ChainFault> {
  if (chain.length === 0) return err({ code: "CHAIN_EMPTY" });
  if (chain.length > chainLengthMax) return err({ code: "CHAIN_TOO_LONG", limit: chainLengthMax });
  const certificates: X509Certificate[] = [];
  for (const der of chain) {
    const parsed = parseCertificate(der);
    if (!parsed.ok) return parsed;
    certificates.push(parsed.value);
  }
  const leaf = present(certificates[0], "leaf");
  if (leaf.basicConstraints?.ca === true) return err({ code: "CHAIN_LEAF_IS_CA" });
  if (leaf.keyUsage?.digitalSignature !== true) return err({ code: "CHAIN_KEY_USAGE_WRONG" });
  for (let i = 0; i + 1 < certificates.length; i++) {
    const issuer = present(certificates[i + 1], "issuer");
    const fault = judgeIssued(crypto, present(certificates[i], "subject"), issuer, i);
    if (fault !== undefined) return err(fault);
  }
  const anchor = findAnchor(crypto, certificates, trustedCas);
  if (!anchor.ok) return anchor;
  const organisation = anchor.value.name;
  const validityNotes = at === undefined ? [] : notesAt(at, certificates, anchor.value.certificate);
  return ok(mint<VerifiedChain>({ leaf, organisation, validityNotes }));
}

/** The CA that issued the last certificate; an organisation may have several of one name. */
function findAnchor(
  crypto: CryptoPort,
  certificates: readonly X509Certificate[],
  trustedCas: readonly TrustedCa[],
): Result<TrustedCa, ChainFault> {
  const position = certificates.length - 1;
  const last = present(certificates[position], "last certificate");
  let fault: ChainFault = { code: "CHAIN_NOT_TRUSTED" };
  for (const ca of trustedCas) {
    if (!equal(ca.certificate.subject, last.issuer)) continue;
    const found = judgeIssued(crypto, last, ca.certificate, position);
    if (found === undefined) return ok(ca);
    fault = found;
  }
  return err(fault);
}

/** Whether `issuer` may have issued the certificate at `position`, and did. */
function judgeIssued(
  crypto: CryptoPort,
  subject: X509Certificate,
  issuer: X509Certificate,
  position: number,
): ChainFault | undefined {
  if (!equal(subject.issuer, issuer.subject)) return { code: "CHAIN_NAME_MISMATCH", position };
  const { basicConstraints, keyUsage } = issuer;
  if (basicConstraints?.ca !== true || keyUsage?.keyCertSign !== true)
    return { code: "CHAIN_ISSUER_NOT_CA", position };
  // Below this CA stand `position` others and the leaf, which does not count (RFC 5280 §4.2.1.9).
  if (position > (basicConstraints.pathLength ?? position))
    return { code: "CHAIN_PATH_TOO_LONG", position };
  const good =
    subject.algorithm === issuer.publicKey.algorithm &&
    crypto.verify(issuer.publicKey, subject.tbs, subject.signature);
  return good ? undefined : { code: "CHAIN_SIGNATURE_WRONG", position };
}

function notesAt(
  at: UnixMillis,
  certificates: readonly X509Certificate[],
  anchor: X509Certificate,
): readonly ValidityNote[] {
  const notes: ValidityNote[] = [];
  for (const [index, certificate] of [...certificates, anchor].entries()) {
    const { commonName, notBefore, notAfter } = certificate;
    if (at >= notBefore && at <= notAfter) continue;
    const role =
      index === 0 ? "leaf" : index === certificates.length ? "organisation" : "intermediate";
    const state = at < notBefore ? "not-yet-valid" : "expired";
    notes.push({ role, state, commonName, notBefore, notAfter });
  }
  return notes;
}
