/** A device's line as a port: a stream of bytes that can be opened, again and again. */

export interface ByteLink {
  /** For people and logs, as `serial:/dev/ttyUSB0`. */
  readonly name: string;
  /**
   * Opens the line and gives its bytes as they come; read ahead at most `linkChunkBytesMax`. The first
   * chunk is empty: it says that the line is open. Ends when the other side hangs up. Throws
   * `OperationalError` with LINK_NOT_FOUND, LINK_PERMISSION, LINK_BUSY, LINK_REFUSED, LINK_TIMEOUT
   * or LINK_FAILED, and `signal.reason` once the signal aborts.
   */
  open(options: { readonly signal: AbortSignal }): AsyncIterable<Uint8Array>;
}
