/** The extensions of X.509 certificates that chains of ours are judged by (RFC 5280 §4.2). */

import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { DerReader } from "./der.ts";
import { derTags } from "./der.ts";
import { extensionsMax, subjectNamesMax } from "./limits.ts";

export type CertificateExtensions = {
  /** Absent where the certificate does not say; then it is no CA. */
  readonly basicConstraints?: { readonly ca: boolean; readonly pathLength?: number };
  readonly keyUsage?: { readonly digitalSignature: boolean; readonly keyCertSign: boolean };
  /** OIDs, e.g. `1.3.6.1.5.5.7.3.2` for client authentication. */
  readonly extendedKeyUsage?: readonly string[];
  /** Subject alternative names of the two kinds that we use. */
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
};

export type ExtensionFault =
  | { readonly code: "CERT_MALFORMED" }
  | { readonly code: "CERT_EXTENSION_UNKNOWN"; readonly extension: string };

const basicConstraintsOid = "2.5.29.19";
const keyUsageOid = "2.5.29.15";
const extendedKeyUsageOid = "2.5.29.37";
const subjectAltNameOid = "2.5.29.17";

/**
 * Parses `Extensions`. What is unknown and not critical passes unread.
 * Faults: CERT_EXTENSION_UNKNOWN (critical), CERT_MALFORMED (also one extension twice, or too many).
 */
export function parseExtensions(holder: DerReader): Result<CertificateExtensions, ExtensionFault> {
  const list = holder.nested(derTags.sequence);
  const values = new Map<string, DerReader>();
  let unknown: string | undefined;
  while (list.more) {
    const extension = list.nested(derTags.sequence);
    const oid = extension.oid();
    const critical = extension.flag();
    const value = extension.within(extension.take(derTags.octetString).content);
    extension.close();
    if (values.has(oid) || values.size === extensionsMax) list.refuse();
    values.set(oid, value);
    if (critical && !knownOids.has(oid)) unknown ??= oid;
  }
  const constraints = values.get(basicConstraintsOid);
  const usage = values.get(keyUsageOid);
  const purposes = values.get(extendedKeyUsageOid);
  const extensions = {
    ...(constraints && { basicConstraints: parseBasicConstraints(constraints) }),
    ...(usage && { keyUsage: parseKeyUsage(usage) }),
    ...(purposes && { extendedKeyUsage: parseOids(purposes) }),
    ...parseNames(values.get(subjectAltNameOid)),
  };
  // Each value must have been read to its end.
  for (const oid of knownOids) values.get(oid)?.close();
  if (!holder.finish()) return err({ code: "CERT_MALFORMED" });
  if (unknown !== undefined) return err({ code: "CERT_EXTENSION_UNKNOWN", extension: unknown });
  return ok(extensions);
}

const knownOids: ReadonlySet<string> = new Set([
  basicConstraintsOid,
  keyUsageOid,
  extendedKeyUsageOid,
  subjectAltNameOid,
]);

function parseBasicConstraints(value: DerReader): { ca: boolean; pathLength?: number } {
  const fields = value.nested(derTags.sequence);
  const ca = fields.flag();
  const constraints = ca && fields.more ? { ca, pathLength: fields.small() } : { ca };
  fields.close();
  return constraints;
}

function parseKeyUsage(value: DerReader): { digitalSignature: boolean; keyCertSign: boolean } {
  const bits = value.namedBits();
  return { digitalSignature: bits.includes(0), keyCertSign: bits.includes(5) };
}

function parseOids(value: DerReader): readonly string[] {
  const list = value.nested(derTags.sequence);
  const oids: string[] = [];
  while (list.more) {
    oids.push(list.oid());
    if (oids.length > subjectNamesMax) list.refuse();
  }
  return oids;
}

const dnsNameTag = 0x82;
const uriTag = 0x86;

function parseNames(value: DerReader | undefined): { uris: string[]; dnsNames: string[] } {
  const names = { uris: [] as string[], dnsNames: [] as string[] };
  if (value === undefined) return names;
  const list = value.nested(derTags.sequence);
  for (let count = 1; list.more; count++) {
    const { tag, content } = list.any();
    const text = () => list.text({ tag: derTags.ia5String, content, whole: content });
    if (tag === uriTag) names.uris.push(text());
    else if (tag === dnsNameTag) names.dnsNames.push(text());
    if (count > subjectNamesMax) list.refuse();
  }
  return names;
}
