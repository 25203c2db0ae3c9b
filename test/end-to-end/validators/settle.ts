/**
 * The end of every scenario, and its oracle: all is healed, so everything acknowledged becomes final at every
 * validator within a bound; then the chains are compared as they lie on the disks, whatever the engines say.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { RigProcess } from "../rig/rig-process.ts";
import { patienceMs, until } from "../rig/wait.ts";
import type { ChainContent } from "./chain-content.ts";
import { forksBetween, readChain } from "./chain-content.ts";
import { scripts } from "./consortium-template.ts";
import type { ValidatorRig } from "./validator-rig.ts";

export type ViolationCode =
  | "FORK"
  | "CHAIN_BROKEN"
  | "SEAL_FORKED"
  | "RECEIPT_FORKED"
  | "RECEIPT_REFUSED"
  | "NOT_FINAL"
  | "NOT_CONVERGED"
  | "NOT_IDLE"
  | "ERROR_LOGGED"
  | "END_UNCLEAN";

export type Violation = { readonly code: ViolationCode; readonly what: string };

export type SettleOptions = {
  readonly random: () => number;
  /** Receipts that `tamga-verify` judges as a process of its own; the rig itself has verified each. */
  readonly verifyMax: number;
  /** `EVENT CODE` that this scenario may make a gateway log as errors. */
  readonly errors?: readonly string[];
  /** Gateways whose own statements need not become final any more; why, is the scenario's to say. */
  readonly without?: readonly number[];
};

export type Settled = {
  readonly acknowledged: number;
  readonly finals: number;
  readonly height: number;
  readonly seals: number;
  readonly violations: readonly Violation[];
};

export async function settle(rig: ValidatorRig, options: SettleOptions): Promise<Settled> {
  const without = new Set(options.without ?? []);
  const wanted = rig.loads.filter((_, at) => !without.has(at));
  const violations: Violation[] = [];
  await rig.stopLoads();
  const limit = AbortSignal.timeout(patienceMs);
  // Progress after healing, asked of every gateway: what is new becomes final too.
  await Promise.all(wanted.map((load) => load.sendOne(limit)));
  const late = await untilFinal(rig, wanted).catch((error: unknown) => String(error));
  if (late !== undefined) violations.push({ code: "NOT_FINAL", what: late });
  const apart = await untilAlike(rig).catch((error: unknown) => String(error));
  if (apart !== undefined) violations.push({ code: "NOT_CONVERGED", what: apart });
  await rig.noteSeals();
  for (const one of rig.validators) {
    const { status } = await one.end("SIGTERM");
    if (status !== 0) violations.push({ code: "END_UNCLEAN", what: `${one.name}: ${status}` });
    const odd = one.errors.filter((event) => options.errors?.includes(event) !== true);
    for (const event of new Set(odd))
      violations.push({ code: "ERROR_LOGGED", what: `${one.name}: ${event}` });
  }
  const chains = rig.validators.map((one) => readChain(one.name, one.file("ledger.db"), "gone"));
  violations.push(...judgeChains(rig, chains));
  violations.push(...(await judgeByProcess(rig, options)));
  return {
    acknowledged: rig.loads.reduce((sum, { promised }) => sum + promised.length, 0),
    finals: rig.loads.reduce((sum, { finals }) => sum + finals, 0),
    height: Math.max(...chains.map(({ height }) => height)),
    seals: rig.seals.length,
    violations,
  };
}

async function untilFinal(
  rig: ValidatorRig,
  loads: ValidatorRig["loads"],
): Promise<string | undefined> {
  let missing = 0;
  return until(
    () => `${missing} acknowledged statements are not final`,
    patienceMs,
    async () => {
      rig.requireAlive();
      const counts = await Promise.all(loads.map((load) => load.collect({ sendAgain: true })));
      missing = counts.reduce((sum, count) => sum + count, 0);
      return missing === 0 ? { done: true } : undefined;
    },
    200,
  ).then(() => undefined);
}

/** All four hold the same log, sealed to its end. */
async function untilAlike(rig: ValidatorRig): Promise<string | undefined> {
  let seen = "";
  return until(
    () => `sizes and sealed sizes stay apart: ${seen}`,
    patienceMs,
    async () => {
      const all = await Promise.all(rig.validators.map((one) => one.status()));
      const sizes = all.map(({ ledger }) => `${ledger.size} ${ledger.sealedSize}`);
      seen = sizes.join(", ");
      const [first = ""] = sizes;
      const [size, sealed] = first.split(" ");
      return size === sealed && new Set(sizes).size === 1 ? { done: true } : undefined;
    },
    200,
  ).then(() => undefined);
}

function judgeChains(rig: ValidatorRig, chains: readonly ChainContent[]): readonly Violation[] {
  const longest = chains.reduce((a, b) => (b.leaves.length > a.leaves.length ? b : a));
  const isOfLog = (size: bigint, root: string) => longest.roots.get(Number(size)) === root;
  const seals = rig.seals
    .filter(({ size, root }) => !isOfLog(size, root))
    .map(({ by, size }): Violation => ({ code: "SEAL_FORKED", what: `${by}, size ${size}` }));
  const receipts = rig.loads
    .flatMap(({ promised }) => promised.flatMap(({ receipt }) => receipt ?? []))
    .filter(({ size, root }) => !isOfLog(size, toHex(root)))
    .map(({ size }): Violation => ({ code: "RECEIPT_FORKED", what: `checkpoint of ${size}` }));
  return [
    ...forksBetween(chains).map((what): Violation => ({ code: "FORK", what })),
    ...chains.flatMap(({ faults }) =>
      faults.map((what): Violation => ({ code: "CHAIN_BROKEN", what })),
    ),
    ...seals,
    ...receipts,
  ];
}

/** What anyone would do: the tool, a file, and the trust policy of another organisation. */
async function judgeByProcess(
  rig: ValidatorRig,
  { random, verifyMax }: SettleOptions,
): Promise<readonly Violation[]> {
  const all = rig.loads.flatMap(({ promised }) => promised.flatMap(({ receipt }) => receipt ?? []));
  const dir = mkdtempSync(join(tmpdir(), "tamga-validators-receipts-"));
  const violations: Violation[] = [];
  try {
    for (let at = 0; at < verifyMax; at++) {
      const receipt = all[Math.floor(random() * all.length)];
      if (receipt === undefined) break;
      const file = join(dir, `${at}.receipt`);
      writeFileSync(file, receipt.bytes);
      const trust = rig.validator(at % rig.validators.length).file("trust.json");
      const args = [scripts.verify, "receipt", file, "--trust", trust];
      await RigProcess.command({ name: "tamga-verify", args, env: rig.env }).catch(
        (error: unknown) => violations.push({ code: "RECEIPT_REFUSED", what: String(error) }),
      );
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return violations;
}
