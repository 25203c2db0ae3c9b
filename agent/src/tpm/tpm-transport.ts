/** The port to a TPM 2.0: commands in, responses out, one at a time. */

/** A line to one TPM that nobody else uses meanwhile. */
export interface TpmLine {
  /**
   * Sends one command and resolves with its whole response.
   *
   * @throws OperationalError TPM_UNAVAILABLE where the TPM cannot be reached or breaks off, TPM_TIMEOUT;
   *   after either, the line is of no use any more.
   */
  transmit(command: Uint8Array, options: { readonly signal: AbortSignal }): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface TpmTransport {
  /** For people: the path or address. */
  readonly name: string;
  /**
   * Whether a resource manager stands before the TPM: it gives every line its own objects and takes
   * them back at the end.
   */
  readonly isManaged: boolean;
  open(options: { readonly signal: AbortSignal }): Promise<TpmLine>;
}
