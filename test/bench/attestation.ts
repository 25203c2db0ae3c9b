/** `npm run bench:attestation [-- --runs N] [--quick]`: what it costs to know which device it is, and in which state. */

import { runMain } from "@tamga/ledger-core/daemon/exit-code";
import { appraisals } from "./appraisals.ts";
import { attestationTraffic } from "./attestation-traffic.ts";
import { runProgram } from "./bench-program.ts";
import { enrolmentTime } from "./enrolment-time.ts";

await runMain(() =>
  runProgram({
    name: "npm run bench:attestation --",
    description: "measure enrolment, appraisals and the traffic of attestation",
    benches: [enrolmentTime, appraisals, attestationTraffic],
  }),
);
