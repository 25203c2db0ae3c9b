/** The named limits of the consensus core. A test reaches each. */

/** Validators of an epoch (CONSENSUS.md is proved and measured for 4 to 16; 1 is the embedded default). */
export const validatorsPerEpochMax = 64;
/** Transactions in one block, and bytes of them together. */
export const blockTransactionsMax = 1_000;
export const blockBytesMax = 1_048_576;
/** Bytes of one transaction in a block. */
export const transactionBytesMax = 262_144;
/** Bytes of an encoded header: a boundary carries a validator set with its approvals. */
export const headerBytesMax = 32_768;
/** Bytes of any message between validators: a block with its certificates, and room to spare. */
export const messageBytesMax = 2_097_152;
/** Transactions that a validator knows and that are not final yet, and bytes of them together. */
export const mempoolTransactionsMax = 16_384;
export const mempoolBytesMax = 67_108_864;
/** Forms of one transaction from one peer: they differ in evidence, and one of them at most is valid. */
export const mempoolFormsMax = 4;
/** How many strangers, peers that are no validators, can fill the share that all of them have together. */
export const mempoolStrangersMax = 8;
/** Nullifications that travel in a proposal; whoever lacks earlier ones fetches them. */
export const nullificationsPerProposalMax = 32;
/** Views above the current one for which votes, and one proposal each, are kept. */
export const viewsAheadMax = 32;
/** Views above the last final one that may be open at a time: beyond it a node enters no further. */
export const openViewsMax = 16_384;
/** Blocks and bytes in one answer to a fetch. */
export const blocksPerAnswerMax = 256;
export const answerBytesMax = 1_048_576;
/**
 * Bytes of final blocks that are held while those before them are fetched: what one certificate finalizes
 * is committed at once, and may be more than one message.
 */
export const tailBytesMax = 67_108_864;
/** Blocks or views that one fetch names. */
export const fetchItemsMax = 64;
/** Blocks that are held without being voted for: fetched ancestors and later proposals. */
export const looseBlocksMax = 64;
/** Votes of the asker that a status answers with. */
export const votesPerStatusMax = 256;
/** Equivocation proofs in a block; a validator keeps one for each other one that lied. */
export const equivocationsPerBlockMax = 16;
/** Seal points that wait for their quorum; older ones are covered by newer ones. */
export const sealPointsOpenMax = 64;
/** Bytes of one validator's signatures over a seal point. */
export const sealPayloadBytesMax = 8_192;
/** Transactions that a final block settles at most, the oldest first, while the next one is under way. */
export const settledBesideNextMax = 64;
/** Own votes that are sent again in one go. */
export const resentVotesMax = 64;
/** Wake-ups by a peer's NULLIFY alone, until something is final again. */
export const nullifyWakesMax = 8;
/** Milliseconds that a leader's clock may be ahead of a voter's. */
export const clockAheadMsMax = 600_000;
/** Milliseconds of a view's patience at most, however often views failed. */
export const patienceMsMax = 60_000;
/** Boundaries, log entries and hashes of a path in one part of a snapshot; its bytes are an answer's. */
export const boundariesPerPartMax = 16;
export const entriesPerPartMax = 4_096;
export const pathPerPartMax = 64;
/** Bytes of a log entry: a statement. */
export const partEntryBytesMax = 65_535;
