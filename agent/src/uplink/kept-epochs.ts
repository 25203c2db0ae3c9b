/** The epochs file of the data directory: what `tamga-verify --epochs` takes beside the device's receipts. */

import { existsSync } from "node:fs";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import { boundariesOf, encodeEpochs, parseEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import { epochsBytesMax } from "@tamga/ledger-core/receipt/limits";
import type { KnownEpochs } from "./known-epochs.ts";

export class KeptEpochs {
  readonly #path: string;
  /** Changes that the file holds; undefined while it is not one of ours. */
  #written: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Has the file's chain verified, and writes one where none is that does: a gateway tells all of it anew.
   *
   * @returns why the file was given up; undefined where it was good or not there.
   * @throws OperationalError FILE_UNREADABLE, FILE_UNWRITABLE.
   */
  restore(known: KnownEpochs): string | undefined {
    const fault = existsSync(this.#path) ? this.#read(known) : undefined;
    this.keep(known.boundaries);
    return fault;
  }

  /** On disk when it returns, where it is more than was there. */
  keep(boundaries: readonly BoundaryProof[]): void {
    if (boundaries.length === this.#written) return;
    writeFileDurable(this.#path, encodeEpochs(boundaries), 0o644);
    this.#written = boundaries.length;
  }

  #read(known: KnownEpochs): string | undefined {
    const parsed = parseEpochs(readBounded(this.#path, epochsBytesMax));
    if (!parsed.ok) return parsed.fault.code;
    const boundaries = boundariesOf(parsed.value);
    // The agent keeps none such: after a recovery it is given another trust policy.
    if (boundaries === undefined) return "EPOCHS_RECOVERED";
    const taken = known.take({ total: boundaries.length, from: 0, boundaries });
    if (!taken.ok) return taken.fault.code;
    this.#written = boundaries.length;
    return undefined;
  }
}
