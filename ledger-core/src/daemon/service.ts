/** Runs a daemon as a list of services under one root signal, opened in order, closed in reverse. */

import { OperationalError } from "../base/operational-error.ts";
import type { ExitCode } from "./exit-code.ts";
import { exitCodes, judgeFailure } from "./exit-code.ts";
import { shutdownMsMax } from "./limits.ts";
import type { Logger } from "./logger.ts";
import type { Clock } from "./system-clock.ts";
import { deadline } from "./system-clock.ts";

/** A part of a daemon with a life of its own: a database, a broker, a link, a server. */
export interface Service {
  /** Lower-case, for the log. */
  readonly name: string;
  /** Resolves when the service is of use to the ones after it. A rejection stops the daemon. */
  open(options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * What it does until the signal aborts, started once it is open. A rejection stops the daemon,
   * and so does coming back before the signal: a loop that ended in silence is a fault.
   */
  run?(options: { readonly signal: AbortSignal }): Promise<void>;
  /** Called once, after `run` was told to end, also when another service failed. */
  close(): Promise<void>;
}

/** The parts of a process that {@link runServices} touches; a test gives its own. */
export type SignalPort = {
  /** Calls the listener at each SIGTERM or SIGINT; returns what takes it off again. */
  readonly onStop: (listener: (name: "SIGTERM" | "SIGINT") => void) => () => void;
  /** Ends at once. */
  readonly exit: (exitCode: ExitCode) => void;
};

export type RunOptions = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when all are open, e.g. to tell systemd. */
  readonly onReady?: () => Promise<void>;
  /** Called when closing starts. */
  readonly onStopping?: () => Promise<void>;
  /** Stops as SIGTERM does; for a rig that runs a daemon inside its own process. */
  readonly signal?: AbortSignal;
  /** From the stop to the end that waits for nobody; ten seconds unless given. */
  readonly shutdownMs?: number;
};

/**
 * Resolves with 0 after a signal and an orderly end. Rejects with the first failure, once all that
 * was opened is closed. Whoever does not close in time is named in the log and the process exits
 * with a status other than 0; a second signal does the same at once.
 */
export async function runServices(
  services: readonly Service[],
  options: RunOptions,
  port: SignalPort = systemSignals(),
): Promise<ExitCode> {
  const root = new AbortController();
  const stop: Stop = { failure: undefined, waitingFor: "" };
  const fail = (name: string, error: unknown) => {
    if (isOwnAbort(error, root.signal)) return;
    stop.failure ??= { error };
    options.logger.error({ event: "service.failed", service: name, error }, "service failed");
    root.abort(error);
  };
  const removeListeners = listen(root, stop, options, port);
  const overdue = guardShutdown(root.signal, stop, options, port);
  const opened: Opened[] = [];
  await openAll(services, { root: root.signal, stop, opened, fail });
  if (!root.signal.aborted) {
    options.logger.info({ event: "daemon.ready", services: opened.length }, "ready");
    await attempt("ready", options.onReady, fail);
  }
  if (!root.signal.aborted) await aborted(root.signal);

  options.logger.info({ event: "daemon.stopping" }, "stopping");
  await attempt("stopping", options.onStopping, fail);
  for (const { service, running } of opened.reverse()) {
    stop.waitingFor = service.name;
    await running;
    await attempt(service.name, () => service.close(), fail);
  }
  overdue.disarm();
  removeListeners();
  if (stop.failure !== undefined) throw stop.failure.error;
  options.logger.info({ event: "daemon.stopped" }, "stopped");
  return exitCodes.done;
}

type Stop = { failure: { readonly error: unknown } | undefined; waitingFor: string };
type Opened = { readonly service: Service; readonly running: Promise<void> };
type Fail = (name: string, error: unknown) => void;

