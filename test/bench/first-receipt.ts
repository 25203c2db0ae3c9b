/** How long a newcomer waits: from `npm start` on an installed clone to the first final receipt. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Bench } from "./bench.ts";
import { BenchChild } from "./child-process.ts";
import { rowOf } from "./row.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

export const firstReceipt: Bench = {
  name: "first-receipt",
  async run(context) {
    const values: number[] = [];
    for (let run = 0; run < context.runs; run++) {
      const directory = mkdtempSync(join(tmpdir(), "tamga-start-"));
      const begun = performance.now();
      const args = ["start", "--silent", "--", "--data", directory, "--stop-after", "1"];
      const child = new BenchChild("npm", args, { cwd: root });
      try {
        await child.until((lines) => lines.find((line) => line.includes("receipt verified")));
        values.push((performance.now() - begun) / 1e3);
        const code = await child.ended();
        if (code !== 0) throw new Error(`npm start ended with ${code}:\n${child.stderr}`);
      } finally {
        await child.stop();
        rmSync(directory, { recursive: true, force: true });
      }
      context.say(`${values.at(-1)?.toFixed(1)} s`);
    }
    return [
      rowOf({
        name: "npm start to the first final receipt",
        unit: "s",
        values,
        budget: { bound: "≤", value: 10 },
        conditions:
          "npm start -- --stop-after 1 on an installed clone, an empty data directory: certificates, enrolment of two " +
          "devices and emulators included; the receipt was verified by tamga-verify's code from its bytes",
      }),
    ];
  },
};
