/** The statements that a gateway signs: its lane opened, its lane's head, a statement refused, a device judged. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { GatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { encodeGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { LogHead } from "@tamga/ledger-core/wire/log-signature";
import { prepareLogSignature } from "@tamga/ledger-core/wire/log-signature";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";

/** The gateway's key. It signs at once: a rejection is part of the transaction that it answers. */
export interface LaneSigner {
  readonly algorithm: "ES256";
  /** RFC 9679 thumbprint of the key. */
  readonly kid: Digest;
  /** r‖s over SHA-256 of the bytes, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

/** Whose lane it is, in which channel. */
export type LaneIdentity = {
  readonly consortium: Identifier;
  readonly channel: Identifier;
  readonly gateway: Identifier;
  /** Identity of the channel's channel-open statement. */
  readonly channelId: Digest;
};

/** Exact bytes of a statement of the gateway, issued at `now`. */
export function signGatewayStatement(...part: Parameters<typeof signIdentified>): Uint8Array {
  return signIdentified(...part).bytes;
}

/** The same with the statement's identity. */
export function signIdentified(
  signer: LaneSigner,
  identity: LaneIdentity,
  claims: GatewayClaims,
  now: UnixMillis,
): { readonly bytes: Uint8Array; readonly identity: Digest } {
  const unsigned = prepareStatement(
    {
      algorithm: signer.algorithm,
      kid: signer.kid,
      type: claims.kind,
      channel: identity.channel,
      issuer: identity.gateway,
      subject: laneSubject,
      issuedAt: Math.floor(now / 1_000),
    },
    encodeGatewayClaims(claims),
  );
  const bytes = finishStatement(unsigned, signer.sign(unsigned.toBeSigned));
  return { bytes, identity: nodeCrypto.sha256(unsigned.toBeSigned) };
}

/** The gateway's RFC 9942 signature over a lane's root: what a provisional receipt rests on. */
export function signLaneRoot(signer: LaneSigner, head: LogHead): Uint8Array {
  return signer.sign(prepareLogSignature(head, signer).toBeSigned);
}

const lane = parseIdentifier("lane");
const laneSubject = present(lane.ok ? lane.value : undefined, "subject of a gateway's statement");
