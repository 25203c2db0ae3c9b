/**
 * Runs a scenario in namespaces of its own: network, mounts and processes. What it does to packets and disks
 * reaches nothing else on the machine, and the kernel clears it away with the last process.
 */

import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import type { Scenario, ScenarioReport } from "./scenarios/scenario.ts";

const program = fileURLToPath(new URL("./run-inside.ts", import.meta.url));
const unshare = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;
/** Bytes of what a scenario that fails may say. */
const outputBytesMax = 1_048_576;
/** Without root it may still be root of a namespace of users. */
const asRoot: readonly string[] = process.getuid?.() === 0 ? [] : ["--map-root-user"];

const reportSchema = z.object({
  summary: z.string(),
  violations: z.array(z.object({ code: z.string(), what: z.string() })),
});

/** Whether this machine lets us; some containers do not. */
export function hasNamespaces(): boolean {
  const probe = "ip link set lo up && mount -t tmpfs tmpfs /mnt && nft add table ip rig";
  const args = [...asRoot, ...unshare, "sh", "-c", probe];
  return spawnSync("unshare", args, { stdio: "ignore" }).status === 0;
}

/** The scenario of this name, played by `run-inside.ts`. */
export function inNamespace(name: string): Scenario {
  return async ({ template, seed, rounds, verifyMax }): Promise<ScenarioReport> => {
    const facts = ["--only", name, "--template", template.dir, "--seed", String(seed)];
    const numbers = ["--rounds", String(rounds), "--verify", String(verifyMax)];
    const args = [...asRoot, ...unshare, process.execPath, program, ...facts, ...numbers];
    const { stdout } = await promisify(execFile)("unshare", args, { maxBuffer: outputBytesMax });
    return reportSchema.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
  };
}
