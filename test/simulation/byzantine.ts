/** Every kind of liar that a scenario may put in a validator's place; twins are two honest engines with one key. */

import {
  EquivocatingLeader,
  LateProposer,
  StaleParentLeader,
  WrongRootLeader,
} from "./byzantine-leaders.ts";
import { Flooder, LyingSyncPeer } from "./byzantine-peers.ts";
import {
  CertificateForger,
  FinalizeAndNullify,
  Nullifier,
  OldEpochReplayer,
  Silent,
} from "./byzantine-voters.ts";
import type { Liar, LiarSetting } from "./liar.ts";

const liars = {
  silent: Silent,
  "late-proposer": LateProposer,
  "equivocating-leader": EquivocatingLeader,
  "wrong-root-leader": WrongRootLeader,
  "stale-parent-leader": StaleParentLeader,
  nullifier: Nullifier,
  "finalize-and-nullify": FinalizeAndNullify,
  "old-epoch-replayer": OldEpochReplayer,
  "certificate-forger": CertificateForger,
  "lying-sync-peer": LyingSyncPeer,
  flooder: Flooder,
} as const;

export type LiarKind = keyof typeof liars | "twins";

export const liarKinds: readonly LiarKind[] = [
  "silent",
  "late-proposer",
  "equivocating-leader",
  "wrong-root-leader",
  "stale-parent-leader",
  "nullifier",
  "finalize-and-nullify",
  "old-epoch-replayer",
  "certificate-forger",
  "lying-sync-peer",
  "flooder",
  "twins",
];

/** Those that leave an idle channel alone. */
export const quietKinds: ReadonlySet<LiarKind> = new Set(["silent", "late-proposer"]);

export function makeLiar(kind: Exclude<LiarKind, "twins">, setting: LiarSetting): Liar {
  return new liars[kind](setting);
}
