/** Answers an enrolment request as a site does whose CA is that of a synthetic channel. */

import { DerReader, derTags } from "@tamga/ledger-core/receipt/der";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { encodeEnrolmentAnswer, parseEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { createCertificate, createKey } from "./certificate-builder.ts";
import type { SyntheticChannel } from "./synthetic-channel.ts";

/** @returns the text of the answer file. */
export function answerRequest(
  site: SyntheticChannel,
  request: string,
  uplink: readonly string[],
): string {
  const parsed = parseEnrolmentRequest(request);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  const { device, keyKind, signing, tls } = parsed.value;
  const { policy, ca, gateway } = site;
  const [organisation] = policy.organisations;
  if (organisation === undefined) throw new Error("no organisation");
  const issue = (csr: Uint8Array, uris: readonly string[], extendedKeyUsage: readonly string[]) =>
    createCertificate({
      subject: device,
      publicKey: { ...createKey("ES256"), spki: spkiOf(csr) },
      issuer: ca,
      uris,
      extendedKeyUsage,
    });
  const role = (name: string) => `urn:x-tamga:${name}:${policy.channel}:${device}`;
  return encodeEnrolmentAnswer({
    device,
    channel: policy.channel,
    gateway: gateway.name,
    uplink,
    signingChain: [issue(signing, [role("device"), `urn:x-tamga:key:${keyKind}`], [])],
    tlsChain: [issue(tls, [role("tls")], ["1.3.6.1.5.5.7.3.2"])],
    ca: organisation.ca,
    trust: encodeTrustPolicy(policy),
  });
}

/** CertificationRequestInfo (RFC 2986 §4.1): version, subject, subjectPKInfo. */
function spkiOf(csr: Uint8Array): Uint8Array {
  const info = new DerReader(csr).nested(derTags.sequence).nested(derTags.sequence);
  info.unsigned();
  info.take(derTags.sequence);
  return new Uint8Array(info.take(derTags.sequence).whole);
}
