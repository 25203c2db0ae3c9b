/** The scenarios by name, in the order in which they run. */

import { killAgent, killGateway } from "./kill.ts";
import { linkCut } from "./link-cut.ts";
import { outboxFull } from "./outbox-full.ts";
import { cardRestored, gatewayRestored } from "./restored.ts";
import type { ScenarioOptions, ScenarioReport } from "./scenario.ts";
import { sigterm } from "./sigterm.ts";

export type Scenario = (options: ScenarioOptions) => Promise<ScenarioReport>;

export const scenarios: readonly (readonly [name: string, run: Scenario])[] = [
  ["kill-gateway", killGateway],
  ["kill-agent", killAgent],
  ["link-cut", linkCut],
  ["outbox-full-stop", (options) => outboxFull("stop", options)],
  ["outbox-full-shed-oldest", (options) => outboxFull("shed-oldest", options)],
  ["outbox-full-thin", (options) => outboxFull("thin", options)],
  ["gateway-restored", gatewayRestored],
  ["card-restored", cardRestored],
  ["sigterm", (options) => sigterm({ ...options, token: false })],
  ["sigterm-token", (options) => sigterm({ ...options, token: true })],
];
