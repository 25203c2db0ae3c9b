/** What a channel's state is made of, and what a valid transaction changes in it. Pure. */

import type { Digest } from "../base/bytes.ts";
import type { PublicKey } from "../base/crypto-port.ts";
import type { ValidityNote } from "../receipt/certificate-chain.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";

/** The open lane of a gateway. */
export type Lane = {
  readonly gateway: Identifier;
  readonly organisation: Identifier;
  readonly key: PublicKey;
  readonly kid: Digest;
  /** DER, for who loads the state again. */
  readonly certificate: Uint8Array;
  readonly incarnation: Uint8Array;
  /** Last ordered: of a lane just opened, its lane-open statement alone. */
  readonly head: TreeHead;
  /** Leaf index of the statement that gave `head`. */
  readonly index: bigint;
};

/** What a valid transaction does. */
export type ChannelChange =
  | {
      readonly type: "lane-opened";
      readonly lane: Omit<Lane, "index">;
      /** A certificate out of its time never blocks a lane (P7); the caller may say so. */
      readonly validityNotes: readonly ValidityNote[];
    }
  | { readonly type: "lane-grown"; readonly gateway: Identifier; readonly head: TreeHead }
  | { readonly type: "key-revoked"; readonly device: Identifier; readonly revoked: RevokedKey };

/** What `ChannelState` starts from: nothing for a new channel, else what was stored. */
export type ChannelContent = {
  readonly lanes: readonly Lane[];
  /** Every lane incarnation ever opened, closed ones too. */
  readonly openings: readonly Uint8Array[];
  /** In the order in which they were ordered; a later entry of a kid replaces the earlier. */
  readonly revocations: readonly RevokedKey[];
  /** Gateways that signed two inconsistent heads. */
  readonly frozen: readonly Identifier[];
};

export const emptyChannel: ChannelContent = {
  lanes: [],
  openings: [],
  revocations: [],
  frozen: [],
};
