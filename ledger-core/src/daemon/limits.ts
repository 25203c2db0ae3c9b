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
