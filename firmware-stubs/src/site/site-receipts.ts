/** Fetches final receipts from the gateway, verifies each from its bytes alone, and keeps the newest. */

import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { ensureDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";

/** Receipt files that stay in the directory. */
const receiptsKeptMax = 200;

export type ReceiptAt = {
  readonly device: string;
  readonly incarnation: string;
  readonly sequence: string;
};

export class SiteReceipts {
  readonly #directory: string;
  readonly #gatewayOf: (device: string) => string;
  readonly #trust: ReturnType<typeof parseTrustPolicy>;
  readonly #kept: string[];

  constructor(options: {
    readonly directory: string;
    /** HTTP address of the gateway that a device belongs to. */
    readonly gatewayOf: (device: string) => string;
    readonly trust: string;
  }) {
    this.#directory = options.directory;
    this.#gatewayOf = options.gatewayOf;
    this.#trust = parseTrustPolicy(readFileSync(options.trust));
    ensureDir(options.directory, 0o755);
    this.#kept = readdirSync(options.directory)
      .filter((name) => name.endsWith(".tamga"))
      .sort();
  }

  /**
   * @returns the file of a receipt that verified. Throws OperationalError RECEIPT_UNAVAILABLE, or with
   *   the verifier's own code.
   */
  async fetch(at: ReceiptAt): Promise<string> {
    const { device, incarnation, sequence } = at;
    const path = `/receipts/${device}/${incarnation}/${sequence}`;
    const answer = await fetch(`${this.#gatewayOf(device)}${path}`, {
      signal: AbortSignal.timeout(10_000),
    });
    if (!answer.ok) {
      const sentence = `The gateway has no receipt of ${device} ${sequence} (${answer.status}).`;
      throw new OperationalError("RECEIPT_UNAVAILABLE", sentence);
    }
    const bytes = new Uint8Array(await answer.arrayBuffer());
    this.#verify(bytes);
    const name = `${device}-${incarnation.slice(0, 8)}-${sequence.padStart(6, "0")}.tamga`;
    writeFileDurable(join(this.#directory, name), bytes, 0o644);
    this.#kept.push(name);
    while (this.#kept.length > receiptsKeptMax) {
      rmSync(join(this.#directory, this.#kept.shift() ?? ""), { force: true });
    }
    return join(this.#directory, name);
  }

  #verify(bytes: Uint8Array): void {
    if (!this.#trust.ok) throw new OperationalError(this.#trust.fault.code, "trust.json is wrong.");
    const receipt = parseReceipt(bytes);
    if (!receipt.ok) throw new OperationalError(receipt.fault.code, "A receipt is malformed.");
    const verified = verifyReceipt(nodeCrypto, this.#trust.value, receipt.value);
    if (verified.ok) return;
    throw new OperationalError(verified.fault.code, "A receipt of this very site does not verify.");
  }
}
