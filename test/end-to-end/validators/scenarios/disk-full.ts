/** The disk of one validator is full while all send: it stands still, the others go on, and it returns by itself. */

import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "../../rig/wait.ts";
import { gatewayName } from "../consortium-template.ts";
import { settle } from "../settle.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, everyoneBut, inRig, pick, untilSealed } from "./scenario.ts";

const diskSize = "64m";
/** The largest first, then what is left of a page. */
const ballastChunks: readonly number[] = [1_048_576, 4_096, 512];
/** Milliseconds that it stays full after the others went on without it. */
const fullMs = 2_000;
/** What a gateway may log as errors for want of space. */
const errors: readonly string[] = ["ordering.waits DISK_FULL"];

/** Each gateway has a small file system in memory, in a mount namespace of the rig's own. */
export const diskFull: Scenario = async (options) => {
  const disks = mkdtempSync(join(tmpdir(), "tamga-validators-disks-"));
  const diskOf = (at: number) => join(disks, gatewayName(at));
  for (const at of everyone) {
    mkdirSync(diskOf(at));
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskSize}`, "tmpfs", diskOf(at)]);
  }
  const dirOf = (at: number) => join(diskOf(at), "data");
  try {
    return await inRig("disk-full", { ...options, dirOf }, async (rig, random) => {
      rig.startLoads();
      await untilSealed(rig, { at: everyone, more: 4 });
      for (let round = 0; round < options.rounds; round++) {
        const one = pick(everyone, random);
        const ballast = join(diskOf(one), "ballast");
        fill(ballast);
        await untilSealed(rig, { at: everyoneBut(one), more: 4 });
        await pause(fullMs);
        rig.requireAlive();
        rmSync(ballast);
        await untilSealed(rig, { at: everyone, more: 4 });
      }
      const settled = await settle(rig, { random, verifyMax: options.verifyMax, errors });
      return { own: `${options.rounds} full disks`, settled };
    });
  } finally {
    for (const at of everyone) execFileSync("umount", [diskOf(at)]);
    rmSync(disks, { recursive: true, force: true });
  }
};

/** Until not a byte more fits. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const size of ballastChunks) {
      const chunk = new Uint8Array(size);
      for (;;) if (!append(file, chunk)) break;
    }
  } finally {
    closeSync(file);
  }
}

function append(file: number, chunk: Uint8Array): boolean {
  try {
    return writeSync(file, chunk) === chunk.length;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}
