/** The named limits of the ledger and of the stored logs. A test reaches each. */

/** Entries in one append: what a group commit gathers, with room to spare. */
export const entriesPerAppendMax = 4_096;
/** Entries at the log's end that are hashed again on every open; all of them only by a full check. */
export const entriesCheckedAtOpenMax = 256;
/** Gateways of one channel; each has one open lane. */
export const lanesMax = 1_024;
/** Lane incarnations that a channel has ever opened: a gateway opens one when it was restored. */
export const laneOpeningsMax = 65_536;
/** Entries of a lane: its own log counts below 2^53. */
export const laneSizeMax = BigInt(Number.MAX_SAFE_INTEGER);
/** Revoked keys of a channel. */
export const revocationsMax = 65_536;
/** Devices of a channel, and the keys that they ever had: a renewal may bring another. */
export const devicesMax = 65_536;
export const deviceKeysMax = 131_072;
/** Other chains in which a channel is anchored. */
export const anchorTargetsMax = 256;
/** Transactions that wait for their block; one more is refused. */
export const submissionsPendingMax = 4_096;
/** Transactions that are gathered for the engine; the next is handed over at once, with all of them. */
export const transactionsGatheredMax = 500;
/** Milliseconds that a transaction waits for company before the engine has it. */
export const blockWaitMs = 2;

/** Bytes of a channel's whole content: all its sections full, with room to spare. */
export const contentBytesMax = 134_217_728;
/** Snapshots of a channel's content that its database keeps: the newest, and one before it. */
export const snapshotsKeptMax = 2;
/** Final blocks between two snapshots that a node takes by itself, unless its configuration says otherwise. */
export const snapshotEveryBlocks = 10_000;
/** Bytes of a snapshot in one message: an answer's, so that it fits with what is around it. */
export const snapshotPartBytesMax = 1_048_576;
/** Peers that may be asked for a snapshot, and blames of them that are remembered. */
export const snapshotPeersMax = 64;
/** Questions to a peer that does not answer, and heads of one, before another is asked. */
export const snapshotAttemptsMax = 4;
/** Milliseconds in which a peer that lied is not asked again: doubled each time up to the most. */
export const snapshotPauseMsMin = 60_000;
export const snapshotPauseMsMax = 3_600_000;
/** Transactions that a node has read and keeps, and bytes of them together: as its mempool holds. */
export const transactionsKeptMax = 16_384;
export const transactionBytesKeptMax = 67_108_864;
/** Answers to signature checks that a node remembers; one has about 100 bytes. */
export const verificationsKeptMax = 65_536;
/** Identities that a node knows to be ordered, and as many that it knows not to be, without asking its database. */
export const identitiesKeptMax = 32_768;

/** The limits that are part of a channel's validity: every validator has the same. */
export type LedgerLimits = {
  readonly lanesMax: number;
  readonly laneOpeningsMax: number;
  readonly laneSizeMax: bigint;
  readonly revocationsMax: number;
  readonly devicesMax: number;
  readonly deviceKeysMax: number;
  readonly anchorTargetsMax: number;
};
export const ledgerLimits: LedgerLimits = {
  lanesMax,
  laneOpeningsMax,
  laneSizeMax,
  revocationsMax,
  devicesMax,
  deviceKeysMax,
  anchorTargetsMax,
};

/** Bytes of a validator's key file: an Ed25519 key in PEM has 119. */
export const validatorKeyBytesMax = 4_096;
/** Messages of peers that one turn of a channel takes: what comes meanwhile waits for the next. */
export const eventsPerTurnMax = 256;
/** Messages of one peer, and bytes of them together, that wait for a turn; one more is dropped. */
export const inboundMessagesPerPeerMax = 1_024;
export const inboundBytesPerPeerMax = 8_388_608;
/** Milliseconds of rest after the disk refused: doubled each time up to the most. */
export const recoverPauseMsMin = 1_000;
export const recoverPauseMsMax = 30_000;
/** Kinds of misbehaviour by peer that are counted apart. */
export const misbehaviourKindsMax = 1_024;
