/** Whether somebody whose certificate was judged may have the link that it is at the end of. Pure. */

import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { PeerCode } from "./code.ts";
import type { JudgeFault, PeerIdentity } from "./judge.ts";
import type { PeerMember } from "./network.ts";
import { mayLink } from "./route.ts";

/** `peer` is whom to count it for: who it was shown to be, or who was dialled. */
export type AdmissionFault = { readonly code: PeerCode; readonly peer?: Identifier };

export function judgeAdmission(
  judged: Result<PeerIdentity, JudgeFault>,
  end: {
    readonly self: Identifier;
    /** Whom we dialled; nobody where the other side did. */
    readonly dialled: Identifier | undefined;
    readonly isRelayed: boolean;
    readonly members: readonly PeerMember[];
  },
): Result<PeerIdentity, AdmissionFault> {
  const { self, dialled, isRelayed, members } = end;
  const counted = dialled === undefined ? {} : { peer: dialled };
  if (!judged.ok) return err({ code: judged.fault.code, ...counted });
  const { member } = judged.value;
  if (member.name === self) return err({ code: "PEER_SELF", ...counted });
  if (dialled !== undefined && dialled !== member.name)
    return err({ code: "PEER_NAME_UNEXPECTED", ...counted });
  const own = members.find(({ name }) => name === self);
  if (own === undefined) return err({ code: "PEER_NOT_MEMBER", peer: member.name });
  // A relayed link crosses a border through those who may.
  if (!isRelayed && !mayLink(own, member))
    return err({ code: "PEER_BORDER_CROSSED", peer: member.name });
  return judged;
}

/** What is counted of a certificate's dates; they keep nobody out. */
export function warningsOf({ notes }: PeerIdentity): readonly PeerCode[] {
  return notes.map(({ state }) =>
    state === "expired" ? "PEER_CERTIFICATE_EXPIRED" : "PEER_CERTIFICATE_NOT_YET_VALID",
  );
}
