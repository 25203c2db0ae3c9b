/** What a process says when it ends: one sentence, one stable code, one exit status. */

import { InvariantError } from "../base/assert.ts";
import { OperationalError } from "../base/operational-error.ts";

/** Exit statuses of every command (STYLE §5; the numbers above 1 are sysexits'). */
export const exitCodes = {
  /** Done, or judged and found valid. */
  done: 0,
  /** Judged and found invalid. */
  invalid: 1,
  usage: 64,
  unavailable: 69,
  /** Our bug. */
  bug: 70,
  io: 74,
  config: 78,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Exit statuses by the subject of an {@link OperationalError}'s code, i.e. up to its first `_`. */
const exitCodeBySubject: Readonly<Record<string, ExitCode>> = {
  USAGE: exitCodes.usage,
  CONFIG: exitCodes.config,
  SECRET: exitCodes.config,
  NODE: exitCodes.config,
  PIN: exitCodes.config,
  KEY: exitCodes.config,
  DATABASE: exitCodes.io,
  DISK: exitCodes.io,
  FILE: exitCodes.io,
};

/** What {@link judgeFailure} made of something thrown. */
export type Failure = {
  readonly exitCode: ExitCode;
  readonly code: string;
  /** For people, on stderr; a stack only where the bug is ours. */
  readonly text: string;
};

/**
 * An {@link OperationalError} gives its sentence, its code and the status of its subject, 69 where
 * the subject is in no table; a system call's error 74; anything else is our bug: 70 and the stack.
 */
export function judgeFailure(error: unknown): Failure {
  if (error instanceof OperationalError) {
    const subject = error.code.slice(0, error.code.indexOf("_"));
    const exitCode = exitCodeBySubject[subject] ?? exitCodes.unavailable;
    return { exitCode, code: error.code, text: `${error.message} [${error.code}]` };
  }
  if (error instanceof Error && "syscall" in error && "code" in error) {
    const code = String(error.code);
    return { exitCode: exitCodes.io, code, text: `The system refused: ${error.message} [${code}]` };
  }
  const code = error instanceof InvariantError ? "INVARIANT_BROKEN" : "ERROR_UNEXPECTED";
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { exitCode: exitCodes.bug, code, text: `This is a bug in Tamga [${code}]\n${stack}` };
}

/** The parts of a process that {@link runMain} touches; a test gives its own. */
export type ProcessPort = {
  readonly nodeVersion: string;
  readonly writeError: (text: string) => void;
  /** Ends at once. */
  readonly exit: (exitCode: ExitCode) => void;
  /** Ends once nothing is left to do, so that a pipe is drained. */
  readonly setExitCode: (exitCode: ExitCode) => void;
  readonly onUncaught: (listener: (error: unknown) => void) => void;
};

/**
 * Runs a command to its exit status; never rejects. What nobody caught, also outside of `main`'s
 * own promise, is printed and ends the process at once: to go on from the unknown loses more.
 */
export async function runMain(
  main: () => Promise<ExitCode>,
  port: ProcessPort = systemProcess(),
): Promise<void> {
  const fail = (error: unknown) => {
    const { exitCode, text } = judgeFailure(error);
    port.writeError(`${text}\n`);
    port.exit(exitCode);
  };
  try {
    requireNode(port.nodeVersion);
    port.onUncaught(fail);
    port.setExitCode(await main());
  } catch (error) {
    fail(error);
  }
}

/** Throws NODE_TOO_OLD below major version 24: the native modules would crash without a word. */
export function requireNode(version: string): void {
  if (Number.parseInt(version, 10) >= nodeMajorMin) return;
  throw new OperationalError(
    "NODE_TOO_OLD",
    `Tamga needs Node.js ${nodeMajorMin} or newer and this is ${version}: start it with npm, ` +
      "which brings the right one, or install it.",
    { details: { version } },
  );
}

const nodeMajorMin = 24;

function systemProcess(): ProcessPort {
  return {
    nodeVersion: process.versions.node,
    writeError: (text) => process.stderr.write(text),
    exit: (exitCode) => process.exit(exitCode),
    setExitCode: (exitCode) => {
      process.exitCode = exitCode;
    },
    onUncaught: (listener) => {
      process.on("uncaughtException", listener);
      process.on("unhandledRejection", listener);
      // A reader that has seen enough (`| head`) is no failure of ours.
      process.stdout.on("error", (error: NodeJS.ErrnoException) => {
        if (error.code === "EPIPE") process.exit(exitCodes.done);
        listener(error);
      });
    },
  };
}
