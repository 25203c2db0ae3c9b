/** Turns enrolment and renewal requests into certificates that the registry knows. */

import type { X509Certificate } from "node:crypto";
import { createHash } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { InvitationProof } from "@tamga/ledger-core/daemon/invitation";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { CertificateFault } from "@tamga/ledger-core/receipt/x509-certificate";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { certifyQualifier } from "@tamga/ledger-core/tpm/certify-qualifier";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { CertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { EnrolmentAnswer, EnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { RenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import type { CsrFault } from "./certification-request.ts";
import { readCertificationRequest } from "./certification-request.ts";
import type { DeviceRegistry, RegistryFault } from "./device-registry.ts";
import type { InvitationFault } from "./invitations.ts";
import type { CertifiedTpmKey, TpmKeyFault } from "./judge-tpm-key.ts";
import { judgeTpmKey } from "./judge-tpm-key.ts";
import type { OrganisationCertificateFault } from "./organisation-certificate.ts";
import { isOfSiteCa, judgeOrganisationCertificate } from "./organisation-certificate.ts";
import type { SiteCa } from "./site-ca.ts";

/** What the site writes into every answer. */
export type SiteFacts = {
  readonly channel: Identifier;
  readonly gateway: Identifier;
  readonly uplink: readonly string[];
  /** The text of trust.json. */
  readonly trust: string;
  /** How long device certificates are good for. */
  readonly certificateDays: number;
};

export type EnrolmentParts = {
  readonly ca: SiteCa;
  readonly registry: DeviceRegistry;
  /** Makers of TPMs whose word counts at this site; none by default. */
  readonly tpmRoots?: readonly X509Certificate[];
};

export type EnrolmentFault =
  | RegistryFault
  | CsrFault
  | CertificateFault
  | TpmKeyFault
  | OrganisationCertificateFault
  /** A device that says its key is in a TPM has to show it. */
  | { readonly code: "TPM_CLAIM_MISSING" }
  | { readonly code: "RENEWAL_KEY_UNKNOWN" | "RENEWAL_DEVICE_UNKNOWN" };

/** What the organisation's own CA has issued for the signing key: DER, leaf first. */
export type OrganisationCertificate = {
  readonly organisation: Identifier;
  readonly chain: readonly Uint8Array[];
};

const dayMs = 86_400_000;

/** Clocks of edge boxes drift: a fresh certificate must not lie in an agent's future. */
const backdatedMs = dayMs;

/**
 * Keeps a request for an operator to look at, by the thumbprint of its signing key. What its keys did
 * not sign is nobody's. Faults: EnrolmentFault, but RENEWAL_*.
 */
export async function receiveEnrolment(
  { registry, tpmRoots = [] }: Pick<EnrolmentParts, "registry" | "tpmRoots">,
  { request, now }: { readonly request: EnrolmentRequest; readonly now: UnixMillis },
): Promise<Result<null, EnrolmentFault>> {
  const judged = await judgeRequest(request, tpmRoots);
  return judged.ok ? registry.request({ ...request, kid: judged.value.kid }, now) : judged;
}

/**
 * Approves a request that comes with a one-time code, whoever else asked under that name and waits. It may come
 * again, with the same key. Faults: EnrolmentFault, but RENEWAL_*; INVITATION_*.
 */
export async function acceptInvited(
  parts: EnrolmentParts,
  site: SiteFacts,
  asked: {
    readonly request: EnrolmentRequest;
    readonly now: UnixMillis;
    /** The request as it came, which the proof is over. */
    readonly text: string;
    readonly proof: InvitationProof;
  },
): Promise<Result<null, EnrolmentFault | InvitationFault>> {
  const { request, now, text, proof } = asked;
  const { registry, tpmRoots = [] } = parts;
  const judged = await judgeRequest(request, tpmRoots);
  if (!judged.ok) return judged;
  const { kid } = judged.value;
  const { device } = request;
  const known = registry.keysOf(device);
  // A code makes a new device; it never adds a key to one that there is.
  if (known.length > 0 && !known.some((key) => equal(key.kid, kid)))
    return err({ code: "DEVICE_EXISTS" });
  const used = registry.invitations.use(proof, { text, device, kid, now });
  if (!used.ok || known.length > 0) return used;
  const approved = await approveEnrolment(parts, site, { request, now, isFirst: true });
  return approved.ok ? ok(null) : approved;
}

/** A request that both of its keys signed; with `tpm` where a maker vouches for the one that signs. */
export type JudgedRequest = { readonly kid: Digest; readonly tpm?: CertifiedTpmKey };

/** Judges the requests for certificates, and what the device says of its TPM. */
export async function judgeRequest(
  request: EnrolmentRequest,
  tpmRoots: readonly X509Certificate[],
): Promise<Result<JudgedRequest, EnrolmentFault>> {
  const keys = await judgeKeys(request);
  if (!keys.ok) return keys;
  const { kid, key } = keys.value;
  if (request.tpm === undefined)
    return request.keyKind === "tpm" ? err({ code: "TPM_CLAIM_MISSING" }) : ok({ kid });
  const qualifier = certifyQualifier(nodeCrypto, request);
  const tpm = judgeTpmKey(request.tpm, { key, qualifier }, tpmRoots);
  return tpm.ok ? ok({ kid, tpm: tpm.value }) : tpm;
}

/**
 * The signing key of a request that both of its keys signed, and its thumbprint.
 * Faults: CSR_*; CSR_KEYS_EQUAL, since a TLS key must never sign evidence.
 */
export async function judgeKeys(
  request: Pick<EnrolmentRequest, "device" | "signing" | "tls">,
): Promise<Result<{ readonly kid: Digest; readonly key: PublicKey }, CsrFault>> {
  const signing = await readCertificationRequest(request.signing, request.device);
  if (!signing.ok) return signing;
  const tls = await readCertificationRequest(request.tls, request.device);
  if (!tls.ok) return tls;
  const kidOf = (key: PublicKey) => thumbprint((bytes) => nodeCrypto.sha256(bytes), key);
  const key = signing.value.publicKey;
  const kid = kidOf(key);
  return equal(kid, kidOf(tls.value.publicKey))
    ? err({ code: "CSR_KEYS_EQUAL" })
    : ok({ kid, key });
}

/**
 * Issues both certificates, stores them and forgets the request. Faults: EnrolmentFault.
 *
 * @param asked.isFirst refuses a further key of a device that has one: DEVICE_EXISTS.
 * @param asked.certificate of the signing key, where the organisation's own CA has issued it.
 */
export async function approveEnrolment(
  { ca, registry, tpmRoots = [] }: EnrolmentParts,
  site: SiteFacts,
  {
    request,
    now,
    isFirst = false,
    certificate,
  }: {
    readonly request: EnrolmentRequest;
    readonly now: UnixMillis;
    readonly isFirst?: boolean;
    readonly certificate?: OrganisationCertificate;
  },
): Promise<Result<EnrolmentAnswer, EnrolmentFault>> {
  const judged = await judgeRequest(request, tpmRoots);
  if (!judged.ok) return judged;
  const given =
    certificate && judgeGiven(certificate, site, { ...request, kid: judged.value.kid, now });
  if (given?.ok === false) return given;
  const issued = await issueCertificates(ca, site, { ...request, now }, given?.value);
  if (!issued.ok) return issued;
  const { tpm } = request;
  const key = { ...issued.value.key, ...(tpm === undefined ? {} : { tpm }) };
  const admitted = registry.admit(key, issued.value.tls, { isFirst });
  if (!admitted.ok) return admitted;
  return ok(answerOf(site, { ca, device: request.device, ...issued.value.message }));
}

/** The answer of a device that was approved before, for a technician who lost the file. */
export function repeatAnswer(
  { ca, registry }: { readonly ca: SiteCa; readonly registry: DeviceRegistry },
  site: SiteFacts,
  device: Identifier,
): Result<EnrolmentAnswer, EnrolmentFault> {
  const signing = registry.keysOf(device).at(-1)?.chain;
  const tls = registry.tlsCertificate(device);
  if (signing === undefined || tls === undefined) return err({ code: "DEVICE_UNKNOWN" });
  return ok(answerOf(site, { ca, device, signing, tls: [tls] }));
}

/**
 * New certificates for a known device and the same signing key; the TLS key may be new.
 * Faults: RENEWAL_*, CSR_*, DEVICE_REVOKED.
 */
export async function renewCertificates(
  { ca, registry }: { readonly ca: SiteCa; readonly registry: DeviceRegistry },
  site: SiteFacts,
  renewal: {
    readonly device: Identifier;
    readonly message: RenewMessage;
    readonly now: UnixMillis;
  },
): Promise<Result<CertificateMessage, EnrolmentFault>> {
  const { device, message, now } = renewal;
  const keys = registry.keysOf(device);
  if (keys.length === 0) return err({ code: "RENEWAL_DEVICE_UNKNOWN" });
  const judged = await judgeKeys({ device, ...message });
  if (!judged.ok) return judged;
  const known = keys.find(({ kid }) => equal(kid, judged.value.kid));
  if (known === undefined) return err({ code: "RENEWAL_KEY_UNKNOWN" });
  const { keyKind, chain, notAfter } = known;
  // Another CA's certificate is renewed by that CA alone: the device keeps what it has, also past its time.
  const kept = isOfSiteCa(chain, ca.certificate(), site.gateway) ? undefined : { chain, notAfter };
  const asked = { device, keyKind, ...message, now };
  const issued = await issueCertificates(ca, site, asked, kept);
  if (!issued.ok) return issued;
  const { key, tls } = issued.value;
  const admitted = registry.admit(key, tls);
  return admitted.ok ? ok(issued.value.message) : admitted;
}

/** Both certificates of a request that was judged, and what the registry keeps. Faults: CSR_*, CERTIFICATE_*. */
export async function issueCertificates(
  ca: SiteCa,
  site: SiteFacts,
  request: EnrolmentRequest & { readonly now: UnixMillis },
  given?: GivenChain,
) {
  const judged = await judgeKeys(request);
  if (!judged.ok) return judged;
  const { device, keyKind, now } = request;
  const { channel } = site;
  const validity = {
    from: unixMillis(now - backdatedMs),
    to: unixMillis(now + site.certificateDays * dayMs),
  };
  const { signing: csr } = request;
  const signing =
    given === undefined
      ? await ca.issueSigning({ csr, channel, device, keyKind, validity })
      : ok(given.chain);
  if (!signing.ok) return signing;
  const tls = await ca.issueTls({ csr: request.tls, channel, device, validity });
  if (!tls.ok) return tls;
  const parsed = parseCertificate(present(signing.value[0], "leaf of a chain"));
  if (!parsed.ok) return parsed;
  const { publicKey } = parsed.value;
  return ok({
    key: {
      device,
      kid: judged.value.kid,
      publicKey,
      keyKind,
      chain: signing.value,
      notAfter: given?.notAfter ?? validity.to,
    },
    tls: {
      fingerprint: fingerprintOf(tls.value[0]),
      certificate: tls.value[0],
      notAfter: validity.to,
    },
    message: { signing: signing.value, tls: tls.value },
  });
}

type GivenChain = { readonly chain: readonly Uint8Array[]; readonly notAfter: UnixMillis };

function judgeGiven(
  { chain, organisation }: OrganisationCertificate,
  { channel, trust }: SiteFacts,
  {
    device,
    keyKind,
    kid,
    now,
  }: EnrolmentRequest & { readonly kid: Digest; readonly now: UnixMillis },
): Result<GivenChain, OrganisationCertificateFault> {
  const request = { device, channel, organisation, kid, keyKind, trust, now };
  const judged = judgeOrganisationCertificate(chain, request);
  return judged.ok ? ok({ chain, notAfter: judged.value.notAfter }) : judged;
}

function answerOf(
  site: SiteFacts,
  issued: CertificateMessage & { readonly ca: SiteCa; readonly device: Identifier },
): EnrolmentAnswer {
  return {
    device: issued.device,
    channel: site.channel,
    gateway: site.gateway,
    uplink: site.uplink,
    signingChain: issued.signing,
    tlsChain: issued.tls,
    ca: issued.ca.certificate(),
    trust: site.trust,
  };
}

/** SHA-256 of a certificate's DER. */
export function fingerprintOf(certificate: Uint8Array): Digest {
  return mint<Digest>(new Uint8Array(createHash("sha256").update(certificate).digest()));
}
