/**
 * `npm run bench [-- --json FILE] [--only NAME] [--runs N] [--quick]`: the budgets of the design, through
 * real processes, each beside what the machine itself can do. Not a test: nothing here fails on a number.
 */

import { runMain } from "@tamga/ledger-core/daemon/exit-code";
import { agentMemory } from "./agent-memory.ts";
import type { Bench } from "./bench.ts";
import { runProgram } from "./bench-program.ts";
import { firstReceipt } from "./first-receipt.ts";
import { latency } from "./latency.ts";
import { gatewayMemory } from "./many-clients.ts";
import { mosquittoBeside } from "./mosquitto.ts";
import { bundledReadings, bundledSm3Readings, signedReadings } from "./throughput.ts";
import { wireBytes } from "./wire-bytes.ts";

const benches: readonly Bench[] = [
  bundledReadings,
  bundledSm3Readings,
  signedReadings,
  mosquittoBeside,
  latency,
  wireBytes,
  gatewayMemory,
  agentMemory,
  firstReceipt,
];

await runMain(() =>
  runProgram({
    name: "npm run bench --",
    description: "measure the budgets through real processes",
    benches,
  }),
);
