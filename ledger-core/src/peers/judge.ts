/** Who a peer is: its certificate chain held against the members of the consortium. */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { ChainFault, TrustedCa, ValidityNote } from "../receipt/certificate-chain.ts";
import { verifyChain } from "../receipt/certificate-chain.ts";
import { nameInRole } from "../receipt/certificate-names.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { PeerMember } from "./network.ts";

/** A member that has proved its name; TLS has proved that it holds the certificate's key. */
export type PeerIdentity = {
  readonly member: PeerMember;
  /** What is said of the certificate's dates; they keep nobody out. */
  readonly notes: readonly ValidityNote[];
};

export type JudgeFault =
  | { readonly code: "PEER_CERTIFICATE_MISSING" }
  | { readonly code: "PEER_CERTIFICATE_UNTRUSTED"; readonly cause: ChainFault }
  | { readonly code: "PEER_CERTIFICATE_ROLE" }
  | { readonly code: "PEER_CERTIFICATE_REVOKED" }
  | { readonly code: "PEER_NOT_MEMBER" }
  | { readonly code: "PEER_ORGANISATION_WRONG" };

/** Judges a chain as it came, DER, leaf first, possibly with the CA itself at its end. */
export type PeerJudge = (chain: readonly Uint8Array[]) => Result<PeerIdentity, JudgeFault>;

/** One channel, as far as a peer is judged by it: its id and the CAs of its organisations. */
export type JudgedChannel = { readonly id: Digest; readonly trustedCas: readonly TrustedCa[] };

export type PeerJudgeOptions = {
  readonly crypto: CryptoPort;
  readonly consortium: Identifier;
  readonly members: () => readonly PeerMember[];
  readonly channels: () => readonly JudgedChannel[];
  /** Whether an organisation took the key back, in this channel: what one channel says binds no other. */
  readonly isRevoked: (key: PublicKey, channel: Digest) => boolean;
  readonly now: () => UnixMillis;
};

/**
 * The judge of a running node. A peer speaks in those of its channels whose CA of its own organisation
 * its chain leads to: one organisation's CA cannot name another's peers. Expiry is noted and lets in,
 * since a site that was offline past a date has to come back; who is out is no member, or revoked.
 */
export function createPeerJudge(options: PeerJudgeOptions): PeerJudge {
  const { crypto, consortium, members, channels, isRevoked, now } = options;
  return (shown) => {
    if (shown.length === 0) return err({ code: "PEER_CERTIFICATE_MISSING" });
    const spoken: Digest[] = [];
    let cause: ChainFault = { code: "CHAIN_NOT_TRUSTED" };
    let judged:
      | { readonly member: PeerMember; readonly notes: readonly ValidityNote[] }
      | undefined;
    let fault: JudgeFault | undefined;
    for (const { id, trustedCas } of channels()) {
      const chain = verifyChain(crypto, withoutAnchor(shown, trustedCas), trustedCas, {
        at: now(),
      });
      if (!chain.ok) {
        if (chain.fault.code !== "CHAIN_NOT_TRUSTED") cause = chain.fault;
        continue;
      }
      const { leaf, organisation, validityNotes: notes } = chain.value;
      const name = nameInRole(leaf, "peer", consortium);
      if (name === undefined) return err({ code: "PEER_CERTIFICATE_ROLE" });
      if (isRevoked(leaf.publicKey, id)) {
        fault = { code: "PEER_CERTIFICATE_REVOKED" };
        continue;
      }
      const member = members().find((known) => known.name === name);
      if (member === undefined) return err({ code: "PEER_NOT_MEMBER" });
      if (member.organisation !== organisation) {
        fault = { code: "PEER_ORGANISATION_WRONG" };
        continue;
      }
      judged = { member, notes };
      if (member.channels.some((channel) => equal(channel, id))) spoken.push(id);
    }
    // Where what it speaks in took its key back, a CA that another channel also trusts does not let it in.
    if (judged !== undefined && (spoken.length > 0 || fault === undefined))
      return ok({ member: { ...judged.member, channels: spoken }, notes: judged.notes });
    return err(fault ?? { code: "PEER_CERTIFICATE_UNTRUSTED", cause });
  };
}

/** TLS stacks send or find the CA too; a chain of ours ends below it. */
function withoutAnchor(
  chain: readonly Uint8Array[],
  trustedCas: readonly TrustedCa[],
): readonly Uint8Array[] {
  const last = chain.at(-1);
  const isAnchor =
    chain.length > 1 &&
    last !== undefined &&
    trustedCas.some(({ certificate }) => equal(certificate.der, last));
  return isAnchor ? chain.slice(0, -1) : chain;
}
