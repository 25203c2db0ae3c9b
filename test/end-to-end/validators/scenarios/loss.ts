/**
 * 30 of 100 IP packets between validators are lost, by chance and in both directions: the kernel drops them
 * (nftables in a network namespace of the rig's own), so that real TCP has to send again. Messages inside TLS
 * cannot be lost one by one; what the consensus sees is delay, lines that break, and handshakes that fail.
 */

import { execFileSync } from "node:child_process";
import { pause } from "../../rig/wait.ts";
import { settle } from "../settle.ts";
import type { ValidatorRig } from "../validator-rig.ts";
import type { Scenario } from "./scenario.ts";
import { everyone, inRig, pick, untilSealed } from "./scenario.ts";

const lossPercent = 30;
/** Milliseconds of loss for each round; in each, one validator has to connect anew to all. */
const lossMs = 6_000;

export const loss: Scenario = (options) =>
  inRig("loss", options, async (rig, random) => {
    rig.startLoads();
    const before = await untilSealed(rig, { at: everyone, more: 4 });
    lose(rig);
    for (let round = 0; round < options.rounds; round++) {
      const one = pick(everyone, random);
      rig.isolate(one);
      rig.rejoin(one);
      await pause(lossMs);
      rig.requireAlive();
    }
    const { lost, all } = lostPackets();
    if (lost === 0) throw new Error("no packet was lost");
    const statuses = await Promise.all(rig.validators.map((each) => each.status()));
    const sealed = Math.max(...statuses.map(({ ledger }) => ledger.sealedSize)) - before;
    nft("delete", "table", "ip", "rig");
    await untilSealed(rig, { at: everyone, more: 4 });
    const settled = await settle(rig, { random, verifyMax: options.verifyMax });
    return { own: `${lost} of ${all} packets lost; ${sealed} leaves sealed meanwhile`, settled };
  });

/** On the leg between who dials and the rig's line; the leg behind it is whole. */
function lose(rig: ValidatorRig): void {
  const ports = `{ ${rig.lines.map(({ port }) => port).join(", ")} }`;
  const lot = `numgen random mod 100 < ${lossPercent}`;
  nft("add", "table", "ip", "rig");
  nft("add", "chain", "ip", "rig", "out", "{ type filter hook output priority 0 ; }");
  for (const way of ["dport", "sport"]) {
    nft("add", "rule", "ip", "rig", "out", `tcp ${way} ${ports} counter`);
    nft("add", "rule", "ip", "rig", "out", `tcp ${way} ${ports} ${lot} counter drop`);
  }
}

function lostPackets(): { readonly lost: number; readonly all: number } {
  const text = nft("list", "table", "ip", "rig");
  const counts = [...text.matchAll(/counter packets (\d+) bytes \d+( drop)?/g)];
  const sum = (isDrop: boolean) =>
    counts
      .filter(([, , drop]) => (drop !== undefined) === isDrop)
      .reduce((total, [, packets]) => total + Number(packets), 0);
  return { lost: sum(true), all: sum(false) };
}

function nft(...args: readonly string[]): string {
  return execFileSync("nft", args, { encoding: "utf8" });
}
