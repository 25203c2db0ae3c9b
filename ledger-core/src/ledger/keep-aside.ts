/** Keeps a channel's old database beside the one that takes its place. */

import { closeSync, copyFileSync, existsSync, fsyncSync, linkSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { toHex } from "../base/bytes.ts";
import { fsyncDirectory } from "../daemon/state-dir.ts";

/** One name for each incarnation; a number where the same one was kept before. */
export function asideName(path: string, incarnation: Uint8Array): string {
  const name = `${path}.${toHex(incarnation)}`;
  for (let copy = 0; ; copy++) {
    const candidate = copy === 0 ? name : `${name}.${copy}`;
    if (!existsSync(candidate)) return candidate;
  }
}

/** A second name for the old file, so that `path` never names nothing; a copy where links are not. */
export function keepAside(path: string, aside: string): void {
  try {
    linkSync(path, aside);
  } catch {
    copyFileSync(path, aside);
    const descriptor = openSync(aside, "r");
    fsyncSync(descriptor);
    closeSync(descriptor);
  }
  fsyncDirectory(dirname(path));
}
