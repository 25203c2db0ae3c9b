/** TLS 1.3 between peers: both show a certificate, ours is the judgement of it, and nothing is resumed. */

import type { X509Certificate } from "node:crypto";
import { constants } from "node:crypto";
import type { Duplex } from "node:stream";
import type { TLSSocket as Secure, SecureContext } from "node:tls";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { OperationalError } from "../base/operational-error.ts";
import { chainLengthMax } from "../wire/limits.ts";

/** PEM: a PKCS #8 key, P-256 or Ed25519, and its certificate followed by those below the CA. */
export type PeerCredentials = { readonly key: string; readonly certificates: string };

/** @throws OperationalError PEER_CREDENTIALS_BAD where key and certificate do not go together. */
export function createPeerContext({ key, certificates }: PeerCredentials): SecureContext {
  try {
    return createSecureContext({
      key,
      cert: certificates,
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
      secureOptions: constants.SSL_OP_NO_TICKET,
      sessionTimeout: 1,
    });
  } catch (cause) {
    const sentence = "The peer's key and certificate cannot be used together.";
    throw new OperationalError("PEER_CREDENTIALS_BAD", sentence, { cause });
  }
}

/** Where a link leads: a name or address that is resolved at each attempt, or a relayed stream. */
export type TlsTarget =
  | { readonly host: string; readonly port: number }
  | { readonly stream: Duplex };

/** Our side of a link that we dial; it says "secureConnect". */
export function connectPeer(target: TlsTarget, secureContext: SecureContext): Secure {
  const way = "stream" in target ? { socket: target.stream } : target;
  return connect({
    ...way,
    secureContext,
    minVersion: "TLSv1.3",
    // Identities are judged by the members' list, not by Node's own roots, names and dates.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
}

/** Our side of a link that somebody else dials; it says "secure". */
export function acceptPeer(socket: Duplex, secureContext: SecureContext): Secure {
  return new TLSSocket(socket, {
    isServer: true,
    secureContext,
    requestCert: true,
    rejectUnauthorized: false,
  });
}

/** The certificates that the other side showed, DER, leaf first; TLS has proved the leaf's key. */
export function chainOf(socket: Secure): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  // One more than a chain may have, so that the judge sees that it is too long.
  while (certificate !== undefined && chain.length <= chainLengthMax + 1) {
    chain.push(new Uint8Array(certificate.raw));
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
