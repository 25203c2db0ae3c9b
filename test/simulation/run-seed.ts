/** One seed, one simulation: the scenario drawn from it is played against the engine. */

import type { Message } from "@tamga/ledger-core/consensus/message";
import { encodeMessage, parseMessage } from "@tamga/ledger-core/consensus/message-codec";
import { channelEngine } from "./engine-port.ts";
import { OracleViolation } from "./oracle-violation.ts";
import type { Outcome } from "./run-scenario.ts";
import { ScenarioRun } from "./run-scenario.ts";
import { drawScenario } from "./scenario.ts";

/** What a simulation found; its message begins with the command that plays it again exactly. */
export class SimulationFailure extends Error {
  readonly seed: number;
  readonly rule: string;

  constructor(seed: number, size: number | undefined, cause: unknown, trace: readonly string[]) {
    const rule = cause instanceof OracleViolation ? cause.rule : "exception";
    const text = textOf(cause);
    const tail = trace.length === 0 ? "" : `\n${trace.join("")}`;
    const of = size === undefined ? "" : ` -- --n ${size}`;
    super(`SIM_SEED=${seed} npm run sim${of}: ${text}${tail}`);
    this.name = "SimulationFailure";
    this.seed = seed;
    this.rule = rule;
  }
}

/** A violation is a sentence; whatever else was thrown shows where. */
function textOf(cause: unknown): string {
  if (cause instanceof OracleViolation) return cause.message;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

/**
 * @param size validators; drawn from the seed where absent.
 * @param traceLines lines of the trace's end that a failure carries.
 */
export function runSeed(seed: number, size?: number, traceLines = 0): Outcome {
  const scenario = drawScenario(seed, size);
  const run = new ScenarioRun(
    scenario,
    channelEngine,
    scenario.onWire ? throughBytes : (message) => message,
    traceLines > 0,
  );
  try {
    return run.run();
  } catch (error) {
    throw new SimulationFailure(seed, size, error, run.world.trace.slice(-traceLines));
  }
}

function throughBytes(message: Message): Message {
  const parsed = parseMessage(encodeMessage(message));
  if (!parsed.ok) throw new OracleViolation("codec", `${message.type}: ${parsed.fault.code}`);
  return parsed.value;
}
