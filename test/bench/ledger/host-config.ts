/** What a host process of the ledger bench is told, and what it says back: one JSON line each. */

import { z } from "zod";

const nodeSchema = z.strictObject({
  name: z.string(),
  directory: z.string(),
  validatorKey: z.string(),
  port: z.int(),
  /** PEM. */
  key: z.string(),
  certificates: z.string(),
  /** One a channel: files of transactions, the lane-opens first. */
  loads: z.array(z.strictObject({ file: z.string(), opens: z.int() })),
});

export const hostConfigSchema = z.strictObject({
  /** Of the consortium, in the order of the validators. */
  nodes: z.array(nodeSchema),
  /** The nodes of this process, by place; with all of them here, links are in memory. */
  hosted: z.array(z.int()),
  /** Whether the signatures of transactions are checked; those of votes and seals always are. */
  checked: z.boolean(),
  consortium: z.string(),
  organisation: z.string(),
  /** DER in base64. */
  ca: z.string(),
  /** Files of encoded channel-open transactions, one a channel. */
  openings: z.array(z.string()),
  blockTransactionsMax: z.int(),
  deltaMs: z.int(),
});
export type HostConfig = z.output<typeof hostConfigSchema>;
export type HostedNode = z.output<typeof nodeSchema>;

export const hostOrderSchema = z.discriminatedUnion("type", [
  /** Submits the next `count` transactions of each load, this many at a time of all channels together. */
  z.strictObject({ type: z.literal("window"), count: z.int(), window: z.int() }),
  /** The same, evenly at this many a second of each node. */
  z.strictObject({ type: z.literal("pace"), count: z.int(), perSecond: z.number() }),
  z.strictObject({ type: z.literal("close") }),
]);
export type HostOrder = z.output<typeof hostOrderSchema>;

export const hostReportSchema = z.strictObject({
  /** Milliseconds since the epoch, with fractions: of the first submission and of the last seal. */
  startedAt: z.number(),
  endedAt: z.number(),
  /** Milliseconds from each submission to its seal. */
  latencies: z.array(z.number()),
  faults: z.array(z.string()),
  cpuSeconds: z.number(),
  frames: z.int(),
  wireBytes: z.int(),
  /** Views and blocks that became final, of the first channel of the first node here. */
  views: z.int(),
  blocks: z.int(),
  /** What the kernel wrote to disks for this process. */
  writtenBytes: z.int(),
});
export type HostReport = z.output<typeof hostReportSchema>;
