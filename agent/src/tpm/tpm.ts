/** A TPM 2.0 in use: commands one after the other on a line of its own, and refusals as sentences. */

import { u32 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { describeTpmResponse } from "@tamga/ledger-core/tpm/tpm-response-code";
import { tpmRetriesMax, tpmRetryMs } from "./limits.ts";
import type { TpmAnswer, TpmCommand } from "./tpm-command.ts";
import { encodeTpmCommand, parseTpmResponse, tpmCommands } from "./tpm-command.ts";
import { tpmSentence } from "./tpm-sentence.ts";
import type { TpmLine, TpmTransport } from "./tpm-transport.ts";

export class Tpm {
  readonly #line: TpmLine;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** Transient objects and sessions that this use made and has not flushed yet. */
  readonly #made = new Set<number>();

  private constructor(line: TpmLine, { clock, signal }: TpmUse) {
    this.#line = line;
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * Opens a line, runs `use` and closes the line; what was made in the TPM meanwhile is flushed.
   *
   * @throws OperationalError TPM_UNAVAILABLE, TPM_TIMEOUT, TPM_COMMAND_FAILED, TPM_RESPONSE_MALFORMED,
   *   TPM_LOCKED_OUT, or what `use` throws.
   */
  static async use<T>(
    transport: TpmTransport,
    options: TpmUse,
    use: (tpm: Tpm) => Promise<T>,
  ): Promise<T> {
    const line = await transport.open(options);
    const tpm = new Tpm(line, options);
    try {
      const result = await use(tpm);
      await tpm.#flushAll();
      return result;
    } catch (error) {
      await tpm.#flushAll().catch(() => undefined);
      throw error;
    } finally {
      await line.close();
    }
  }

  /** Sends a command, again where the TPM asks for that, a bounded number of times. */
  async execute(command: TpmCommand): Promise<TpmAnswer> {
    const bytes = encodeTpmCommand(command);
    for (let attempt = 0; ; attempt++) {
      const response = await this.#line.transmit(bytes, { signal: this.#signal });
      const answer = parseTpmResponse(command, response);
      if (answer.ok) return answer.value;
      if (answer.fault.code === "TPM_RESPONSE_MALFORMED")
        throw new OperationalError(answer.fault.code, "the TPM answers what is no response", {
          details: { command: command.code },
        });
      const { responseCode } = answer.fault;
      const { isPassing } = describeTpmResponse(responseCode);
      if (!isPassing || attempt === tpmRetriesMax) throw refusal(command, responseCode);
      await this.#clock.sleep(tpmRetryMs, { signal: this.#signal });
    }
  }

  /** Says that `handle` is a transient object or session of this use, to be flushed at its end. */
  keep(handle: number): number {
    this.#made.add(handle);
    return handle;
  }

  /** Lets go of what this use made: a TPM holds three loaded keys at a time, or few more. */
  async flush(handle: number): Promise<void> {
    this.#made.delete(handle);
    await this.execute({ code: tpmCommands.flushContext, parameters: [u32(handle)] });
  }

  async #flushAll(): Promise<void> {
    for (const handle of [...this.#made].reverse()) await this.flush(handle);
  }
}

export type TpmUse = { readonly clock: Clock; readonly signal: AbortSignal };

function refusal({ code }: TpmCommand, responseCode: number): OperationalError {
  const { name, about } = describeTpmResponse(responseCode);
  const isLockout = name === "LOCKOUT";
  return new OperationalError(
    isLockout ? "TPM_LOCKED_OUT" : "TPM_COMMAND_FAILED",
    tpmSentence(name, about),
    { details: { command: code, response: name, ...(about === undefined ? {} : { about }) } },
  );
}
