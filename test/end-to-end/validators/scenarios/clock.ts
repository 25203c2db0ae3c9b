/** The wall clock of a running validator jumps a day ahead, and later two days back; its process is told nothing. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patienceMs, until } from "../../rig/wait.ts";
import { gatewayName } from "../consortium-template.ts";
import { settle } from "../settle.ts";
import type { ValidatorRig } from "../validator-rig.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, inRig, pick, untilSealed } from "./scenario.ts";

const dayMs = 86_400_000;
/** Of an hour, for what the rig's own clock and the gateway's answer are apart. */
const nearMs = 3_600_000;
/** In turn; libfaketime's words. The last one is a clock that is right again. */
const jumps: readonly (readonly [words: string, ms: number])[] = [
  ["+1d", dayMs],
  ["-1d", -dayMs],
  ["+0", 0],
];

export const clockJumps: Scenario = async (options) => {
  const dir = mkdtempSync(join(tmpdir(), "tamga-validators-clock-"));
  const fileOf = (at: number) => join(dir, gatewayName(at));
  for (const at of everyone) writeFileSync(fileOf(at), "+0\n");
  // The monotonic clock stays as it is, and so do timers; the file is read once a second.
  const envOf = (at: number) => ({
    LD_PRELOAD: libfaketime(),
    FAKETIME_TIMESTAMP_FILE: fileOf(at),
    FAKETIME_CACHE_DURATION: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  });
  try {
    return await inRig("clock-jumps", { ...options, envOf }, async (rig, random) => {
      rig.startLoads();
      await untilSealed(rig, { at: everyone, more: 4 });
      for (let round = 0; round < options.rounds; round++) {
        const at = pick(everyone, random);
        for (const [words, ms] of jumps) {
          writeFileSync(fileOf(at), `${words}\n`);
          await untilJumped(rig, { at, ms });
          await untilSealed(rig, { at: everyone, more: 4 });
        }
      }
      const settled = await settle(rig, { random, verifyMax: options.verifyMax });
      return { own: `${options.rounds} validators a day ahead, then a day behind`, settled };
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

/** The gateway itself says another day. */
async function untilJumped(
  rig: ValidatorRig,
  { at, ms }: { readonly at: number; readonly ms: number },
): Promise<void> {
  await until(
    () => `a clock that is off by ${ms} ms`,
    patienceMs,
    async () => {
      const status = await rig.validator(at).status();
      const off = Date.parse(status.at) - Date.now();
      return Math.abs(off - ms) < nearMs ? true : undefined;
    },
    100,
  );
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
