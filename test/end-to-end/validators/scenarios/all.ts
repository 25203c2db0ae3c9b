/** The scenarios of the validators by name, in the order in which they run. */

import { requirePart } from "../../../real-parts.ts";
import { hasNamespaces, inNamespace } from "../namespace.ts";
import { away } from "./away.ts";
import { clockJumps } from "./clock.ts";
import { idle } from "./idle.ts";
import { kill } from "./kill.ts";
import { oneWay } from "./one-way.ts";
import { laneRestored, validatorRestored, validatorRestoredUnsaid } from "./restored.ts";
import type { Scenario } from "./scenario.ts";

export type NamedScenario = {
  readonly name: string;
  readonly run: Scenario;
  /** In the short form; the long form's are the caller's. */
  readonly rounds: number;
  /** False where the machine lacks what it needs, which is then said aloud. */
  readonly canRun?: () => boolean;
};

const always = () => true;

export const validatorScenarios: readonly NamedScenario[] = [
  { name: "kill", run: kill, rounds: 3 },
  { name: "one-way", run: oneWay, rounds: 3 },
  { name: "loss", run: inNamespace("loss"), rounds: 2, canRun: mayUseNamespaces },
  { name: "disk-full", run: inNamespace("disk-full"), rounds: 1, canRun: mayUseNamespaces },
  { name: "clock-jumps", run: clockJumps, rounds: 1, canRun: () => requirePart("faketime") },
  { name: "validator-restored", run: validatorRestored, rounds: 1 },
  { name: "validator-restored-unsaid", run: validatorRestoredUnsaid, rounds: 1 },
  { name: "lane-restored", run: laneRestored, rounds: 1 },
  { name: "idle", run: idle, rounds: 3 },
  { name: "away", run: away, rounds: 3, canRun: () => requirePart("faketime") },
].map((one) => ({ canRun: always, ...one }));

/** Not every container allows it; on a machine of CI it has to be there. */
function mayUseNamespaces(): boolean {
  if (requirePart("nftables") && requirePart("iproute2") && hasNamespaces()) return true;
  const sentence = "SKIPPED ALOUD: no network and mount namespaces for loss and full disks here";
  if ((process.env["CI"] ?? "") !== "") throw new Error(sentence);
  process.stderr.write(`\n*** tamga: ${sentence} ***\n\n`);
  return false;
}
