/** Configuration files and copies of data directories. */

import { cpSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const device = "rig-box";
export const stream = "p1";

export type AgentSettings = {
  readonly key: string;
  readonly linkPort: number;
  readonly uplinkPort: number;
  readonly journalAfterMs: number;
  readonly maxCount: number;
  readonly quota?: string;
  readonly whenFull?: "stop" | "shed-oldest" | "thin";
};

export function writeAgentConfig(dir: string, settings: AgentSettings): void {
  const { key, linkPort, uplinkPort, journalAfterMs, maxCount, quota, whenFull } = settings;
  const text = `device = "${device}"
channel = "readings"
key = ${JSON.stringify(key)}
heartbeat_every = "2s"
log_level = "info"

[bundle]
max_count = ${maxCount}
max_age = "300ms"

[outbox]
quota = "${quota ?? "1GiB"}"
when_full = "${whenFull ?? "stop"}"
journal_after = "${journalAfterMs}ms"

[uplink]
gateways = ["mqtts://127.0.0.1:${uplinkPort}"]

[http]
port = 0

[[stream]]
name = "${stream}"
protocol = "dsmr-p1"
link = "tcp://127.0.0.1:${linkPort}"
emulated = true
`;
  writeFileSync(join(dir, "agent.toml"), text);
}

/** @param orderEvery how often the lane's head goes to the ledger. */
export function writeGatewayConfig(dir: string, orderEvery: string): void {
  const text = `mqtt = { host = "127.0.0.1", port = 0, advertised = ["127.0.0.1"] }
http = { port = 0 }
ledger = { order_every = "${orderEvery}", order_every_max = "${orderEvery}" }
`;
  writeFileSync(join(dir, "gateway.toml"), text);
}

/** A database with its `-wal`, as a backup of the stopped process takes it. */
export function copyDatabase(file: string, to: string): void {
  for (const suffix of ["", "-wal"]) {
    rmSync(`${to}${suffix}`, { force: true });
    if (existsSync(`${file}${suffix}`)) cpSync(`${file}${suffix}`, `${to}${suffix}`);
  }
  rmSync(`${to}-shm`, { force: true });
}

/** A whole data directory, as an image of a memory card takes it. */
export function copyImage(dir: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(dir, to, { recursive: true, filter: (path) => !path.endsWith("-shm") });
}
