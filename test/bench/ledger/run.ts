/**
 * `npm run bench:ledger [-- --json FILE] [--only NAME] [--runs N] [--quick]`: what a consortium's ledger
 * orders, how soon, and what it costs, beside what processor and disk can do. Nothing here fails on a number.
 */

import { runMain } from "@tamga/ledger-core/daemon/exit-code";
import { runProgram } from "../bench-program.ts";
import { catchUp } from "./catch-up.ts";
import { finalityAtPace } from "./finality.ts";
import { bareLimits } from "./limits-beside.ts";
import { orderedOpaque } from "./opaque.ts";
import { orderedChecked, orderedInMemory, orderedUnchecked, overChannels } from "./ordered.ts";

await runMain(() =>
  runProgram({
    name: "npm run bench:ledger --",
    description: "measure the consortium's ledger through real nodes",
    benches: [
      bareLimits,
      orderedOpaque,
      orderedUnchecked,
      orderedChecked,
      orderedInMemory,
      overChannels,
      finalityAtPace,
      catchUp,
    ],
  }),
);