/** Opens in order until one fails or the root is told to stop. */
async function openAll(
  services: readonly Service[],
  { root, stop, opened, fail }: { root: AbortSignal; stop: Stop; opened: Opened[]; fail: Fail },
): Promise<void> {
  for (const service of services) {
    if (root.aborted) return;
    stop.waitingFor = service.name;
    try {
      await service.open({ signal: root });
    } catch (error) {
      fail(service.name, error);
      return;
    }
    opened.push({ service, running: runOne(service, { root, fail }) });
  }
}

async function runOne(
  service: Service,
  { root, fail }: { root: AbortSignal; fail: Fail },
): Promise<void> {
  if (service.run === undefined) return;
  await attempt(service.name, () => service.run?.({ signal: root }), fail);
  if (root.aborted) return;
  const sentence = `The service ${service.name} ended by itself.`;
  fail(service.name, new OperationalError("SERVICE_ENDED", sentence));
}

async function attempt(
  name: string,
  action: (() => Promise<void> | undefined) | undefined,
  fail: Fail,
): Promise<void> {
  try {
    await action?.();
  } catch (error) {
    fail(name, error);
  }
}

/** The root's own reason coming back through a service is an end, not a failure. */
function isOwnAbort(error: unknown, root: AbortSignal): boolean {
  return root.aborted && error === root.reason;
}

function listen(
  root: AbortController,
  stop: Stop,
  options: RunOptions,
  port: SignalPort,
): () => void {
  const removeListener = port.onStop((name) => {
    if (root.signal.aborted) {
      options.logger.warn({ event: "daemon.killed", signal: name }, "second signal, exiting now");
      port.exit(statusOf(stop));
      return;
    }
    options.logger.info({ event: "daemon.signalled", signal: name }, "signal received");
    root.abort(new OperationalError("DAEMON_STOPPED", `Stopped by ${name}.`));
  });
  const outer = () => root.abort(new OperationalError("DAEMON_STOPPED", "Stopped by its caller."));
  if (options.signal !== undefined) onAbort(options.signal, outer);
  return () => {
    removeListener();
    options.signal?.removeEventListener("abort", outer);
  };
}

/**
 * Exits when time is up, counted from the root's abort. The clock's timer keeps the process alive until then, so that a close which
 * waits for nothing real cannot end it early with status 0; after an orderly end a timer that keeps
 * nothing alive takes over, against handles that somebody forgot.
 */
function guardShutdown(
  root: AbortSignal,
  stop: Stop,
  options: RunOptions,
  port: SignalPort,
): { readonly disarm: () => void } {
  const shutdownMs = options.shutdownMs ?? shutdownMsMax;
  const exit = () => {
    options.logger.error(
      { event: "daemon.overdue", service: stop.waitingFor, limit: shutdownMs },
      "did not close in time, exiting anyway",
    );
    port.exit(statusOf(stop));
  };
  const done = new AbortController();
  onAbort(root, () => {
    options.clock.sleep(shutdownMs, { signal: done.signal }).then(exit, () => undefined);
  });
  return {
    disarm: () => {
      done.abort();
      stop.waitingFor = "a handle that is still open";
      onAbort(deadline(shutdownMs), exit);
    },
  };
}

/** Never 0: who is killed while closing has not ended well. */
function statusOf(stop: Stop): ExitCode {
  return stop.failure === undefined
    ? exitCodes.unavailable
    : judgeFailure(stop.failure.error).exitCode;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => onAbort(signal, resolve));
}

function onAbort(signal: AbortSignal, listener: () => void): void {
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
}

function systemSignals(): SignalPort {
  return {
    onStop: (listener) => {
      const onTerm = () => listener("SIGTERM");
      const onInt = () => listener("SIGINT");
      process.on("SIGTERM", onTerm);
      process.on("SIGINT", onInt);
      return () => {
        process.off("SIGTERM", onTerm);
        process.off("SIGINT", onInt);
      };
    },
    exit: (exitCode) => process.exit(exitCode),
  };
}
