/** The names that certificates of a channel carry as URIs, and how a certificate is matched to one. */

import type { Identifier } from "../wire/identifier.ts";
import { parseIdentifier } from "../wire/identifier.ts";
import type { X509Certificate } from "./x509-certificate.ts";

/** What a certificate is for; each purpose has a key of its own. */
export const certificateRoles = [
  "device",
  "tls",
  "gateway",
  "gateway-tls",
  "peer",
  "admin",
] as const;
export type CertificateRole = (typeof certificateRoles)[number];

/** Where a device's signing key lives, as its CA wrote it into the certificate. */
export const keyKinds = ["file", "pkcs11", "tpm"] as const;
export type KeyKind = (typeof keyKinds)[number];

/** `urn:x-tamga:<role>:<channel>:<name>`; identifiers hold no colon. A peer's scope is its consortium. */
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
  const [uri, ...others] = roleUrisOf(certificate);
  return others.length === 0 && uri === roleUri(role, subject);
}

/** The name that the certificate gives its holder in a role of this scope, where it is for nothing else. */
export function nameInRole(
  certificate: X509Certificate,
  role: CertificateRole,
  scope: Identifier,
): Identifier | undefined {
  const [uri = "", ...others] = roleUrisOf(certificate);
  const prefix = `${rolePrefix}${role}:${scope}:`;
  if (others.length > 0 || !uri.startsWith(prefix)) return undefined;
  const name = parseIdentifier(uri.slice(prefix.length));
  return name.ok ? name.value : undefined;
}

/** The key's kind, or undefined where the certificate names none, an unknown one, or several. */
export function keyKindOf(certificate: X509Certificate): KeyKind | undefined {
  const [uri, ...others] = certificate.uris.filter((text) => text.startsWith(keyPrefix));
  return others.length > 0 ? undefined : keyKinds.find((kind) => keyKindUri(kind) === uri);
}

function roleUrisOf(certificate: X509Certificate): readonly string[] {
  return certificate.uris.filter((uri) => uri.startsWith(rolePrefix) && !uri.startsWith(keyPrefix));
}

const rolePrefix = "urn:x-tamga:";
const keyPrefix = "urn:x-tamga:key:";
