/** What a measurement depends on and a reader must know: the machine, its load and its disk. */

import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { quantileOf } from "./row.ts";

export type DiskSync = { readonly medianMs: number; readonly minMs: number };

const syncs = 60;
const pageBytes = 4_096;

/** Times of appending a page and making it durable, in the directory that the gateways are put in. */
export function measureSync(): DiskSync {
  const directory = mkdtempSync(join(tmpdir(), "tamga-sync-"));
  try {
    const file = openSync(join(directory, "file"), "w");
    const page = new Uint8Array(pageBytes);
    const times: number[] = [];
    for (let i = 0; i < syncs; i++) {
      page.fill(i);
      const before = performance.now();
      writeSync(file, page);
      fdatasyncSync(file);
      times.push(performance.now() - before);
    }
    closeSync(file);
    return { medianMs: quantileOf(times, 0.5), minMs: Math.min(...times) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** One sentence for the head of the table. */
export function machineConditions(sync: DiskSync): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const load = loadavg().map((value) => value.toFixed(2));
  return [
    `${model}, ${availableParallelism()} cores`,
    `load average ${load.join(" ")}`,
    `Node ${process.version}`,
    `${fileSystemName(tmpdir())} in ${tmpdir()}`,
    `write and fdatasync of 4 KiB ${sync.medianMs.toFixed(2)} ms (least ${sync.minMs.toFixed(2)})`,
  ].join("; ");
}

/** statfs(2) magic numbers of the usual ones. */
const fileSystems: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x01021994, "tmpfs (no disk at all)"],
  [0x794c7630, "overlayfs"],
  [0x2fc12fc1, "zfs"],
]);

function fileSystemName(path: string): string {
  const { type } = statfsSync(path);
  return fileSystems.get(type) ?? `file system 0x${type.toString(16)}`;
}
