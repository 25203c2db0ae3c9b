/**
 * All written schedules by name. Each plays under plain Node and never throws, so that a child process with a
 * changed engine can ask which rule of the oracle a change breaks. `schedule` is no rule of the oracle's: the
 * run missed the situation that it was written for.
 */

import {
  bodyOnTwoDisks,
  cleanUpThenRestart,
  floorOfAnAmnesiac,
  ownNullifyAfterRestart,
  threeNotarizedAndTheLeaderGone,
  twoFinalizedAndTheLeaderGone,
} from "./directed-crashes.ts";
import {
  deafWhileOthersNullify,
  deafWhileOthersOrder,
  delayJustUnderDelta,
  finalizedByOneAndSkipped,
  firstFinalizeLost,
  notarizationOfAViewNullified,
  proposalOfAViewBehind,
  twinsPropose,
} from "./directed-links.ts";
import type { Violation } from "./directed-run.ts";
import { awayUntilOthersPruned, diskReplacedAndOthersPruned } from "./directed-snapshots.ts";

export type Schedule = (seed?: number) => Violation | undefined;

export const directedSchedules: ReadonlyMap<string, Schedule> = new Map(
  Object.entries({
    twoFinalizedAndTheLeaderGone,
    threeNotarizedAndTheLeaderGone,
    bodyOnTwoDisks,
    cleanUpThenRestart,
    floorOfAnAmnesiac,
    ownNullifyAfterRestart,
    firstFinalizeLost,
    delayJustUnderDelta,
    deafWhileOthersOrder,
    deafWhileOthersNullify,
    twinsPropose,
    proposalOfAViewBehind,
    notarizationOfAViewNullified,
    finalizedByOneAndSkipped,
    diskReplacedAndOthersPruned,
    awayUntilOthersPruned,
  }),
);
