/** A process that admits without end and says after each commit what it promised; a test kills it. */

import { writeSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { admission, openLane, refusal } from "./lane-fixture.ts";

const [path, from] = process.argv.slice(2);
const lane = openLane(present(path, "path"));
const batchLength = 8;

for (let next = Number(from); ; next += batchLength) {
  const batch = Array.from({ length: batchLength }, (_, i) => admission({ first: next + i }));
  lane.admit([...batch, refusal(new Uint8Array(8).fill(next % 251))]);
  // Synchronous, so that a promise is out before the next transaction begins.
  writeSync(1, `${next + batchLength}\n`);
}
