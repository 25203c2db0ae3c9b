/** `npm run bench:keys [-- --runs N] [--quick]`: what keys of each kind sign a second, how many such signatures
 * are checked, and what a slow one is enough for. */

import { runMain } from "@tamga/ledger-core/daemon/exit-code";
import { runProgram } from "./bench-program.ts";
import { checkRates } from "./check-rates.ts";
import { signatureRates } from "./signature-rates.ts";
import { slowToken } from "./slow-token.ts";

await runMain(() =>
  runProgram({
    name: "npm run bench:keys --",
    description: "measure signatures a second of each kind of key",
    benches: [signatureRates, checkRates, slowToken],
  }),
);
