/** Consortia of n validators for the ledger bench: prepared once, then run in processes of their own. */

import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { toBase64 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { createCertificate, createKey } from "../../support/certificate-builder.ts";
import { LedgerSite, site as siteNames } from "../../support/ledger-site.ts";
import { pemOf } from "../../support/peer-consortium.ts";
import { unwrap } from "../../support/unwrap.ts";
import { name } from "../../support/wire-samples.ts";
import { BenchChild } from "../child-process.ts";
import type { HostConfig, HostedNode, HostOrder, HostReport } from "./host-config.ts";
import { hostReportSchema } from "./host-config.ts";
import { laneLoad } from "./lane-load.ts";
import { writeLoad } from "./load-file.ts";

/** Milliseconds that a host may take to start, or for one order. */
const startMsMax = 600_000;
const orderMsMax = 600_000;

export type ClusterPlan = {
  readonly validators: number;
  readonly channels: number;
  /** Lane heads for each validator and channel, and the gateways that sign them. */
  readonly heads: number;
  readonly gateways: number;
};

/** How it is run: what is prepared serves all of these. */
export type ClusterMode = {
  readonly checked: boolean;
  /** A process for each over TLS, or all in one with links in memory. */
  readonly links: "tls" | "memory";
  readonly blockTransactionsMax: number;
  readonly deltaMs: number;
  readonly nodeArguments: readonly string[];
};

/** What is the same in every run: keys, channels and signed transactions. */
export class ClusterFiles {
  readonly plan: ClusterPlan;
  readonly directory: string;
  readonly openings: readonly string[];
  readonly #site: LedgerSite;
  readonly #keys: readonly string[];
  readonly #loads: readonly HostedNode["loads"][];

  private constructor(
    plan: ClusterPlan,
    made: {
      readonly directory: string;
      readonly site: LedgerSite;
      readonly keys: readonly string[];
      readonly openings: readonly string[];
      readonly loads: readonly HostedNode["loads"][];
    },
  ) {
    this.plan = plan;
    this.directory = made.directory;
    this.openings = made.openings;
    this.#site = made.site;
    this.#keys = made.keys;
    this.#loads = made.loads;
  }

  static async prepare(plan: ClusterPlan): Promise<ClusterFiles> {
    const directory = mkdtempSync(join(tmpdir(), "tamga-ledger-bench-"));
    const site = new LedgerSite();
    const keys = Array.from({ length: plan.validators }, (_, i) =>
      join(directory, `validator-${i}.key`),
    );
    const publicKeys = keys.map((file) => loadOrCreateValidatorKey(file).publicKey);
    const openings: string[] = [];
    const loads: HostedNode["loads"][] = keys.map(() => []);
    for (let channel = 0; channel < plan.channels; channel++) {
      const opening = await site.openChannel(...publicKeys);
      const file = join(directory, `opening-${channel}`);
      writeLoad(file, [opening]);
      openings.push(file);
      for (const [at, own] of loads.entries())
        own.push(makeLoad(plan, site, opening, { channel, at, directory }));
    }
    return new ClusterFiles(plan, { directory, site, keys, openings, loads });
  }

  /** The configuration of a run, with a directory of its own for each node. */
  async configure(run: string, mode: ClusterMode): Promise<readonly HostConfig[]> {
    const ports = await freePorts(this.#keys.length);
    const nodes = this.#keys.map((validatorKey, at): HostedNode => {
      const directory = join(this.directory, run, `node-${at}`);
      mkdirSync(directory, { recursive: true });
      const subject = `dairy.validator-${at + 1}`;
      const key = createKey("ES256");
      const certificate = createCertificate({
        subject,
        publicKey: key,
        issuer: { subject: siteNames.organisation, key: this.#site.caKey },
        uris: [roleUri("peer", { channel: siteNames.consortium, name: name(subject) })],
      });
      return {
        name: subject,
        directory,
        validatorKey,
        port: present(ports[at], "a free port"),
        key: key.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        certificates: pemOf(certificate),
        loads: present(this.#loads[at], "loads of a node"),
      };
    });
    const hosts = mode.links === "memory" ? [nodes.map((_, at) => at)] : nodes.map((_, at) => [at]);
    return hosts.map((hosted) => ({
      nodes,
      hosted,
      checked: mode.checked,
      consortium: siteNames.consortium,
      organisation: siteNames.organisation,
      ca: toBase64(this.#site.ca),
      openings: [...this.openings],
      blockTransactionsMax: mode.blockTransactionsMax,
      deltaMs: mode.deltaMs,
    }));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

function makeLoad(
  plan: ClusterPlan,
  site: LedgerSite,
  opening: Transaction,
  of: { readonly channel: number; readonly at: number; readonly directory: string },
): HostedNode["loads"][number] {
  const { id } = unwrap(judgeGenesis(nodeCrypto, opening)).identity;
  const { channel, at, directory } = of;
  const { gateways, heads } = plan;
  const file = join(directory, `load-${channel}-${at}`);
  writeLoad(file, laneLoad(site, id, { prefix: `g${channel}-${at}`, gateways, heads }));
  return { file, opens: gateways };
}

/** The running processes of one run. */
export class Cluster {
  readonly #children: readonly BenchChild[];
  readonly configs: readonly HostConfig[];
  #orders = 0;

  private constructor(children: readonly BenchChild[], configs: readonly HostConfig[]) {
    this.#children = children;
    this.configs = configs;
  }

  /** Starts the hosts; all lanes are open when it resolves. */
  static async start(files: ClusterFiles, run: string, mode: ClusterMode): Promise<Cluster> {
    const configs = await files.configure(run, mode);
    const children = configs.map((config, at) => {
      const file = join(files.directory, run, `host-${at}.json`);
      writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
      const program = join(import.meta.dirname, "host.ts");
      return new BenchChild(process.execPath, [...mode.nodeArguments, program, file]);
    });
    const cluster = new Cluster(children, configs);
    const ready = children.map((child) => child.line((line) => line === "ready", startMsMax));
    try {
      await Promise.all(ready);
    } catch (error) {
      await cluster.kill();
      throw error;
    }
    return cluster;
  }

  /** Has every host do the same at once. */
  async order(order: HostOrder): Promise<readonly HostReport[]> {
    const which = this.#orders++;
    for (const child of this.#children) child.writeLine(JSON.stringify(order));
    return Promise.all(
      this.#children.map(async (child) => {
        const line = await child.until(
          (lines) => lines.filter((text) => text.startsWith("report ")).at(which),
          orderMsMax,
        );
        return hostReportSchema.parse(JSON.parse(line.slice("report ".length)));
      }),
    );
  }

  /** Ends the hosts in good order. @returns bytes of each node's databases, votes and channels apart. */
  async close(): Promise<{ readonly votes: number; readonly channels: number }> {
    for (const child of this.#children) child.writeLine(JSON.stringify({ type: "close" }));
    const codes = await Promise.all(this.#children.map((child) => child.ended()));
    if (codes.some((code) => code !== 0)) throw new Error("a host of the bench failed at its end");
    const first = present(this.configs[0]?.nodes[0], "a first node");
    const sizeOf = (file: string) => statSync(join(first.directory, file)).size;
    const channels = first.loads.map((_, at) => sizeOf(`ledger-${at}.db`));
    return { votes: sizeOf("votes.db"), channels: channels.reduce((a, b) => a + b, 0) };
  }

  /** For whatever went wrong. */
  async kill(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop("SIGKILL")));
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" ? (address?.port ?? 0) : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
