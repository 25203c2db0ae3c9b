/**
 * A process of the ledger bench: hosts one or all nodes of a consortium with their databases, submits what it
 * is told, and reports. Started by `cluster.ts` with a file of its configuration.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromBase64 } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import { loadValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { createPeerJudge } from "@tamga/ledger-core/peers/judge";
import type { PeerNetwork, PeerReceiver } from "@tamga/ledger-core/peers/network";
import { TlsPeerNetwork } from "@tamga/ledger-core/peers/tls-peer-network";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { allSealed } from "../../support/ledger-consortium.ts";
import { MemoryNetwork } from "../../support/memory-network.ts";
import { unwrap } from "../../support/unwrap.ts";
import { name } from "../../support/wire-samples.ts";
import type { HostConfig, HostedNode, HostReport } from "./host-config.ts";
import { hostConfigSchema, hostOrderSchema } from "./host-config.ts";
import { readLoad } from "./load-file.ts";
import type { Load } from "./submit-load.ts";
import { submitAtPace, submitInWindow } from "./submit-load.ts";

type Running = {
  readonly node: LedgerNode;
  readonly ledgers: readonly ReplicatedLedger[];
  readonly close: () => Promise<void>;
};

const clock = new SystemClock();
const traffic = { frames: 0, bytes: 0 };

/** Ed25519 is what votes and seals are signed with here, and ES256 what transactions are. */
const unchecked: CryptoPort = {
  sha256: (bytes) => nodeCrypto.sha256(bytes),
  sm3: (bytes) => nodeCrypto.sm3(bytes),
  verify: (key, message, signature) =>
    key.algorithm === "ES256" || nodeCrypto.verify(key, message, signature),
};

async function main(): Promise<void> {
  const file = present(process.argv[2], "a file of the configuration");
  const config = hostConfigSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  const openings = config.openings.map((opening) => present(readLoad(opening)[0], "opening"));
  const memory = config.hosted.length === config.nodes.length ? new MemoryNetwork() : undefined;
  const running: Running[] = [];
  for (const at of config.hosted) {
    const node = present(config.nodes[at], "a hosted node");
    running.push(await open(config, { node, openings, memory }));
  }
  const loads = config.hosted.flatMap((at, i) => {
    const node = present(config.nodes[at], "a hosted node");
    const { ledgers } = present(running[i], "a running node");
    return node.loads.map(({ file: from, opens }, channel): Load => {
      const ledger = present(ledgers[channel], "a ledger");
      return { ledger, waiting: readLoad(from), at: 0, opens };
    });
  });
  await Promise.all(running.flatMap(({ ledgers }) => ledgers.map(allSealed)));
  await Promise.all(
    loads.map((load) => submitInWindow([load], { count: load.opens, window: load.opens })),
  );
  process.stdout.write("ready\n");
  for await (const line of createInterface({ input: process.stdin })) {
    const order = hostOrderSchema.parse(JSON.parse(line));
    if (order.type === "close") break;
    const ledger = present(running[0]?.ledgers[0], "a first ledger");
    const submit = () =>
      order.type === "window" ? submitInWindow(loads, order) : submitAtPace(loads, order);
    process.stdout.write(`report ${JSON.stringify(await reportOf(ledger, submit))}\n`);
  }
  // The parent's end stays open, and would keep this process.
  process.stdin.destroy();
  for (const { close } of running) await close();
}

/** What the process did while it submitted. */
async function reportOf(
  ledger: ReplicatedLedger,
  submit: () => ReturnType<typeof submitInWindow>,
): Promise<HostReport> {
  const view = () => ledger.consensus()?.finalView ?? 0;
  const before = { ...traffic, cpu: process.cpuUsage(), view: view(), height: ledger.height };
  const writtenBefore = writtenBytes();
  const startedAt = performance.timeOrigin + performance.now();
  const { latencies, faults } = await submit();
  const endedAt = performance.timeOrigin + performance.now();
  const { user, system } = process.cpuUsage(before.cpu);
  return {
    startedAt,
    endedAt,
    latencies: [...latencies],
    faults: [...faults],
    cpuSeconds: (user + system) / 1e6,
    frames: traffic.frames - before.frames,
    wireBytes: traffic.bytes - before.bytes,
    views: view() - before.view,
    blocks: ledger.height - before.height,
    writtenBytes: writtenBytes() - writtenBefore,
  };
}

async function open(
  config: HostConfig,
  of: {
    readonly node: HostedNode;
    readonly openings: readonly Transaction[];
    readonly memory: MemoryNetwork | undefined;
  },
): Promise<Running> {
  const { node: self, openings, memory } = of;
  const { deltaMs, blockTransactionsMax } = config;
  const parts: { node?: LedgerNode } = {};
  const received: PeerReceiver = (peer, channel, payload) => {
    parts.node?.receive(peer, channel, payload);
    return undefined;
  };
  const tls = memory === undefined ? tlsNetwork(config, { self, openings, received }) : undefined;
  memory?.attach(name(self.name), received);
  const network = counted(tls ?? present(memory, "a network").port(name(self.name)));
  parts.node = LedgerNode.open({
    votesPath: join(self.directory, "votes.db"),
    crypto: config.checked ? nodeCrypto : unchecked,
    clock,
    network,
  });
  await tls?.open({ host: "127.0.0.1", port: self.port });
  const ledgers: ReplicatedLedger[] = [];
  for (const [at, opening] of openings.entries())
    ledgers.push(
      await parts.node.openLedger({
        path: join(self.directory, `ledger-${at}.db`),
        validatorKey: loadValidatorKey(self.validatorKey),
        parameters: { ...lanParameters, deltaMs, blockTransactionsMax },
        openChannel: async () => opening,
      }),
    );
  const { node } = parts;
  const close = async () => {
    await tls?.close();
    await node.close();
  };
  return { node, ledgers, close };
}

function tlsNetwork(
  config: HostConfig,
  of: {
    readonly self: HostedNode;
    readonly openings: readonly Transaction[];
    readonly received: PeerReceiver;
  },
): TlsPeerNetwork {
  const { self, openings, received } = of;
  const organisation = name(config.organisation);
  const certificate = unwrap(parseCertificate(present(fromBase64(config.ca), "a certificate")));
  const ids: readonly Digest[] = openings.map(
    (opening) => unwrap(judgeGenesis(nodeCrypto, opening)).identity.id,
  );
  const members = config.nodes.map((node) => ({
    name: name(node.name),
    organisation,
    border: true,
    channels: ids,
  }));
  return new TlsPeerNetwork({
    self: { consortium: name(config.consortium), name: name(self.name) },
    credentials: { key: self.key, certificates: self.certificates },
    judge: createPeerJudge({
      crypto: nodeCrypto,
      consortium: name(config.consortium),
      members: () => members,
      channels: () => ids.map((id) => ({ id, trustedCas: [{ name: organisation, certificate }] })),
      isRevoked: () => false,
      now: () => clock.now(),
    }),
    members: () => members,
    ways: config.nodes.map((node) => ({
      name: name(node.name),
      addresses: [{ host: "127.0.0.1", port: node.port }],
      via: [],
    })),
    relays: false,
    received,
    clock,
  });
}

function counted(network: Pick<PeerNetwork, "send">): Pick<PeerNetwork, "send"> {
  return {
    send(peer, frame) {
      traffic.frames++;
      traffic.bytes += frame.payload.length;
      network.send(peer, frame);
    },
  };
}

function writtenBytes(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1] ?? 0);
}

await main();
