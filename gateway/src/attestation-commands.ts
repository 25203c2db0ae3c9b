/** `tamga-gateway attest history|receipt`: what the running gateway concluded of a device, and proof of it. */

import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { z } from "zod";
import { askGateway } from "./ask-gateway.ts";
import { readGatewayConfig } from "./config.ts";

const place = z.object({ lane: z.number(), leaf: z.string() });
const historySchema = z.object({
  device: z.string(),
  state: z.string(),
  code: z.string().nullable(),
  statedAt: z.string().nullable(),
  asked: z.boolean(),
  events: z.array(
    place.extend({
      state: z.string(),
      codes: z.array(z.string()),
      concludedAt: z.string(),
      askedAt: z.string().nullable(),
      bracket: z
        .union([
          z.object({
            after: place,
            streams: z.array(z.object({ stream: z.string(), from: z.string(), to: z.string() })),
          }),
          z.object({ code: z.string() }),
        ])
        .nullable(),
    }),
  ),
});
type History = z.output<typeof historySchema>;

/** @param attest the `attest` command. */
export function addAttestationCommands(
  attest: Command,
  where: () => { readonly config?: string; readonly data?: string },
): void {
  attest
    .command("history")
    .description("what the running gateway concluded of a device, and what its quotes bracket")
    .argument("<device>")
    .option("--json", "one JSON object")
    .action(async (device: string, options: { readonly json?: boolean }) => {
      const path = `/attestation/${encodeURIComponent(device)}`;
      const answer = await askGateway(readGatewayConfig(where()), path);
      const text = await answer.text();
      const history = historySchema.parse(JSON.parse(text));
      process.stdout.write(options.json === true ? `${text}\n` : asText(history));
    });
  attest
    .command("receipt")
    .description("write the receipt of a result, or of evidence, at a leaf of `attest history`")
    .argument("<device>")
    .argument("<lane>")
    .argument("<leaf>")
    .requiredOption("--out <file>")
    .action(
      async (device: string, lane: string, leaf: string, { out }: { readonly out: string }) => {
        const path = ["attestation", device, lane, leaf].map(encodeURIComponent).join("/");
        const answer = await askGateway(readGatewayConfig(where()), `/${path}`);
        writeFileSync(out, new Uint8Array(await answer.arrayBuffer()));
        process.stdout.write(`${out}\n`);
      },
    );
}

function asText({ device, state, code, statedAt, asked, events }: History): string {
  const how = asked ? "by a nonce of this gateway's" : "by the device's own clock";
  const when = statedAt === null ? "" : `, of evidence from ${statedAt} (${how})`;
  const lines = events.map((event) => {
    const why = event.codes.length === 0 ? "" : ` [${event.codes.join(", ")}]`;
    const answered = event.askedAt === null ? "" : ", asked";
    return `${event.concludedAt}  ${event.lane}/${event.leaf}  ${event.state}${why}${answered}${bracketText(event)}`;
  });
  return `${[`${device}: ${state}${code === null ? "" : ` [${code}]`}${when}`, ...lines].join("\n")}\n`;
}

function bracketText({ bracket }: History["events"][number]): string {
  if (bracket === null) return "";
  if ("code" in bracket) return `; nothing is bracketed [${bracket.code}]`;
  const ranges = bracket.streams.map(
    ({ stream, from, to }) => `${stream} ${from} to ${BigInt(to) - 1n}`,
  );
  return `; brackets ${ranges.length === 0 ? "no statement" : ranges.join(", ")}`;
}
