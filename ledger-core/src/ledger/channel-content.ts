/** What a channel's state is made of, and what a valid transaction changes in it. Pure. */

import type { Digest } from "../base/bytes.ts";
import type { PublicKey } from "../base/crypto-port.ts";
import type { ValidityNote } from "../receipt/certificate-chain.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { KeyKind } from "../wire/enrolment.ts";
import type { ApprovalRule } from "../wire/governance-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { Governance, PendingMembers } from "./governance.ts";

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
  /** The gateway signed two heads that contradict each other: nothing more of it is ordered. */
  readonly frozen: boolean;
};

/** A lane incarnation that was opened once, whether it is open still or not. */
export type Opening = {
  readonly incarnation: Uint8Array;
  readonly gateway: Identifier;
  /** Of the key that opened it, which signed its heads. */
  readonly kid: Digest;
  /** Root of the lane of one leaf: the leaf hash of the lane-open statement. */
  readonly root: Digest;
};

/** A device as its organisation stated it last. */
export type Device = {
  readonly name: Identifier;
  /** Whose it is for ever: the one that stated its first key. */
  readonly organisation: Identifier;
  readonly kid: Digest;
  /** SHA-256 of the signing certificate's DER. */
  readonly certificate: Digest;
  readonly keyKind: KeyKind;
};

/** To which device a key ever belonged. */
export type DeviceKey = {
  readonly kid: Digest;
  readonly device: Identifier;
  readonly organisation: Identifier;
};

/** The newest anchor in another chain. */
export type Anchor = {
  readonly target: Identifier;
  readonly head: TreeHead;
  /** Leaf index of the statement, which holds the proof. */
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
  | { readonly type: "lane-frozen"; readonly gateway: Identifier }
  | { readonly type: "key-revoked"; readonly device: Identifier; readonly revoked: RevokedKey }
  | { readonly type: "device-key-stated"; readonly device: Device }
  | {
      readonly type: "policy-set";
      readonly policy: Digest;
      readonly rules: readonly ApprovalRule[];
    }
  | { readonly type: "members-chosen"; readonly members: PendingMembers }
  | { readonly type: "anchored"; readonly target: Identifier; readonly head: TreeHead };

/** What `ChannelState` starts from: nothing for a new channel, else what was stored. */
export type ChannelContent = {
  readonly lanes: readonly Lane[];
  readonly openings: readonly Opening[];
  /** A later entry of a kid replaces the earlier. */
  readonly revocations: readonly RevokedKey[];
  readonly devices: readonly Device[];
  readonly deviceKeys: readonly DeviceKey[];
  readonly anchors: readonly Anchor[];
  /** Absent where the genesis still says it all. */
  readonly governance?: Governance | undefined;
};

export const emptyChannel: ChannelContent = {
  lanes: [],
  openings: [],
  revocations: [],
  devices: [],
  deviceKeys: [],
  anchors: [],
};
