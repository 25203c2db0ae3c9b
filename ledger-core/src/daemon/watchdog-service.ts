/** Feeds systemd's watchdog as a service among the daemon's own: last to open, first to close. */

import type { NotifyEnvironment, SdNotify } from "./sd-notify.ts";
import type { Service } from "./service.ts";
import type { Clock } from "./system-clock.ts";

/**
 * @returns one service, or none where systemd watches nothing. A loop of events that hangs sends no
 *   ping, and systemd starts the daemon again.
 */
export function watchdogServices(
  environment: NotifyEnvironment,
  { systemd, clock }: { readonly systemd: Pick<SdNotify, "watch">; readonly clock: Clock },
): readonly Service[] {
  if (environment.socket === undefined || environment.watchdogMs === undefined) return [];
  return [
    {
      name: "watchdog",
      open: async () => undefined,
      run: ({ signal }) => systemd.watch(clock, () => true, { signal }),
      close: async () => undefined,
    },
  ];
}
