/** The configuration of each gateway of the rig: what its peers are dialled by are the rig's own lines. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

export type ValidatorConfig = {
  /** Which of the gateways it is, from 0. */
  readonly at: number;
  readonly peerPort: number;
  /** Where it dials each of the others. */
  readonly ways: readonly { readonly name: string; readonly port: number }[];
};

/** Heads follow each other fast, and a refusal is tried again soon: a scenario has little time. */
export function writeValidatorConfig(dir: string, { at, peerPort, ways }: ValidatorConfig): void {
  const text = `consortium = "rig"
channel = "readings"
organisation = "organisation-${at + 1}"
gateway = "gateway-${at + 1}"
mqtt = { host = "127.0.0.1", port = 0, advertised = ["127.0.0.1"] }
http = { port = 0 }
ingest = { verify_threads = 1 }
ledger = { order_every = "50ms", order_every_max = "50ms", retry_after = "200ms" }

[peers]
host = "127.0.0.1"
port = ${peerPort}
nodes = [
${ways.map(({ name, port }) => `  { name = "${name}", addresses = ["127.0.0.1:${port}"] },\n`).join("")}]
`;
  writeFileSync(join(dir, "gateway.toml"), text);
}
