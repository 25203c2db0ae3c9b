/** The one-validator ledger under the conformance suite, in a directory of its own each time. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { SoloLedger } from "@tamga/ledger-core/ledger/solo-ledger";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { LedgerSite } from "../support/ledger-site.ts";
import { ledgerConformance } from "./ledger-conformance.ts";

const writer = fileURLToPath(new URL("../support/ledger-writer.ts", import.meta.url));

ledgerConformance("one validator", async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-ledger-"));
  const site = new LedgerSite(directory);
  const validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
  return {
    site,
    open: () =>
      SoloLedger.open({
        path: join(directory, "ledger.db"),
        crypto: nodeCrypto,
        clock: new SystemClock(),
        validatorKey,
        openChannel: () => site.openChannel(validatorKey.publicKey),
      }),
    startWriter: () =>
      spawn(process.execPath, [writer, directory], { stdio: ["ignore", "pipe", "inherit"] }),
    discard: async () => rmSync(directory, { recursive: true }),
  };
});
