/** Runs a consortium once and reckons what a run of the bench is made of. */

import type { BenchContext } from "../bench.ts";
import type { Row } from "../row.ts";
import { quantileOf, rowOf } from "../row.ts";
import type { ClusterFiles, ClusterMode } from "./cluster.ts";
import { Cluster } from "./cluster.ts";
import type { HostOrder, HostReport } from "./host-config.ts";

/** One run, of all nodes together. */
export type RunFigures = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly cpuSecondsPerTransaction: number;
  /** Processor cores that the nodes together had. */
  readonly cores: number;
  readonly transactionsPerBlock: number;
  readonly wireBytesPerView: number;
  readonly wireBytesPerTransaction: number;
  /** Of one node: left in its channels' databases, and written on the way there. */
  readonly diskBytesPerTransaction: number;
  readonly writtenBytesPerTransaction: number;
};

/** Transactions of each load that go before, so that code is compiled and links are open. */
export type Measurement = {
  readonly warmUp: HostOrder & { readonly count: number };
  readonly measured: HostOrder & { readonly count: number };
};

let runsSoFar = 0;

export async function measureRun(
  files: ClusterFiles,
  mode: ClusterMode,
  { warmUp, measured }: Measurement,
): Promise<RunFigures> {
  const { validators, channels } = files.plan;
  const cluster = await Cluster.start(files, `run-${runsSoFar++}`, mode);
  try {
    await cluster.order(warmUp);
    const reports = await cluster.order(measured);
    const disk = await cluster.close();
    const loads = validators * channels;
    const all = loads * (warmUp.count + measured.count);
    return figuresOf(reports, {
      validators,
      channels,
      transactions: loads * measured.count,
      diskBytesPerTransaction: disk.channels / all,
    });
  } finally {
    await cluster.kill();
  }
}

function figuresOf(
  reports: readonly HostReport[],
  of: {
    readonly validators: number;
    readonly channels: number;
    readonly transactions: number;
    readonly diskBytesPerTransaction: number;
  },
): RunFigures {
  const { validators, channels, transactions, diskBytesPerTransaction } = of;
  const fault = reports.flatMap(({ faults }) => faults)[0];
  if (fault !== undefined) throw new Error(`a transaction of the bench was refused: ${fault}`);
  const sum = (value: (report: HostReport) => number) =>
    reports.reduce((total, report) => total + value(report), 0);
  const start = Math.min(...reports.map(({ startedAt }) => startedAt));
  const seconds = (Math.max(...reports.map(({ endedAt }) => endedAt)) - start) / 1_000;
  const latencies = reports.flatMap(({ latencies: own }) => own);
  const cpuSeconds = sum((report) => report.cpuSeconds);
  const { views = 0, blocks = 0 } = reports[0] ?? {};
  return {
    perSecond: transactions / seconds,
    p50Ms: quantileOf(latencies, 0.5),
    p95Ms: quantileOf(latencies, 0.95),
    cpuSecondsPerTransaction: cpuSeconds / transactions,
    cores: cpuSeconds / seconds,
    transactionsPerBlock: transactions / channels / Math.max(1, blocks),
    wireBytesPerView: sum((report) => report.wireBytes) / channels / Math.max(1, views),
    wireBytesPerTransaction: sum((report) => report.wireBytes) / transactions,
    diskBytesPerTransaction,
    writtenBytesPerTransaction: sum((report) => report.writtenBytes) / transactions / validators,
  };
}

/** Several runs of one kind, and rows out of them. */
export class Runs {
  readonly #title: string;
  readonly #conditions: string;
  readonly #runs: readonly RunFigures[];

  private constructor(title: string, conditions: string, runs: readonly RunFigures[]) {
    this.#title = title;
    this.#conditions = conditions;
    this.#runs = runs;
  }

  static async of(
    context: BenchContext,
    what: {
      readonly title: string;
      readonly conditions: string;
      readonly files: ClusterFiles;
      readonly mode: ClusterMode;
      readonly measurement: Measurement;
    },
  ): Promise<Runs> {
    const runs: RunFigures[] = [];
    for (let run = 0; run < context.runs; run++) {
      const figures = await measureRun(what.files, what.mode, what.measurement);
      runs.push(figures);
      const { perSecond, p50Ms, cores, cpuSecondsPerTransaction } = figures;
      context.say(
        `${what.title}: ${perSecond.toFixed(0)} /s, p50 ${p50Ms.toFixed(0)} ms, ` +
          `${(1e6 * cpuSecondsPerTransaction).toFixed(0)} µs of CPU each, ${cores.toFixed(2)} cores`,
      );
    }
    return new Runs(what.title, what.conditions, runs);
  }

  row(
    what: string,
    unit: string,
    of: (figures: RunFigures) => number,
    more: Partial<Parameters<typeof rowOf>[0]> = {},
  ): Row {
    return rowOf({
      name: `${this.#title}: ${what}`,
      unit,
      values: this.#runs.map(of),
      conditions: this.#conditions,
      ...more,
    });
  }
}
