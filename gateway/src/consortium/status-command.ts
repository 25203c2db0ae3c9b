/** `tamga-gateway ledger status` and `ledger members`: who orders here, and how it goes. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { Command } from "commander";
import { z } from "zod";
import { askGateway } from "../ask-gateway.ts";
import type { ConfigSource, GatewayConfig } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { describeReport } from "./describe-report.ts";
import { readDoubt, readLedgerBook } from "./ledger-book.ts";
import type { LedgerReport } from "./ledger-report.ts";
import { ledgerReportSchema, reportStored } from "./ledger-report.ts";

type Where = () => ConfigSource;

export function addLedgerStatusCommand(ledger: Command, where: Where): void {
  ledger
    .command("status")
    .description("epoch, blocks, seal and quorum; each validator, and how far it is")
    .option("--json", "as one JSON object")
    .action(async (options: { json?: boolean }) => {
      const report = await readReport(readGatewayConfig(where()));
      const lines = options.json === true ? [JSON.stringify(report)] : describeReport(report);
      process.stdout.write(`${lines.join("\n")}\n`);
    });
}

/** Of the running gateway; of the databases where none runs, or where it has no consensus to show. */
export async function readReport(config: GatewayConfig): Promise<LedgerReport> {
  const asked = await askReport(config);
  if (asked.report !== undefined) return asked.report;
  const stored = readLedgerBook(config, (book) => {
    const doubt = readDoubt(config, book.genesis);
    const facts = { self: config.gateway, now: new SystemClock().now() };
    return reportStored(book, doubt === undefined ? facts : { ...facts, doubt });
  });
  return { ...stored, running: asked.running, halted: asked.stopped ?? stored.halted };
}

const answerSchema = z.object({ gateway: z.string() });
const channelsSchema = z.object({
  channels: z.array(
    z.object({
      channel: z.string(),
      consensus: z.unknown().optional(),
      /** Why the channel is stopped, where it is. */
      code: z.string().optional(),
    }),
  ),
});

async function askReport(config: GatewayConfig): Promise<{
  readonly running: boolean;
  readonly report?: LedgerReport;
  readonly stopped?: string;
}> {
  let answer: unknown;
  try {
    answer = await (await askGateway(config, "/status.json")).json();
  } catch (error) {
    if (error instanceof OperationalError && error.code === "GATEWAY_UNREACHABLE")
      return { running: false };
    throw error;
  }
  const parsed = answerSchema.safeParse(answer);
  // Another site's gateway may have taken the port of one that is stopped.
  if (!parsed.success || parsed.data.gateway !== config.gateway) return { running: false };
  const listed = channelsSchema.safeParse(answer);
  const found = listed.data?.channels.find(({ channel }) => channel === config.channel);
  // Configured since the gateway's start.
  if (listed.success && found === undefined)
    return { running: true, stopped: "CHANNEL_NOT_STARTED" };
  if (found?.code !== undefined) return { running: true, stopped: found.code };
  const report = ledgerReportSchema.safeParse(found?.consensus);
  if (report.success) return { running: true, report: report.data };
  throw new OperationalError(
    "GATEWAY_OTHER_VERSION",
    "The running gateway is of another version than this command: use its own.",
  );
}
