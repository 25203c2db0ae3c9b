/** `tamga-agent status`: what the running agent says of itself. */

import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Command } from "commander";
import type { AgentConfig } from "./config.ts";
import { loadAgentConfig } from "./config.ts";
import type { ConfigOptions } from "./config-path.ts";
import { configPath } from "./config-path.ts";
import { httpRequest } from "./http-client.ts";
import { deviceFile } from "./identity/device-files.ts";

export function addStatusCommand(program: Command): void {
  program
    .command("status")
    .description("what the running agent says of itself")
    .option("--config <file>", "configuration")
    .option("--data <dir>", "data directory; its agent.toml is the configuration")
    .option("--json", "one JSON object")
    .action(async (options: ConfigOptions & { readonly json?: boolean }) => {
      const text = await askStatus(loadAgentConfig(configPath(options)));
      process.stdout.write(options.json === true ? `${text}\n` : `${summary(text)}\n`);
    });
}

/** The JSON of a running agent's `/status.json`. Throws AGENT_NOT_RUNNING, HTTP_*. */
export async function askStatus(config: AgentConfig): Promise<string> {
  const file = deviceFile(config.data_dir, "httpAddress");
  if (!existsSync(file)) throw notRunning();
  const url = new URL("/status.json", readFileSync(file, "utf8").trim());
  const { signal } = new AbortController();
  const answer = await httpRequest(url, { signal }).catch((error: unknown) => {
    const gone = error instanceof OperationalError && error.code === "HTTP_UNREACHABLE";
    throw gone ? notRunning() : error;
  });
  if (answer.status === 200) return answer.text;
  throw new OperationalError("AGENT_NOT_RUNNING", `${url.origin} is no agent's status page.`);
}

function notRunning(): OperationalError {
  return new OperationalError(
    "AGENT_NOT_RUNNING",
    "The agent is not running with this data directory: start it with tamga-agent run.",
  );
}

/** A line for each thing that people ask about; everything is in `--json`. */
function summary(text: string): string {
  const json: unknown = JSON.parse(text);
  const lines: string[] = [];
  const at = (...path: readonly string[]): unknown =>
    path.reduce<unknown>(
      (value, key) =>
        typeof value === "object" && value !== null ? new Map(Object.entries(value)).get(key) : "",
      json,
    );
  const line = (name: string, ...values: readonly unknown[]) =>
    lines.push(`${name.padEnd(10)} ${values.map((value) => String(value ?? "-")).join(" ")}`);
  line("device", at("device"), "in", at("channel"));
  line("key", at("key", "kind"), at("key", "algorithm"), at("key", "state"));
  line("clock", at("clock"));
  const gateway = at("uplink", "gateway", "address");
  const trouble = at("uplink", "trouble", "sentence");
  line("uplink", at("uplink", "phase"), gateway === "" ? trouble : gateway);
  line(
    "backlog",
    at("outbox", "backlog"),
    "statements,",
    at("outbox", "drainSeconds"),
    "s to send",
  );
  line("outbox", at("outbox", "usedBytes"), "of", at("outbox", "quotaBytes"), "bytes");
  const streams = at("streams");
  if (Array.isArray(streams)) {
    for (const stream of streams) {
      const field = (key: string): unknown => new Map(Object.entries(stream)).get(key);
      const link = new Map(Object.entries(Object(field("link"))));
      line("stream", field("name"), link.get("phase"), field("readings"), "readings");
    }
  }
  const warnings = at("warnings");
  if (Array.isArray(warnings)) for (const sentence of warnings) line("note", sentence);
  return lines.join("\n");
}
