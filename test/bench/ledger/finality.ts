/** How soon a lane head is sealed at a steady, light rate, by the number of validators. */

import type { Bench } from "../bench.ts";
import { sized } from "../bench.ts";
import type { Row } from "../row.ts";
import { ClusterFiles } from "./cluster.ts";
import { Runs } from "./measure.ts";
import { patientDeltaMs } from "./ordered.ts";

const perSecond = 100;
/** One after the other until a node holds a seal: NOTARIZE, FINALIZE, the block, the seal. */
const syncsInRow = 4;

export const finalityAtPace: Bench = {
  name: "finality",
  async run(context) {
    const rows: Row[] = [];
    for (const validators of [1, 4, 7]) {
      const warmUp = Math.ceil((sized(context, 4, 2) * perSecond) / validators);
      const count = Math.ceil((sized(context, 10, 2) * perSecond) / validators);
      const gateways = Math.floor(1_000 / validators);
      const plan = { validators, channels: 1, heads: warmUp + count, gateways };
      const files = await ClusterFiles.prepare(plan);
      const pace = { type: "pace", perSecond: perSecond / validators } as const;
      try {
        const runs = await Runs.of(context, {
          title: `n = ${validators}, ${perSecond} tx/s`,
          conditions:
            "the same, given evenly whether those before are sealed or not; each transaction's signature checked",
          files,
          mode: {
            checked: true,
            links: "tls",
            blockTransactionsMax: 1_000,
            deltaMs: patientDeltaMs,
            nodeArguments: context.nodeArguments,
          },
          measurement: { warmUp: { ...pace, count: warmUp }, measured: { ...pace, count } },
        });
        rows.push(
          runs.row(
            "submission → seal, p50, beside four synced writes",
            "ms",
            ({ p50Ms }) => p50Ms,
            {
              limit: syncsInRow * context.sync.medianMs,
              ...(validators === 4 ? { budget: { bound: "≤", value: 250 } } : {}),
            },
          ),
          runs.row("submission → seal, p95", "ms", ({ p95Ms }) => p95Ms),
          runs.row("transactions a block", "", (figures) => figures.transactionsPerBlock),
        );
      } finally {
        files.remove();
      }
    }
    return rows;
  },
};
