/** Resident memory of the agent's daemon that has a million readings in its outbox and no gateway. */

import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Bench } from "./bench.ts";
import { sized } from "./bench.ts";
import { BenchSite } from "./bench-site.ts";
import { BenchChild, residentBytes } from "./child-process.ts";
import { rowOf } from "./row.ts";

const agent = fileURLToPath(new URL("../../agent/bin/tamga-agent.mjs", import.meta.url));
/** As the shipped unit starts it. */
const youngBound = "--max-semi-space-size=2";
const filler = fileURLToPath(new URL("./outbox-fill-child.ts", import.meta.url));
const fillMsMax = 300_000;
const startMsMax = 60_000;
const settleMs = 3_000;
const mebibyte = 1_024 * 1_024;

export const agentMemory: Bench = {
  name: "agent-memory",
  async run(context) {
    const readings = sized(context, 1_000_000, 20_000);
    const bench = await BenchSite.start(context);
    try {
      const directory = await enrolAgent(bench);
      // Nothing may drain what is to be measured, nor serve the port that the agent dials.
      await bench.site.stop("SIGTERM");
      const begun = performance.now();
      await runToEnd([filler, directory, String(readings)], fillMsMax);
      const seconds = ((performance.now() - begun) / 1e3).toFixed(0);
      const files = ["outbox.db", "outbox.db-wal"].map((name) => join(directory, name));
      const held = files.filter((path) => existsSync(path)).map((path) => statSync(path).size);
      const file = (held.reduce((sum, size) => sum + size, 0) / mebibyte).toFixed(0);
      context.say(`${readings} readings in ${seconds} s; the outbox has ${file} MiB`);
      const found: { now: number; peak: number }[] = [];
      for (let run = 0; run < context.runs; run++) found.push(await measureAgent(directory));
      const peaks = found.map(({ peak }) => (peak / mebibyte).toFixed(0)).join(", ");
      return [
        rowOf({
          name: `resident memory of an agent with ${readings} readings in its outbox`,
          unit: "MiB",
          values: found.map(({ now }) => now / mebibyte),
          budget: { bound: "≤", value: 110 },
          conditions:
            `tamga-agent run with ${youngBound} as in its unit, key in a file, one stream whose link does not answer, gateway unreachable; outbox of ${file} MiB ` +
            `(bundles of 512, none acknowledged) filled by the agent's own outbox beforehand; VmRSS ${settleMs / 1e3} s after ` +
            `its start; peaks ${peaks} MiB`,
        }),
      ];
    } finally {
      await bench.close();
    }
  },
};

/** By files, as with a USB stick; @returns the agent's data directory. */
async function enrolAgent({ site }: BenchSite): Promise<string> {
  const directory = join(site.dir, "agent");
  mkdirSync(directory, { mode: 0o700 });
  const [request, answer] = [join(directory, "request.json"), join(directory, "answer.json")];
  await runToEnd([agent, "enrol", "--device", "meter-1", "--data", directory, "--out", request]);
  await site.cli("devices", "approve", "--request", request, "--out", answer);
  await runToEnd([agent, "enrol", "--data", directory, "--answer", answer]);
  const lines = [
    'device = "meter-1"',
    'channel = "readings"',
    "[http]",
    "port = 0",
    "[[stream]]",
    'name = "p1"',
    'protocol = "dsmr-p1"',
    'link = "tcp://127.0.0.1:1"',
    "emulated = true",
  ];
  writeFileSync(join(directory, "agent.toml"), `${lines.join("\n")}\n`);
  return directory;
}

async function measureAgent(directory: string): Promise<{ now: number; peak: number }> {
  const child = new BenchChild(process.execPath, [
    youngBound,
    agent,
    "run",
    "--data",
    directory,
    "--events",
  ]);
  try {
    await child.line((line) => readySchema.safeParse(parseJson(line)).success, startMsMax);
    await sleep(settleMs);
    return residentBytes(child.pid);
  } finally {
    await child.stop();
  }
}

const readySchema = z.looseObject({ event: z.literal("ready") });

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function runToEnd(args: readonly string[], timeoutMs = startMsMax): Promise<void> {
  const child = new BenchChild(process.execPath, args);
  const timer = setTimeout(() => void child.stop("SIGKILL"), timeoutMs);
  const code = await child.ended();
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}:\n${child.stderr}`);
}
