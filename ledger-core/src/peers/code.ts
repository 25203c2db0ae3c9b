/** Everything that a link between peers can refuse, by stable code, each with one sentence. */

const sentences = {
  PEER_CONNECTIONS_FULL: "Too many connections wait to say who they are.",
  PEER_ADDRESS_FULL: "Too many connections of one address wait to say who they are.",
  PEER_HANDSHAKES_TOO_FAST: "New connections come faster than they are taken.",
  PEER_HANDSHAKE_FAILED: "The TLS 1.3 handshake failed.",
  PEER_HELLO_LATE: "The other side did not say hello in time.",
  PEER_CERTIFICATE_MISSING: "The other side showed no certificate.",
  PEER_CERTIFICATE_UNTRUSTED: "The certificate leads to no organisation of the consortium.",
  PEER_CERTIFICATE_ROLE: "The certificate is not for a peer of this consortium.",
  PEER_CERTIFICATE_REVOKED: "The certificate's key has been revoked.",
  PEER_CERTIFICATE_EXPIRED: "The certificate has expired; a known peer is let in all the same.",
  PEER_CERTIFICATE_NOT_YET_VALID: "The certificate is of the future: one of two clocks is wrong.",
  PEER_NOT_MEMBER: "No member of the consortium has this name.",
  PEER_ORGANISATION_WRONG: "The certificate is of another organisation than the peer's own.",
  PEER_SELF: "The other side shows this node's own name.",
  PEER_NAME_UNEXPECTED: "Another peer answered than the one that was dialled.",
  PEER_NAME_MISMATCH: "The hello names another peer than the certificate.",
  PEER_BORDER_CROSSED: "Only border gateways talk to another organisation.",
  PEER_OTHER_VERSION: "The other side speaks another version of the protocol.",
  PEER_OTHER_CONSORTIUM: "The other side belongs to another consortium.",
  PEER_FRAME_TOO_LONG: "A frame declares more bytes than its type may have.",
  PEER_FRAME_UNKNOWN: "A frame has an unknown type.",
  PEER_FRAME_OUT_OF_PLACE: "A frame has a type that may not come now.",
  PEER_FRAME_MALFORMED: "A frame's body is not what its type says.",
  PEER_CHANNEL_FOREIGN: "A frame is of a channel that the peer is no member of.",
  PEER_QUEUE_FULL: "Frames for a peer were dropped, the oldest first.",
  PEER_SILENT: "Nothing came from the peer for too long.",
  PEER_STALLED: "The peer took nothing for too long.",
  PEER_LINK_LOST: "The connection broke, or the other side ended it.",
  PEER_LINK_REPLACED: "Another connection to the same peer was kept.",
  PEER_UNREACHABLE: "No address and no relay of the peer answered.",
  PEER_REFUSED_THERE: "The other side refused this node.",
  PEER_CLOSED: "The node was closed.",
  PEER_RELAY_OFF: "This node does not relay.",
  PEER_RELAY_TARGET_UNKNOWN: "The peer to relay to is no member.",
  PEER_RELAY_TARGET_ABSENT: "The relay has no link to that peer.",
  PEER_RELAY_TOO_FAR: "More relays would be needed than are allowed.",
  PEER_RELAY_STREAMS_FULL: "A link carries as many relayed streams as it may.",
  PEER_RELAY_OVERRUN: "A relayed stream sent more than its window.",
  PEER_RELAY_BROKEN: "A link under a relayed stream broke.",
} as const satisfies Readonly<Record<`PEER_${string}`, string>>;

export type PeerCode = keyof typeof sentences;

const known: ReadonlyMap<string, string> = new Map(Object.entries(sentences));

/** Every code, in the order of this file. */
export const peerCodes: readonly string[] = [...known.keys()];

/** One clear sentence. */
export function explainPeerCode(code: PeerCode): string {
  return sentences[code];
}

/** A code that came over the wire; undefined where this version does not know it. */
export function parsePeerCode(text: string): PeerCode | undefined {
  return isPeerCode(text) ? text : undefined;
}

function isPeerCode(text: string): text is PeerCode {
  return known.has(text);
}

/** How often each code came up: a closed set, so its size is bounded whatever comes in. */
export class PeerCounts {
  readonly #counts = new Map<PeerCode, number>();

  count(code: PeerCode, times = 1): void {
    this.#counts.set(code, this.of(code) + times);
  }

  of(code: PeerCode): number {
    return this.#counts.get(code) ?? 0;
  }

  get all(): ReadonlyMap<PeerCode, number> {
    return this.#counts;
  }
}
