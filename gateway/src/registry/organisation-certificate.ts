/** A signing certificate that the organisation's own CA has issued: whether it is this device's, and trusted here. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { ChainFault, TrustedCa } from "@tamga/ledger-core/receipt/certificate-chain";
import { verifyChain } from "@tamga/ledger-core/receipt/certificate-chain";
import { isCertificateOf, keyKindOf, roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import type { X509Certificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { KeyKind } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";

export type OrganisationCertificateFault =
  | { readonly code: "CERTIFICATE_CHAIN_BAD"; readonly cause: ChainFault }
  | { readonly code: "CERTIFICATE_OTHER_ORGANISATION" }
  | { readonly code: "CERTIFICATE_OTHER_DEVICE" }
  | { readonly code: "CERTIFICATE_OTHER_KEY" }
  | { readonly code: "CERTIFICATE_OTHER_KIND" }
  | { readonly code: "CERTIFICATE_OUT_OF_TIME" }
  | { readonly code: "TRUST_POLICY_BAD" };

/** What a device's request says, and where it is enrolled. */
export type CertifiedRequest = {
  readonly device: Identifier;
  readonly channel: Identifier;
  readonly organisation: Identifier;
  /** Thumbprint of the signing key. */
  readonly kid: Digest;
  readonly keyKind: KeyKind;
  /** The text of trust.json. */
  readonly trust: string;
  readonly now: UnixMillis;
};

/**
 * @param chain DER, leaf first, up to below a CA that the trust policy names for the organisation.
 * @returns the leaf. Faults: CERTIFICATE_*, TRUST_POLICY_BAD.
 */
export function judgeOrganisationCertificate(
  chain: readonly Uint8Array[],
  request: CertifiedRequest,
): Result<X509Certificate, OrganisationCertificateFault> {
  const { device: name, channel, organisation, kid, keyKind, now } = request;
  const policy = parseTrustPolicy(utf8(request.trust));
  if (!policy.ok) return err({ code: "TRUST_POLICY_BAD" });
  const verified = verifyChain(nodeCrypto, chain, policy.value.trustedCas, { at: now });
  if (!verified.ok) return err({ code: "CERTIFICATE_CHAIN_BAD", cause: verified.fault });
  const { leaf, organisation: owner, validityNotes } = verified.value;
  if (owner !== organisation) return err({ code: "CERTIFICATE_OTHER_ORGANISATION" });
  if (!isCertificateOf(leaf, "device", { channel, name }))
    return err({ code: "CERTIFICATE_OTHER_DEVICE" });
  if (
    !equal(
      thumbprint((bytes) => nodeCrypto.sha256(bytes), leaf.publicKey),
      kid,
    )
  )
    return err({ code: "CERTIFICATE_OTHER_KEY" });
  if (keyKindOf(leaf) !== keyKind) return err({ code: "CERTIFICATE_OTHER_KIND" });
  if (validityNotes.length > 0) return err({ code: "CERTIFICATE_OUT_OF_TIME" });
  return ok(leaf);
}

/** Whether the site's own CA issued it; another's certificate is not ours to renew. */
export function isOfSiteCa(
  chain: readonly Uint8Array[],
  ca: Uint8Array,
  organisation: Identifier,
): boolean {
  const certificate = parseCertificate(ca);
  if (!certificate.ok) return false;
  const site: TrustedCa = { name: organisation, certificate: certificate.value };
  return verifyChain(nodeCrypto, chain, [site], {}).ok;
}

/** What an organisation's CA has to write into a device's certificate, as OpenSSL's extension file says it. */
export function certificateExtensions(request: {
  readonly device: Identifier;
  readonly channel: Identifier;
  readonly keyKind: KeyKind;
}): string {
  const { device: name, channel, keyKind } = request;
  return `basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectAltName = URI:${roleUri("device", { channel, name })}, URI:urn:x-tamga:key:${keyKind}
`;
}
