/** How many lane heads a consortium orders when it is given all that it takes, and what each costs. */

import { availableParallelism } from "node:os";
import { bareVerifyRate } from "../bare-rates.ts";
import type { Bench, BenchContext } from "../bench.ts";
import { sized } from "../bench.ts";
import type { Budget, Row } from "../row.ts";
import type { ClusterMode, ClusterPlan } from "./cluster.ts";
import { ClusterFiles } from "./cluster.ts";
import { Runs } from "./measure.ts";

/** Lanes of all channels, at most one head of each under way: as a gateway waits for its last to be sealed. */
const lanes = 1_000;
const blockTransactionsMax = 1_000;
/** Of a lane head's Sig_structure. */
const statementBytes = 220;
/** Patience that a busy machine does not outlast: it enters no figure, since no view ends by it. */
export const patientDeltaMs = 10_000;

type Kind = {
  readonly checked: boolean;
  readonly links: ClusterMode["links"];
  readonly validators: number;
  readonly channels: number;
  readonly budgets?: { readonly perSecond: Budget; readonly p50: Budget };
};

export const orderedUnchecked: Bench = {
  name: "ordered-unchecked",
  run: (context) =>
    each(context, [1, 4, 7], (validators) => ({
      checked: false,
      links: "tls",
      validators,
      channels: 1,
      ...(validators === 4 ? { budgets: budgets(10_000) } : {}),
    })),
};

export const orderedChecked: Bench = {
  name: "ordered-checked",
  run: (context) =>
    each(context, [1, 4, 7], (validators) => ({
      checked: true,
      links: "tls",
      validators,
      channels: 1,
      ...(validators === 4 ? { budgets: budgets(3_000) } : {}),
    })),
};

export const orderedInMemory: Bench = {
  name: "ordered-in-memory",
  run: (context) =>
    each(context, [4], (validators) => ({
      checked: false,
      links: "memory",
      validators,
      channels: 1,
      budgets: budgets(10_000),
    })),
};

export const overChannels: Bench = {
  name: "channels",
  run: (context) =>
    each(context, [4, 16], (channels) => ({
      checked: true,
      links: "tls",
      validators: 4,
      channels,
    })),
};

function budgets(perSecond: number): NonNullable<Kind["budgets"]> {
  return { perSecond: { bound: "≥", value: perSecond }, p50: { bound: "≤", value: 250 } };
}

async function each(
  context: BenchContext,
  of: readonly number[],
  kindOf: (value: number) => Kind,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const value of of) rows.push(...(await measureKind(context, kindOf(value))));
  return rows;
}

async function measureKind(context: BenchContext, kind: Kind): Promise<readonly Row[]> {
  const { validators, channels, checked, links } = kind;
  const loads = validators * channels;
  // More heads than lanes each time, so that lanes grow from block to block.
  const warmUp = Math.ceil(sized(context, 6_000, 1_000) / loads);
  const count = Math.ceil(sized(context, 24_000, 2_000) / loads);
  const gateways = Math.floor(lanes / loads);
  const plan: ClusterPlan = { validators, channels, heads: warmUp + count, gateways };
  const files = await ClusterFiles.prepare(plan);
  try {
    const { nodeArguments } = context;
    const mode = { checked, links, blockTransactionsMax, deltaMs: patientDeltaMs, nodeArguments };
    const window = links === "tls" ? gateways * channels : gateways * loads;
    const runs = await Runs.of(context, {
      title: titleOf(kind),
      conditions: conditionsOf(kind, {
        transactions: loads * count,
        gateways: validators * gateways,
      }),
      files,
      mode,
      measurement: {
        warmUp: { type: "window", count: warmUp, window },
        measured: { type: "window", count, window },
      },
    });
    return rowsOf(runs, kind, context);
  } finally {
    files.remove();
  }
}

function titleOf({ validators, channels, checked, links }: Kind): string {
  return [
    `n = ${validators}`,
    ...(channels === 1 ? [] : [`${channels} channels`]),
    checked ? "checked" : "unchecked",
    ...(links === "memory" ? ["one process"] : []),
  ].join(", ");
}

function conditionsOf(
  { checked, links }: Kind,
  load: { readonly transactions: number; readonly gateways: number },
): string {
  const place =
    links === "tls"
      ? "a process each, TLS 1.3 over loopback"
      : "all in one process and one thread, links in memory";
  const signatures = checked
    ? "each transaction's P-256 signature checked by each node"
    : "signatures of transactions taken for good, all else judged";
  return (
    `${load.transactions} lane heads of ${load.gateways} gateways a channel, spread over all nodes, ` +
    `${place}; ${signatures}; every vote and block committed with synchronous FULL, all nodes on one disk; ` +
    "from submission until the node that took it held the seal of a quorum"
  );
}

function rowsOf(runs: Runs, kind: Kind, context: BenchContext): readonly Row[] {
  const { budgets: wanted, validators } = kind;
  const limit = kind.checked ? checkLimit(context, validators) : undefined;
  return [
    runs.row(
      limit === undefined ? "ordered and sealed" : "ordered and sealed, beside bare P-256 checks",
      "tx/s",
      ({ perSecond }) => perSecond,
      {
        ...(wanted === undefined ? {} : { budget: wanted.perSecond }),
        ...(limit === undefined ? {} : { limit }),
      },
    ),
    runs.row(
      "submission → seal, p50",
      "ms",
      ({ p50Ms }) => p50Ms,
      wanted === undefined ? {} : { budget: wanted.p50 },
    ),
    runs.row("submission → seal, p95", "ms", ({ p95Ms }) => p95Ms),
    runs.row(
      "processor time of all nodes a transaction",
      "CPU-µs",
      (figures) => 1e6 * figures.cpuSecondsPerTransaction,
    ),
    runs.row("cores that the nodes had", "", ({ cores }) => cores),
    runs.row("transactions a block", "", (figures) => figures.transactionsPerBlock),
    ...(validators === 1
      ? []
      : [
          runs.row("on the wire a view", "B", (figures) => figures.wireBytesPerView),
          runs.row("on the wire a transaction", "B", (figures) => figures.wireBytesPerTransaction),
        ]),
    runs.row("in a node's channel database a transaction", "B", (f) => f.diskBytesPerTransaction),
    runs.row("written by a node a transaction", "B", (f) => f.writtenBytesPerTransaction),
  ];
}

/** What this machine orders at most where every node of one box checks every signature and does nothing else. */
function checkLimit(context: BenchContext, validators: number): number {
  const perCore = bareVerifyRate(statementBytes, sized(context, 8_000, 1_000));
  return (perCore * availableParallelism()) / validators;
}
