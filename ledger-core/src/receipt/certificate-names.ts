/** The names that certificates of a channel carry as URIs, and how a certificate is matched to one. */

import type { Identifier } from "../wire/identifier.ts";
import type { X509Certificate } from "./x509-certificate.ts";

/** What a certificate is for; each purpose has a key of its own. */
export const certificateRoles = ["device", "tls", "gateway", "gateway-tls"] as const;
export type CertificateRole = (typeof certificateRoles)[number];

/** Where a device's signing key lives, as its CA wrote it into the certificate. */
export const keyKinds = ["file", "pkcs11", "tpm"] as const;
export type KeyKind = (typeof keyKinds)[number];

/** `urn:x-tamga:<role>:<channel>:<name>`; identifiers hold no colon. */
export function roleUri(
  role: CertificateRole,
  subject: { readonly channel: Identifier; readonly name: Identifier },
): string {
  return `${rolePrefix}${role}:${subject.channel}:${subject.name}`;
}

/** `urn:x-tamga:key:<kind>`. */
export function keyKindUri(kind: KeyKind): string {
  return `${keyPrefix}${kind}`;
}

/** True when the certificate is for exactly this role and name of this channel, and for no other. */
export function isCertificateOf(
  certificate: X509Certificate,
  role: CertificateRole,
  subject: { readonly channel: Identifier; readonly name: Identifier },
): boolean {
  const ours = certificate.uris.filter(
    (uri) => uri.startsWith(rolePrefix) && !uri.startsWith(keyPrefix),
  );
  return ours.length === 1 && ours[0] === roleUri(role, subject);
}

/** The key's kind, or undefined where the certificate names none, an unknown one, or several. */
export function keyKindOf(certificate: X509Certificate): KeyKind | undefined {
  const [uri, ...others] = certificate.uris.filter((text) => text.startsWith(keyPrefix));
  return others.length > 0 ? undefined : keyKinds.find((kind) => keyKindUri(kind) === uri);
}

const rolePrefix = "urn:x-tamga:";
const keyPrefix = "urn:x-tamga:key:";
