/** The named limits of the daemons' shared shells. A test reaches each. */

/** Public keys that stay imported: a gateway's devices; about 2 KiB each. */
export const importedKeysMax = 4_096;
/** Bytes of an RSA key's SPKI: 4,096 bits take 550. */
export const spkiBytesMax = 1_024;
/** Bits of an RSA modulus that PS256 takes. */
export const rsaBitsMin = 2_048;
export const rsaBitsMax = 4_096;
/** Bytes of a configuration file, and of one secret beside it. */
export const configBytesMax = 1_048_576;
export const secretBytesMax = 4_096;
/** Faults of a configuration that one message lists. */
export const configFaultsShownMax = 10;
/** Milliseconds that a writer waits for another one's lock on a database. */
export const busyTimeoutMsMax = 5_000;
/** Bytes of a write-ahead log that stay allocated after a checkpoint. */
export const walBytesKept = 16 * 1_024 * 1_024;
/** Milliseconds from a daemon's stop to the end that waits for nobody. */
export const shutdownMsMax = 10_000;
/** The daemons' own HTTP server: bytes of a body and of all headers, connections at a time. */
export const httpBodyBytesMax = 65_536;
export const httpHeaderBytesMax = 8_192;
export const httpConnectionsMax = 64;
/** Milliseconds for a request's headers, and for the whole request, to come in. */
export const httpHeadersMsMax = 5_000;
export const httpRequestMsMax = 15_000;
