/** The nodes of a channel's validators under the conformance suite: one alone, and four in one process. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LedgerConsortium } from "../support/ledger-consortium.ts";
import { ledgerConformance } from "./ledger-conformance.ts";

const writer = fileURLToPath(new URL("../support/consortium-writer.ts", import.meta.url));

for (const count of [1, 4])
  ledgerConformance(count === 1 ? "one validator" : `${count} validators`, async () => {
    const directory = mkdtempSync(join(tmpdir(), "tamga-ledger-"));
    const consortium = new LedgerConsortium(directory, count);
    return {
      site: consortium.site,
      open: () => consortium.openAll(),
      startWriter: () =>
        spawn(process.execPath, [writer, directory, `${count}`], {
          stdio: ["ignore", "pipe", "inherit"],
        }),
      discard: async () => {
        await consortium.closeAll();
        rmSync(directory, { recursive: true });
      },
    };
  });
