/** What the demo site consists of: its devices, their emulated lines, and where each keeps its files. */

import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { ensureDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";

/** An emulated device and the agent that reads it. */
export type PlannedDevice = {
  readonly device: string;
  readonly stream: string;
  readonly protocol: string;
  /** Arguments of the emulator. */
  readonly emulator: readonly string[];
};

export const plannedDevices: readonly PlannedDevice[] = [
  {
    device: "meter-box",
    stream: "p1",
    protocol: "dsmr-p1",
    emulator: ["p1-meter", "--rate", "1", "--seed", "1"],
  },
  {
    device: "barn-box",
    stream: "stick",
    protocol: "iso11784-stick",
    emulator: ["stick-reader", "--rate", "0.7", "--seed", "2"],
  },
];

const channel = "readings";

const root = join(import.meta.dirname, "..", "..", "..");
export const scripts = {
  gateway: join(root, "gateway", "bin", "tamga-gateway.mjs"),
  agent: join(root, "agent", "bin", "tamga-agent.mjs"),
  emulator: join(root, "firmware-stubs", "src", "main.ts"),
  verify: join(root, "ledger-core", "bin", "tamga-verify.mjs"),
} as const;

export function sitePlan(dataDir: string) {
  return {
    gateway: join(dataDir, "gateway"),
    agentOf: (device: string) => join(dataDir, device),
    receipts: join(dataDir, "receipts"),
    trust: join(dataDir, "gateway", "trust.json"),
  };
}

/** The first start chooses free ports and keeps them: agents dial the same address for ever. */
export async function writeGatewayConfig(dir: string): Promise<void> {
  const file = join(dir, "gateway.toml");
  if (existsSync(file)) return;
  ensureDir(dir, 0o700);
  const mqttPort = await freePort(8_883);
  const httpPort = await freePort(8_480);
  const text = `# Written by the first start of the demo site; every key: gateway/gateway.example.toml
consortium = "demo"
channel = "${channel}"
organisation = "demo-site"
gateway = "gateway-1"
log_level = "info"

[mqtt]
host = "127.0.0.1"
port = ${mqttPort}
advertised = ["127.0.0.1"]

[http]
host = "127.0.0.1"
port = ${httpPort}
`;
  writeFileDurable(file, Buffer.from(text), 0o644);
}

/** Written anew at each start: an emulator's line has another port each time. */
export function writeAgentConfig(
  dir: string,
  agent: { readonly plan: PlannedDevice; readonly link: string; readonly key: string },
): void {
  const { plan, link, key } = agent;
  const text = `# Written by each start of the demo site; every key: agent/agent.example.toml
device = "${plan.device}"
channel = "${channel}"
key = ${JSON.stringify(key)}
events = "stdout"

[bundle]
max_count = 16
max_age = "1s"

[http]
port = 0

[[stream]]
name = "${plan.stream}"
protocol = "${plan.protocol}"
link = "${link}"
emulated = true
`;
  writeFileDurable(join(dir, "agent.toml"), Buffer.from(text), 0o644);
}

/** The wanted port, or one that the system gives where that is taken. */
async function freePort(wanted: number): Promise<number> {
  const tryPort = (port: number) =>
    new Promise<number | undefined>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(undefined));
      server.listen({ host: "127.0.0.1", port }, () => {
        const address = server.address();
        const found = typeof address === "object" && address !== null ? address.port : undefined;
        server.close(() => resolve(found));
      });
    });
  return (await tryPort(wanted)) ?? (await tryPort(0)) ?? wanted;
}
