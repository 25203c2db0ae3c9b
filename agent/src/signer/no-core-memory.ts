/** Keeps what is in this process's memory out of core dumps. */

import { writeFileSync } from "node:fs";

/**
 * A PIN has to be a string for the library that takes it, and strings cannot be overwritten: it stays in memory until
 * it is collected, and a crash would write it to the disk. Linux leaves out what core(5)'s `coredump_filter`
 * does not name, also where the core is piped to a program. Children inherit it.
 *
 * Where there is no such file, nothing happens: the service's LimitCORE=0 stands beside it.
 */
export function keepMemoryOutOfCores(): void {
  try {
    writeFileSync("/proc/self/coredump_filter", "0");
  } catch {
    // Not Linux, or a /proc that is read-only.
  }
}
