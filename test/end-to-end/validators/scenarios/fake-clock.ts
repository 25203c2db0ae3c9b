/** Wall clocks of running validators in a scenario's hand, by libfaketime; their processes are told nothing. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patienceMs, until } from "../../rig/wait.ts";
import { gatewayName } from "../consortium-template.ts";
import type { ValidatorRig } from "../validator-rig.ts";
import { everyone } from "./scenario.ts";

export const dayMs = 86_400_000;
/** Of an hour, for what the rig's own clock and the gateway's answer are apart. */
const nearMs = 3_600_000;

/** The monotonic clock stays as it is, and so do timers. */
export class FakeClock {
  readonly #dir = mkdtempSync(join(tmpdir(), "tamga-validators-clock-"));

  constructor() {
    for (const at of everyone) this.#write(at, 0);
  }

  /** For `ValidatorRigOptions.envOf`. The file is read once a second. */
  readonly envOf = (at: number): Readonly<Record<string, string>> => ({
    LD_PRELOAD: libfaketime(),
    FAKETIME_TIMESTAMP_FILE: this.#fileOf(at),
    FAKETIME_CACHE_DURATION: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  });

  /** Resolves when each of these gateways itself says that it is off by so many days. */
  async jump(rig: ValidatorRig, at: readonly number[], days: number): Promise<void> {
    for (const one of at) this.#write(one, days);
    for (const one of at)
      await until(
        () => `${gatewayName(one)} to be off by ${days} days`,
        patienceMs,
        async () => {
          const status = await rig.validator(one).status();
          const off = Date.parse(status.at) - Date.now();
          return Math.abs(off - days * dayMs) < nearMs ? true : undefined;
        },
        100,
      );
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #fileOf(at: number): string {
    return join(this.#dir, gatewayName(at));
  }

  /** In libfaketime's words. */
  #write(at: number, days: number): void {
    writeFileSync(this.#fileOf(at), `${days < 0 ? "-" : "+"}${Math.abs(days)}d\n`);
  }
}

/** Debian keeps it below the architecture's own folder. */
function libfaketime(): string {
  for (const folder of readdirSync("/usr/lib")) {
    const path = join("/usr/lib", folder, "faketime");
    try {
      if (readdirSync(path).includes("libfaketimeMT.so.1")) return join(path, "libfaketimeMT.so.1");
    } catch {
      // Most folders have none.
    }
  }
  throw new Error("libfaketimeMT.so.1 is not below /usr/lib: install the Debian package faketime");
}
