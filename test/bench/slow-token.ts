/** What an agent gets signed with a token of five signatures a second: full bundles, one after the other. */

import { assertOutboxCovers } from "@tamga/agent/outbox/coverage";
import { OutboxTestBed } from "@tamga/agent/outbox/outbox-test-bed";
import { openSigner } from "@tamga/agent/signer/open-signer";
import { assert } from "@tamga/ledger-core/base/assert";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { requirePart } from "../real-parts.ts";
import { EmulatedSlowToken } from "../support/emulated-slow-token.ts";
import { createSoftHsm } from "../support/softhsm.ts";
import type { Bench } from "./bench.ts";
import { sized } from "./bench.ts";
import { rowOf } from "./row.ts";

const signaturesPerSecond = 5;
/** As the agent's configuration has it by default. */
const maxCount = 512;
/** About what a reading with a few registers takes. */
const readingBytes = 200;

export const slowToken: Bench = {
  name: "slow-token",
  async run(context) {
    if (!requirePart("softhsm2")) return [];
    const hsm = createSoftHsm();
    hsm.addToken("site");
    const uri = hsm.keyUri("site", "device");
    const real = await openSigner({ uri, profile: "development", create: true });
    const bundles = sized(context, 20, 5);
    const values: number[] = [];
    try {
      for (let run = 0; run < context.runs; run++) {
        const ms = 1_000 / signaturesPerSecond;
        const signer = new EmulatedSlowToken(real, { ms, clock: new SystemClock() });
        const bed = await OutboxTestBed.create({ maxCount, maxBytes: 786_432 }, { signer });
        try {
          await bed.start();
          const begun = performance.now();
          await bed.bundle(bundles * maxCount, readingBytes);
          values.push((bundles * maxCount * 1_000) / (performance.now() - begun));
          const { inStatements } = assertOutboxCovers(bed.database);
          assert(inStatements === bundles * maxCount + 1, "every reading is signed, on disk");
        } finally {
          bed.remove();
        }
      }
    } finally {
      await real.close();
      hsm.remove();
    }
    return [
      rowOf({
        name: `readings of one stream, ${signaturesPerSecond} signatures a second`,
        unit: "readings/s",
        values,
        limit: signaturesPerSecond * maxCount,
        conditions: `emulated slow token, ${1_000 / signaturesPerSecond} ms before each signature of SoftHSM2; ${bundles} bundles of ${maxCount} readings of ${readingBytes} random bytes, from the journal until they are signed and on disk; beside: full bundles without any other cost`,
      }),
    ];
  },
};
