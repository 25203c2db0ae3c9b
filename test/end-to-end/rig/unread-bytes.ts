/** How much of a TCP line on this machine the kernel holds: written, and taken by no reader yet. */

import { existsSync, readFileSync } from "node:fs";

const table = "/proc/net/tcp";
const established = "01";

/**
 * Both queues of all connections to a listening port, in bytes; 0 where the kernel does not say.
 * How much that is depends on how busy the machine is, so no number of milliseconds stands for it.
 */
export function unreadBytes(port: number): number {
  if (!existsSync(table)) return 0;
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync(table, "utf8").split("\n").slice(1);
  return rows.reduce((sum, row) => sum + queued(row.trim().split(/\s+/), end), 0);
}

/** Fields of proc_net_tcp(5): number, local and remote address, state, `tx_queue:rx_queue`. */
function queued([, local, remote, state, queues]: readonly string[], end: string): number {
  if (state !== established) return 0;
  const [toSend, toRead] = (queues ?? "").split(":");
  if (local?.endsWith(end) === true) return Number(`0x${toSend}`);
  return remote?.endsWith(end) === true ? Number(`0x${toRead}`) : 0;
}
