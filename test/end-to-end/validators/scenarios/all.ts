/** The scenarios of the validators by name, in the order in which they run. */

import { kill } from "./kill.ts";
import { oneWay } from "./one-way.ts";
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
].map((one) => ({ canRun: always, ...one }));
