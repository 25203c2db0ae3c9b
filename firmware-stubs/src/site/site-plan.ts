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
  /** Which of the site's gateways it belongs to, from 0; with fewer gateways, the last. */
  readonly home: number;
};

/** One organisation's gateway, with its validator. */
export type PlannedGateway = {
  readonly name: string;
  readonly organisation: string;
  readonly directory: string;
};

export const plannedDevices: readonly PlannedDevice[] = [
  {
    device: "meter-box",
    stream: "p1",
    protocol: "dsmr-p1",
    emulator: ["p1-meter", "--rate", "1", "--seed", "1"],
    home: 0,
  },
  {
    device: "barn-box",
    stream: "stick",
    protocol: "iso11784-stick",
    emulator: ["stick-reader", "--rate", "0.7", "--seed", "2"],
    home: 1,
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

/** @param validators how many organisations order together; 1 is a site on its own. */
export function sitePlan(dataDir: string, validators: number) {
  const gateways: readonly PlannedGateway[] =
    validators === 1
      ? [{ name: "gateway-1", organisation: "demo-site", directory: join(dataDir, "gateway") }]
      : Array.from({ length: validators }, (_, at) => ({
          name: `gateway-${at + 1}`,
          organisation: organisationNames[at] ?? `member-${at + 1}`,
          directory: join(dataDir, `gateway-${at + 1}`),
        }));
  return {
    gateways,
    agentOf: (device: string) => join(dataDir, device),
    receipts: join(dataDir, "receipts"),
    /** Alike at every member. */
    trust: join(gateways[0]?.directory ?? dataDir, "trust.json"),
    /** What the members agreed on before their first start. */
    channelFile: join(dataDir, "channel.tamga"),
    /** With how many validators the site was begun. */
    shape: join(dataDir, "site.json"),
  };
}

/** Who shares a ledger in the demo: those whom an animal passes. */
const organisationNames = ["farm", "abattoir", "carrier", "retailer"];

/** The first start chooses free ports and keeps them: agents and peers dial the same addresses for ever. */
export async function writeGatewayConfigs(gateways: readonly PlannedGateway[]): Promise<void> {
  if (gateways.every(({ directory }) => existsSync(join(directory, "gateway.toml")))) return;
  const peers: { readonly name: string; readonly port: number }[] = [];
  for (const [at, { name }] of gateways.entries())
    peers.push({ name, port: await freePort(8_490 + at) });
  for (const [at, gateway] of gateways.entries()) {
    ensureDir(gateway.directory, 0o700);
    const mqttPort = await freePort(8_883 + at);
    const httpPort = await freePort(8_480 + at);
    const text = `# Written by the first start of the demo site; every key: gateway/gateway.example.toml
consortium = "demo"
channel = "${channel}"
organisation = "${gateway.organisation}"
gateway = "${gateway.name}"
log_level = "info"

[mqtt]
host = "127.0.0.1"
port = ${mqttPort}
advertised = ["127.0.0.1"]

[http]
host = "127.0.0.1"
port = ${httpPort}

[peers]
listen = ${gateways.length > 1}
host = "127.0.0.1"
port = ${peers[at]?.port ?? 0}
nodes = [
${peers
  .filter(({ name }) => name !== gateway.name)
  .map(({ name, port }) => `  { name = "${name}", addresses = ["127.0.0.1:${port}"] },\n`)
  .join("")}]
`;
    writeFileDurable(join(gateway.directory, "gateway.toml"), Buffer.from(text), 0o644);
  }
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
