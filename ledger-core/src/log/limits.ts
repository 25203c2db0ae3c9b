/** The named limits of logs, proofs and notes. A test reaches each. */

/** Bytes of one entry: an entry bundle prefixes it with 16 bits (C2SP tlog-tiles). */
export const entryBytesMax = 65_535;
/** Siblings in an inclusion path: a tree of 2^64−1 leaves has 64 levels. */
export const inclusionPathLengthMax = 64;
/** Hashes in a consistency path: a sibling a level, and the node where the smaller tree ends. */
export const consistencyPathLengthMax = 65;
/** Leaves that one multiproof proves. */
export const multiproofLeavesMax = 4_096;
/** Inner nodes that a reader over tiles remembers: those of 256 tiles. */
export const cachedNodesMax = 65_536;
/** Bytes of a whole signed note, its signature lines included. */
export const noteBytesMax = 65_536;
/** Signature lines of one note: 64 validators with two algorithms each. */
export const noteSignaturesMax = 128;
/** Characters of a key name or an origin. */
export const keyNameLengthMax = 255;
/** Extension lines of a checkpoint. */
export const checkpointExtensionsMax = 16;
/** Characters of a verifier key: room for every assigned type, so that an unknown one is named. */
export const verifierKeyLengthMax = 2_048;
/** The latest time of a cosignature: 9999-12-31T23:59:59Z in seconds since 1970. */
export const cosignatureTimeSecondsMax = 253_402_300_799;
/** Bytes of the opaque extra line of an exported proof, before base64. */
export const proofExtraBytesMax = 65_536;
/** Bytes of an exported proof: its note, its path and its extra line in base64. */
export const proofTextBytesMax = 163_840;
