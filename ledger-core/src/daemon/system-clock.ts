/** The one place where a process reads time, waits, and draws chance; all else takes {@link Clock}. */

import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { uptime } from "node:os";
import { fromHex } from "../base/bytes.ts";
import type { MonotonicMillis, UnixMillis } from "../base/time.ts";
import { monotonicMillis, unixMillis } from "../base/time.ts";

/** Time and chance as a port, so that a simulator can own both. */
export interface Clock {
  /** Wall clock; it may step either way. */
  now(): UnixMillis;
  /** Since boot, never backwards; compare only within one {@link bootId}. */
  monotonic(): MonotonicMillis;
  /**
   * Resolves after `ms` (≤ 0: in the next turn of the loop); rejects with `signal.reason` as soon
   * as the signal aborts, and at once where it already has.
   */
  sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
  /** 0 ≤ x < 1, for jitter only; never for keys. */
  random(): number;
}

export class SystemClock implements Clock {
  now(): UnixMillis {
    return unixMillis(Date.now());
  }

  monotonic(): MonotonicMillis {
    return monotonicMillis(Number(process.hrtime.bigint() / 1_000_000n));
  }

  sleep(ms: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      let timer: NodeJS.Timeout;
      let left = ms;
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      // A longer delay than Node's timer holds would fire at once: wait in legs.
      const wait = () => {
        const leg = Math.min(Math.max(left, 0), timerMsMax);
        left -= leg;
        timer = setTimeout(() => {
          if (left > 0) {
            wait();
            return;
          }
          signal.removeEventListener("abort", onAbort);
          resolve();
        }, leg);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      wait();
    });
  }

  random(): number {
    return Math.random();
  }
}

/** Milliseconds: Node's timers overflow above 2^31 − 1 ms and then fire after 1 ms. */
export const timerMsMax = 2_147_483_647;

/**
 * A signal that aborts with a `TimeoutError` after `ms` (0 … 2^31 − 1, clamped). It does not keep
 * the process alive. Combine with `AbortSignal.any`.
 */
export function deadline(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.max(Math.ceil(ms), 0), timerMsMax));
}

/** 16 bytes, the same until the next boot; drawn anew per process where the kernel does not say. */
export function bootId(path = "/proc/sys/kernel/random/boot_id"): Uint8Array {
  const id = fromHex(readText(path).trim().replaceAll("-", ""));
  return id?.length === 16 ? id : randomPerProcess;
}

/** How far {@link Clock.now} may be trusted (DESIGN §4). */
export type ClockQuality = "gnss" | "ntp" | "rtc" | "unsynchronised";

/** The configuration key `clock_source`: `auto` looks, anything else is the operator's word. */
export const clockSources = ["auto", "gnss", "ntp", "rtc", "unsynchronised"] as const;
export type ClockSource = (typeof clockSources)[number];

/**
 * Judges the wall clock by the traces that time daemons leave since this boot. It costs a few file
 * look-ups: ask once a second, not once a reading.
 *
 * - before 2024, or behind a trace: `unsynchronised`;
 * - a trace of systemd-timesyncd, chrony or ntpd, at most a day old: `ntp`;
 * - else `rtc`.
 */
export function clockQuality(
  source: ClockSource = "auto",
  now: number = Date.now(),
  traces: readonly string[] = syncTraces,
): ClockQuality {
  if (source !== "auto") return source;
  if (now < earliestPlausible) return "unsynchronised";
  // A minute of slack: uptime and file times come from different roundings.
  const bootedAt = now - uptime() * 1000 - 60_000;
  const times = traces.map(modifiedAt).filter((time) => time !== undefined);
  if (times.some((time) => time > now + 60_000)) return "unsynchronised";
  return times.some((time) => time >= bootedAt && now - time <= traceAgeMsMax) ? "ntp" : "rtc";
}

const earliestPlausible = Date.UTC(2024, 0, 1);
const traceAgeMsMax = 24 * 3_600_000;
const syncTraces = [
  "/run/systemd/timesync/synchronized",
  "/var/lib/chrony/drift",
  "/var/lib/ntpsec/ntp.drift",
  "/var/lib/ntp/ntp.drift",
];
const randomPerProcess = new Uint8Array(randomBytes(16));

function modifiedAt(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  } catch {
    return undefined;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
