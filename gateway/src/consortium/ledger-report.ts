/** What a node says of its channel to whoever runs it: running, from its engine and links; stopped, from its disk. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import { describeLedger } from "@tamga/ledger-core/ledger/describe-ledger";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import type { LedgerSight, ValidatorSight } from "@tamga/ledger-core/ledger/ledger-sight";
import type { PeerConnection, PeerStatus } from "@tamga/ledger-core/peers/network";
import { z } from "zod";
import type { LedgerBook } from "./ledger-book.ts";
import { quorumNeeded } from "./ledger-book.ts";

const count = z.int().min(0);
const text = z.string();

/** `null` is what nobody knows here, e.g. of a gateway that is stopped. */
export const ledgerReportSchema = z.object({
  /** Whether a gateway said this; otherwise its databases did. */
  running: z.boolean(),
  consortium: text,
  channel: text,
  channelId: text,
  incarnation: text,
  reopened: z.boolean(),
  /** e.g. "3 of 4 organisations". */
  trust: text,
  epoch: count,
  view: count.nullable(),
  finalHeight: count,
  /** RFC 3339, by the leader's clock; its age by this machine's. */
  finalAt: text.nullable(),
  finalAgeMs: count.nullable(),
  size: count,
  sealedSize: count,
  sealedAt: text.nullable(),
  pendingTransactions: count.nullable(),
  /** Other members were ordered, and take over with the next boundary block. */
  membersPending: z.boolean(),
  /** This validator signs nothing until others have told it what it had signed. */
  amnesia: z.boolean().nullable(),
  /** Why nothing is ordered here any more, or for the moment. */
  halted: text.nullable(),
  quorum: z.object({
    needed: count,
    reachable: count.nullable(),
    isThere: z.boolean().nullable(),
  }),
  validators: z.array(
    z.object({
      name: text,
      organisation: text,
      publicKey: text,
      isSelf: z.boolean(),
      isReachable: z.boolean().nullable(),
      heardMs: count.nullable(),
      finalHeight: count.nullable(),
      /** "this node", "none", "dialled 192.0.2.1:8490", "accepted …", "relayed by NAME". */
      link: text.nullable(),
      roundTripMs: z.number().min(0).nullable(),
      /** Of its links since the start, by code. */
      refusals: z.record(text, count),
    }),
  ),
  /** Refusals of those who never said who they are. */
  strangers: z.record(text, count),
});
export type LedgerReport = z.output<typeof ledgerReportSchema>;

export type RunningParts = {
  readonly ledger: Ledger;
  readonly sight: LedgerSight;
  readonly peers: readonly PeerStatus[];
  readonly strangers: ReadonlyMap<string, number>;
  readonly membersPending: boolean;
  readonly now: number;
};

/** Of a running node. */
export function reportRunning(parts: RunningParts): LedgerReport {
  const { ledger, sight, peers, strangers, membersPending, now } = parts;
  const status = ledger.status();
  const { consensus, quorum, pausedBy, hasStopped } = sight;
  return {
    running: true,
    ...identityOf(status),
    epoch: consensus?.epoch ?? 0,
    view: consensus?.view ?? null,
    finalHeight: sight.finalHeight,
    ...ageOf(sight.finalAt, now),
    size: status.size,
    sealedSize: status.sealedSize,
    sealedAt: timeOf(status.sealedAt),
    pendingTransactions: status.pendingTransactions,
    membersPending,
    amnesia: consensus?.abstaining ?? null,
    halted: consensus?.halted ?? pausedBy ?? (hasStopped ? "LEDGER_STOPPED" : null),
    quorum,
    validators: sight.validators.map((validator) =>
      seenValidator(
        validator,
        peers.find(({ name }) => name === validator.name),
      ),
    ),
    strangers: Object.fromEntries(strangers),
  };
}

/** Of a node that is stopped. */
export function reportStored(
  book: LedgerBook,
  { self, doubt, now }: { readonly self: string; readonly doubt?: boolean; readonly now: number },
): LedgerReport {
  const { genesis, state, channel, chain, sealed } = book;
  const { trust, governance } = state;
  const status = describeLedger({
    genesis,
    state,
    size: channel.log.size,
    sealed: undefined,
    pendingTransactions: 0,
  });
  return {
    running: false,
    ...identityOf(status),
    epoch: governance.epoch,
    view: null,
    finalHeight: chain.height,
    ...ageOf(book.finalAt, now),
    size: channel.log.size,
    sealedSize: Number(sealed?.size ?? 0n),
    sealedAt: timeOf(sealed?.at),
    pendingTransactions: null,
    membersPending: governance.pending !== undefined,
    amnesia: doubt ?? null,
    halted: null,
    quorum: { needed: quorumNeeded(state), reachable: null, isThere: null },
    validators: trust.validators.map(({ name, organisation, publicKey }) => ({
      name,
      organisation,
      publicKey: toHex(publicKey),
      isSelf: name === self,
      isReachable: null,
      heardMs: null,
      finalHeight: null,
      link: name === self ? "this node" : null,
      roundTripMs: null,
      refusals: {},
    })),
    strangers: {},
  };
}

function identityOf(status: ReturnType<Ledger["status"]>) {
  const { consortium, channel, channelId, channelIncarnation, reopened, trust } = status;
  return { consortium, channel, channelId, incarnation: channelIncarnation, reopened, trust };
}

function ageOf(finalAt: number, now: number) {
  return { finalAt: timeOf(finalAt), finalAgeMs: Math.max(0, Math.round(now - finalAt)) };
}

function timeOf(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}

function seenValidator(
  validator: ValidatorSight,
  peer: PeerStatus | undefined,
): LedgerReport["validators"][number] {
  const { name, organisation, publicKey, isSelf, isReachable } = validator;
  return {
    name,
    organisation,
    publicKey,
    isSelf,
    isReachable,
    heardMs: validator.heardMs ?? null,
    finalHeight: validator.finalHeight ?? null,
    link: isSelf ? "this node" : linkOf(peer?.connection ?? { kind: "none" }),
    roundTripMs: peer?.roundTripMs ?? null,
    refusals: Object.fromEntries(peer?.counts ?? []),
  };
}

function linkOf(connection: PeerConnection): string {
  switch (connection.kind) {
    case "none":
      return "none";
    case "relayed":
      return `relayed by ${connection.via}`;
    default:
      return `${connection.kind} ${connection.address}`;
  }
}
