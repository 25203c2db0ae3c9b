/** The named limits of the receipt verifier. A test reaches each. */

/** Extensions of one certificate. */
export const extensionsMax = 32;
/** Names in a certificate's subject alternative name, and purposes in its extended key usage. */
export const subjectNamesMax = 64;
/** Bytes of an RSA modulus: 2,048 to 4,096 bits. */
export const rsaModulusBytesMin = 256;
export const rsaModulusBytesMax = 512;
/** Changes of a channel's validators that an epochs file follows, and its bytes. */
export const epochsMax = 1_024;
export const epochsBytesMax = 16_777_216;
/** Changes in one message to a device, and bytes of that message: any one change fits. */
export const boundariesPerMessageMax = 64;
export const epochsMessageBytesMax = 262_144;
/** Headers from the block that a recovery names to one that has a certificate of its own. */
export const recoveryHeadersMax = 256;
/** Bytes that a state root is the hash of: members, of now and to come, with their CAs, and rules. */
export const stateCommitmentBytesMax = 1_310_720;
