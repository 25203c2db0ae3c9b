/** The engine under the conformance suite: one validator as a site embeds it, and four in one process. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { openSoloLedger } from "@tamga/ledger-core/ledger/open-solo-ledger";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { LedgerConsortium } from "../support/ledger-consortium.ts";
import { LedgerSite } from "../support/ledger-site.ts";
import { ledgerConformance } from "./ledger-conformance.ts";

const makeDirectory = () => mkdtempSync(join(tmpdir(), "tamga-ledger-"));
const startProcess = (file: string, ...args: readonly string[]) =>
  spawn(
    process.execPath,
    [fileURLToPath(new URL(`../support/${file}`, import.meta.url)), ...args],
    { stdio: ["ignore", "pipe", "inherit"] },
  );

ledgerConformance("one validator", async () => {
  const directory = makeDirectory();
  const site = new LedgerSite(directory);
  const validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
  return {
    site,
    open: () =>
      openSoloLedger({
        path: join(directory, "ledger.db"),
        votesPath: join(directory, "votes.db"),
        crypto: nodeCrypto,
        clock: new SystemClock(),
        validatorKey,
        openChannel: () => site.openChannel(validatorKey.publicKey),
      }),
    startWriter: () => startProcess("ledger-writer.ts", directory),
    discard: async () => rmSync(directory, { recursive: true }),
  };
});

ledgerConformance("four validators", async () => {
  const directory = makeDirectory();
  const consortium = new LedgerConsortium(directory, 4);
  return {
    site: consortium.site,
    open: () => consortium.openAll(),
    startWriter: () => startProcess("consortium-writer.ts", directory, "4"),
    discard: async () => {
      await consortium.closeAll();
      rmSync(directory, { recursive: true });
    },
  };
});
