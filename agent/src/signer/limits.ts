/** The bounds of everything that a signer reads, queues or repeats. */

/** Characters of a key URI. */
export const keyUriLengthMax = 2048;

/** Bytes of a private key file; a PKCS#8 P-256 key in PEM has 241. */
export const keyFileBytesMax = 8192;

/** Bytes of a PIN file, the end of line included; no token takes a longer PIN than 255. */
export const pinFileBytesMax = 257;

/** Signatures that one signer has under way or waiting; one more is SIGN_QUEUE_FULL. */
export const signQueueMax = 64;

/** Milliseconds from a request to its signature, a recovery of the token included. */
export const signMsMax = 15_000;

/** How often one request is put to a token that comes back each time and still refuses. */
export const signAttemptsMax = 3;

/** Milliseconds between attempts to find a lost token: the first and, doubling, the longest. */
export const recoveryDelay = { msMin: 100, msMax: 30_000 } as const;

/** Slots of a PKCS#11 module that are looked at; a host has a few, a network HSM dozens. */
export const slotsMax = 256;

/** Bits of an RSA key's modulus; new ones get the least, since a slow token signs with them in time. */
export const rsaModulusBits = { min: 2_048, max: 4_096 } as const;
