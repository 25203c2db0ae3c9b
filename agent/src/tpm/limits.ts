/** The bounds of everything that goes to a TPM or comes from it. */

/** Bytes of a command or response; TPMs take 4,096 at most (TPM_PT_MAX_COMMAND_SIZE). */
export const tpmMessageBytesMax = 4_096;

/** Milliseconds that one command may take: making an RSA key takes some chips half a minute. */
export const tpmCommandMsMax = 60_000;

/** How often a command is sent again that the TPM asks to be sent again, and the wait before each. */
export const tpmRetriesMax = 20;
export const tpmRetryMs = 50;

/** Bytes of a certificate in the TPM's NV memory. */
export const tpmNvBytesMax = 4_096;
