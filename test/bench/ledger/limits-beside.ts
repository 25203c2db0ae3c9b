/** The physical limits beside the ledger's figures: synced writes, signature checks and hashes. */

import { bareEd25519Rate, bareHashRate, bareVerifyRate } from "../bare-rates.ts";
import type { Bench } from "../bench.ts";
import { sized } from "../bench.ts";
import { measureSync } from "../machine.ts";
import { rowOf } from "../row.ts";

/** Of a lane head's Sig_structure, and of a vote. */
const statementBytes = 220;
const voteBytes = 104;

export const bareLimits: Bench = {
  name: "limits",
  async run(context) {
    const runs = Array.from({ length: context.runs }, () => ({
      syncs: 1_000 / measureSync().medianMs,
      p256: bareVerifyRate(statementBytes, sized(context, 8_000, 1_000)),
      ed25519: bareEd25519Rate(voteBytes, sized(context, 5_000, 1_000)),
      hashes: bareHashRate(sized(context, 400_000, 50_000)),
    }));
    const rowWith = (name: string, unit: string, of: (run: (typeof runs)[number]) => number) =>
      rowOf({ name, unit, values: runs.map(of), conditions: "this machine alone, no ledger" });
    return [
      rowWith("write and fdatasync of 4 KiB, one after the other", "1/s", ({ syncs }) => syncs),
      rowWith("P-256 checks (transactions)", "1/CPU-s", ({ p256 }) => p256),
      rowWith("Ed25519 checks (votes and seals)", "1/CPU-s", ({ ed25519 }) => ed25519),
      rowWith("SHA-256 of 65 to 200 bytes", "1/CPU-s", ({ hashes }) => hashes),
    ];
  },
};
