/** Judges a gateway's TLS certificate: by the pinned site CA, its role, its host name and its dates. */

import type { PeerCertificate } from "node:tls";
import { checkServerIdentity } from "node:tls";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { ChainFault, TrustedCa } from "@tamga/ledger-core/receipt/certificate-chain";
import { verifyChain } from "@tamga/ledger-core/receipt/certificate-chain";
import { isCertificateOf } from "@tamga/ledger-core/receipt/certificate-names";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { chainLengthMax } from "@tamga/ledger-core/wire/limits";

/** What a server must be. Without `at` its dates are not looked at. */
export type ExpectedServer = {
  readonly host: string;
  readonly channel: Identifier;
  readonly ca: TrustedCa;
  readonly at: UnixMillis | undefined;
};

export type ServerFault =
  | { readonly code: "SERVER_CHAIN_BAD"; readonly cause: ChainFault }
  | { readonly code: "SERVER_ROLE_WRONG" }
  | { readonly code: "SERVER_HOST_WRONG"; readonly host: string }
  | { readonly code: "SERVER_EXPIRED" | "SERVER_NOT_YET_VALID" };

const serverAuth = "1.3.6.1.5.5.7.3.1";

/**
 * One CA certifies gateways and devices, so the role counts as much as the signature: a device must not
 * pass for a gateway. Faults: SERVER_*.
 *
 * @returns the gateway's name.
 */
export function judgeServer(
  crypto: CryptoPort,
  expected: ExpectedServer,
  certificate: PeerCertificate,
): Result<Identifier, ServerFault> {
  const chain = chainOf(certificate);
  const verified = verifyChain(crypto, chain, [expected.ca], { at: expected.at });
  if (!verified.ok) return err({ code: "SERVER_CHAIN_BAD", cause: verified.fault });
  const { leaf, validityNotes } = verified.value;
  const name = parseIdentifier(leaf.commonName);
  const subject = name.ok ? { channel: expected.channel, name: name.value } : undefined;
  if (
    subject === undefined ||
    !isCertificateOf(leaf, "gateway-tls", subject) ||
    leaf.extendedKeyUsage?.includes(serverAuth) !== true
  )
    return err({ code: "SERVER_ROLE_WRONG" });
  if (checkServerIdentity(expected.host, certificate) !== undefined)
    return err({ code: "SERVER_HOST_WRONG", host: expected.host });
  const [note] = validityNotes;
  if (note?.state === "expired") return err({ code: "SERVER_EXPIRED" });
  if (note?.state === "not-yet-valid") return err({ code: "SERVER_NOT_YET_VALID" });
  return ok(subject.name);
}

/** A sentence for people. */
export function serverSentence(fault: ServerFault): string {
  switch (fault.code) {
    case "SERVER_CHAIN_BAD":
      return "its certificate is not of the site's CA that this device was enrolled with";
    case "SERVER_ROLE_WRONG":
      return "its certificate is not that of a gateway of this channel";
    case "SERVER_HOST_WRONG":
      return `its certificate does not name ${fault.host}: add that name to the gateway's hosts`;
    case "SERVER_EXPIRED":
      return "its certificate has expired: start the gateway anew so that it makes another";
    case "SERVER_NOT_YET_VALID":
      return "its certificate is not valid yet: compare the clocks";
  }
}

/** DER, leaf first, up to below the CA; the CA itself, where it was sent, is not part of a chain. */
function chainOf(certificate: PeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let next: PeerCertificate | undefined = certificate;
  while (next?.raw !== undefined && chain.length <= chainLengthMax) {
    const issuer: PeerCertificate | undefined = issuerOf(next);
    if (issuer === next || (chain.length > 0 && next.ca === true && issuer === undefined)) break;
    chain.push(new Uint8Array(next.raw));
    next = issuer;
  }
  return chain;
}

function issuerOf(certificate: PeerCertificate): PeerCertificate | undefined {
  if (!("issuerCertificate" in certificate)) return undefined;
  const { issuerCertificate: issuer } = certificate;
  return isCertificate(issuer) ? issuer : undefined;
}

function isCertificate(value: unknown): value is PeerCertificate {
  return typeof value === "object" && value !== null && "raw" in value;
}
