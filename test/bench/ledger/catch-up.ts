/** How long a validator that begins with nothing takes for a long history, block by block. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { MemoryNetwork } from "../../support/memory-network.ts";
import { name } from "../../support/wire-samples.ts";
import { bareVerifyRate } from "../bare-rates.ts";
import type { Bench, BenchContext } from "../bench.ts";
import { sized } from "../bench.ts";
import type { Row } from "../row.ts";
import { rowOf } from "../row.ts";
import { plantHistory } from "./planted-history.ts";

const validators = 4;
const statementBytes = 220;

type Figures = { readonly seconds: number; readonly cpuMicros: number };

export const catchUp: Bench = {
  name: "catch-up",
  async run(context) {
    const blocks = sized(context, 100_000, 2_000);
    const directory = mkdtempSync(join(tmpdir(), "tamga-catch-up-bench-"));
    try {
      const keys = Array.from({ length: validators }, (_, at) =>
        loadOrCreateValidatorKey(join(directory, `key-${at}`)),
      );
      const source = join(directory, "source");
      mkdirSync(source);
      const opening = await plantHistory({ directory: source, keys, blocks });
      context.say(`a history of ${blocks} blocks is written`);
      const runs: Figures[] = [];
      for (let run = 0; run < context.runs; run++) {
        const learner = join(directory, `learner-${run}`);
        mkdirSync(learner);
        const figures = await learn({ source, learner, keys, opening, blocks });
        context.say(`caught up in ${figures.seconds.toFixed(1)} s`);
        runs.push(figures);
      }
      return rowsOf(context, blocks, runs);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
};

function rowsOf(context: BenchContext, blocks: number, runs: readonly Figures[]): readonly Row[] {
  const conditions =
    `${blocks} final blocks of one lane head each, four validators' signatures; one validator answers, one that ` +
    "has nothing asks, executes and commits with synchronous FULL, both in one process, links in memory; each " +
    "transaction's P-256 signature checked; no snapshot taken";
  const title = `catching up ${blocks} blocks`;
  const checks = bareVerifyRate(statementBytes, sized(context, 8_000, 1_000));
  return [
    rowOf({
      name: `${title}: blocks a second, beside bare P-256 checks`,
      unit: "1/s",
      values: runs.map(({ seconds }) => blocks / seconds),
      conditions,
      limit: checks,
    }),
    rowOf({
      name: `${title}: time`,
      unit: "s",
      values: runs.map(({ seconds }) => seconds),
      conditions,
    }),
    rowOf({
      name: `${title}: processor time of both a block`,
      unit: "CPU-µs",
      values: runs.map(({ cpuMicros }) => cpuMicros),
      conditions,
    }),
  ];
}

async function learn(of: {
  readonly source: string;
  readonly learner: string;
  readonly keys: readonly ValidatorKey[];
  readonly opening: Transaction;
  readonly blocks: number;
}): Promise<Figures> {
  const { keys, opening, blocks } = of;
  const network = new MemoryNetwork();
  const nodes: LedgerNode[] = [];
  const open = async (directory: string, at: number): Promise<ReplicatedLedger> => {
    const self = name(`dairy.validator-${at + 1}`);
    const node = LedgerNode.open({
      votesPath: join(directory, "votes.db"),
      crypto: nodeCrypto,
      clock: new SystemClock(),
      network: network.port(self),
    });
    nodes.push(node);
    network.attach(self, (peer, channel, payload) => node.receive(peer, channel, payload));
    return node.openLedger({
      path: join(directory, "ledger.db"),
      validatorKey: present(keys[at], "a validator's key"),
      parameters: { ...lanParameters, keepAliveMs: 100 },
      openChannel: async () => opening,
    });
  };
  try {
    await open(of.source, 0);
    const cpu = process.cpuUsage();
    const start = performance.now();
    const learner = await open(of.learner, validators - 1);
    while (learner.height < blocks) await sleep(5);
    const seconds = (performance.now() - start) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    return { seconds, cpuMicros: (user + system) / blocks };
  } finally {
    for (const node of nodes) await node.close();
  }
}
