/**
 * Opaque bytes in batches, in one process with links in memory and nothing checked in them: as Fabric's
 * SmartBFT library is measured. Votes and blocks are durable all the same.
 */

import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { PendingTransaction } from "@tamga/ledger-core/consensus/application";
import { ValidatorSet } from "@tamga/ledger-core/consensus/validator-set";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { MemoryNetwork } from "../../support/memory-network.ts";
import { name } from "../../support/wire-samples.ts";
import type { Bench, BenchContext } from "../bench.ts";
import { sized } from "../bench.ts";
import type { Row } from "../row.ts";
import { quantileOf, rowOf } from "../row.ts";
import { opaqueId } from "./opaque-application.ts";
import { OpaqueNode } from "./opaque-node.ts";
import { patientDeltaMs } from "./ordered.ts";

const transactionBytes = 256;
/** Of all nodes together: what waits while one block is under way and the next is built. */
const window = 2_000;

type Figures = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly cpuMicros: number;
  readonly perBlock: number;
};

export const orderedOpaque: Bench = {
  name: "opaque",
  async run(context) {
    const rows: Row[] = [];
    for (const validators of [1, 4, 7]) {
      const runs: Figures[] = [];
      for (let run = 0; run < context.runs; run++) runs.push(await measure(context, validators));
      rows.push(...rowsOf(validators, runs));
    }
    return rows;
  },
};

function rowsOf(validators: number, runs: readonly Figures[]): readonly Row[] {
  const conditions =
    `opaque transactions of ${transactionBytes} bytes, hashed and not looked into, ${window} waiting at a time; ` +
    "all validators in one process and thread, links in memory; every vote and block committed with " +
    "synchronous FULL, all on one disk; until the node that took it has it final on its disk";
  const row = (what: string, unit: string, of: (figures: Figures) => number) => ({
    name: `n = ${validators}, opaque, one process: ${what}`,
    unit,
    values: runs.map(of),
    conditions,
  });
  const isCompared = validators === 4;
  return [
    rowOf({
      ...row("ordered", "tx/s", ({ perSecond }) => perSecond),
      ...(isCompared ? { budget: { bound: "≥", value: 10_000 } } : {}),
    }),
    rowOf({
      ...row("submission → final, p50", "ms", ({ p50Ms }) => p50Ms),
      ...(isCompared ? { budget: { bound: "≤", value: 250 } } : {}),
    }),
    rowOf(row("submission → final, p95", "ms", ({ p95Ms }) => p95Ms)),
    rowOf(row("processor time a transaction", "CPU-µs", ({ cpuMicros }) => cpuMicros)),
    rowOf(row("transactions a block", "", ({ perBlock }) => perBlock)),
  ];
}

async function measure(context: BenchContext, validators: number): Promise<Figures> {
  const directory = mkdtempSync(join(tmpdir(), "tamga-opaque-bench-"));
  const cluster = new OpaqueCluster(directory, validators);
  try {
    await cluster.order(opaque(sized(context, 20_000, 4_000)));
    const made = opaque(sized(context, 60_000, 10_000));
    const { length: count } = made;
    const blocks = cluster.blocks;
    const cpu = process.cpuUsage();
    const start = performance.now();
    const latencies = await cluster.order(made);
    const seconds = (performance.now() - start) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    const figures = {
      perSecond: count / seconds,
      p50Ms: quantileOf(latencies, 0.5),
      p95Ms: quantileOf(latencies, 0.95),
      cpuMicros: (user + system) / count,
      perBlock: count / Math.max(1, cluster.blocks - blocks),
    };
    context.say(
      `n = ${validators}, opaque: ${figures.perSecond.toFixed(0)} /s, p50 ${figures.p50Ms.toFixed(0)} ms, ` +
        `${figures.cpuMicros.toFixed(0)} µs of CPU each`,
    );
    return figures;
  } finally {
    cluster.close();
    rmSync(directory, { recursive: true });
  }
}

class OpaqueCluster {
  readonly #nodes: readonly OpaqueNode[];
  readonly #submittedAt = new Map<string, number>();
  #latencies: number[] = [];

  constructor(directory: string, validators: number) {
    const network = new MemoryNetwork();
    const members = Array.from({ length: validators }, (_, at) => {
      const key = loadOrCreateValidatorKey(join(directory, `key-${at}`));
      const organisation = name(`organisation-${at}`);
      return { name: name(`node-${at}`), organisation, publicKey: key.publicKey, key };
    });
    const set = new ValidatorSet(
      0,
      members.map(({ key: _, ...entry }) => entry),
    );
    this.#nodes = members.map(({ name: self, key }, at) => {
      const own = join(directory, `node-${at}`);
      mkdirSync(own);
      return new OpaqueNode({
        directory: own,
        channel: nodeCrypto.sha256(utf8("opaque bench")),
        validators: set,
        self,
        key,
        parameters: { ...lanParameters, deltaMs: patientDeltaMs },
        network,
        committed: (ids) => this.#committed(at, ids),
      });
    });
  }

  get blocks(): number {
    return present(this.#nodes[0], "a node").blocks;
  }

  /** Orders these, spread over the nodes. @returns milliseconds of each. */
  async order(made: readonly PendingTransaction[]): Promise<readonly number[]> {
    this.#latencies = [];
    const { length: count } = made;
    for (let done = 0; done < count; await turn()) {
      const room = Math.min(count - done, window - this.#submittedAt.size);
      const share = Math.ceil(room / this.#nodes.length);
      for (const [at, node] of this.#nodes.entries()) {
        const fresh = made.slice(done, done + share);
        done += fresh.length;
        for (const { id } of fresh) this.#submittedAt.set(`${at} ${id}`, performance.now());
        if (fresh.length > 0) node.submit(fresh);
      }
    }
    while (this.#submittedAt.size > 0) await turn();
    return this.#latencies;
  }

  close(): void {
    for (const node of this.#nodes) node.close();
  }

  #committed(at: number, ids: readonly string[]): void {
    const now = performance.now();
    for (const id of ids) {
      const key = `${at} ${id}`;
      const since = this.#submittedAt.get(key);
      if (since === undefined) continue;
      this.#submittedAt.delete(key);
      this.#latencies.push(now - since);
    }
  }
}

function opaque(count: number): readonly PendingTransaction[] {
  return Array.from({ length: count }, () => {
    const bytes = new Uint8Array(randomBytes(transactionBytes));
    return { id: opaqueId(bytes), bytes };
  });
}
