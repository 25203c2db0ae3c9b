/** The named limits of the agent; a test reaches each. */

/**
 * Bytes of one P1 telegram, `/` to the line end after the checksum. Five text messages of 1,024
 * octets, two hexadecimal digits each (Luxembourg's 0-0:96.13.0 … .5), and 2 KiB of registers fit.
 */
export const p1TelegramBytesMax = 16_384;
/** Bytes of one line of a P1 telegram: a message of 1,024 octets in hexadecimal, its code, CR LF. */
export const p1LineBytesMax = 4_096;
/** Registers that one P1 telegram may state; as many as one reading holds. */
export const p1RegistersMax = 256;
/** UTF-8 bytes of one text value of a P1 telegram; as many as one reading's text holds. */
export const p1TextBytesMax = 1_024;
/** Bytes of one line of an ear-tag reader, line end included. */
export const stickLineBytesMax = 128;
/** Characters of a link URI. */
export const linkUriLengthMax = 1_024;
/** Bytes that a link reads ahead of its consumer, and so the most in one chunk; a socket has the same. */
export const linkChunkBytesMax = 65_536;
/** Milliseconds until a TCP link gives up connecting. */
export const linkConnectMsMax = 10_000;
/** Milliseconds between two attempts to open a link that fails, at first and at most. */
export const linkRetryMsMin = 500;
export const linkRetryMsMax = 30_000;
/** Bytes of an outbox: fewer would not hold the reserve and a few bundles. */
export const outboxQuotaMin = 1_048_576;
/** Bytes of the quota that readings never take, so that gaps can always be stated. */
export const outboxReserveBytes = 131_072;
/** Incarnations that one outbox holds; a run that would be one more does not start. */
export const outboxRunsMax = 4_096;
/** Bytes of readings that wait in memory for the next group commit, after which it does not wait. */
export const journalQueueBytesMax = 4_194_304;
/** Milliseconds that a signed statement waits for others to be committed with it. */
export const statementCommitMs = 5;
/** Statements of one stream that are signed and not yet committed. */
export const signedAheadMax = 64;
/** Newest statements of a stream that go before its backlog. */
export const liveWindowMax = 64;
/** Separate ranges, over all incarnations, that a gateway may want again at one time. */
export const wantedRangesMax = 65_536;
/** Milliseconds before the first and, doubling, before the last kind of retry of a signature or a full disk. */
export const outboxRetryMsMin = 100;
export const outboxRetryMsMax = 30_000;
