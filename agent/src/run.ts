/** `tamga-agent run`: the daemon. */

import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { createLogger } from "@tamga/ledger-core/daemon/logger";
import { notifyEnvironment } from "@tamga/ledger-core/daemon/sd-notify";
import { runServices } from "@tamga/ledger-core/daemon/service";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { EventSink } from "./agent-event.ts";
import { compose } from "./compose.ts";
import { loadAgentConfig } from "./config.ts";
import type { ConfigOptions } from "./config-path.ts";
import { configPath } from "./config-path.ts";

/** Until SIGTERM. Throws what `compose` throws. */
export async function run(
  options: ConfigOptions & { readonly events?: boolean },
): Promise<ExitCode> {
  const config = loadAgentConfig(configPath(options));
  const logger = createLogger({ daemon: "tamga-agent", level: config.log_level });
  const clock = new SystemClock();
  const events = options.events === true || config.events === "stdout" ? printEvent : undefined;
  const agent = await compose(config, { clock, logger, notify: notifyEnvironment(), events });
  if (config.stream.length === 0)
    logger.warn({ event: "config.no-stream" }, "no [[stream]] is configured: nothing is read");
  return runServices(agent.services, {
    clock,
    logger,
    onReady: () => agent.notify.ready(),
    onStopping: () => agent.notify.stopping(),
  });
}

const printEvent: EventSink = (event) => {
  process.stdout.write(`${JSON.stringify(event)}\n`);
};
