/** Fetches receipts as anyone would, and verifies each from its bytes and the trust policy alone. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { unwrap } from "../../support/test-device.ts";
import type { LaneStatement, Violation } from "./account-types.ts";
import { Violations } from "./accounting.ts";

export type ReceiptReport = {
  /** Statements of which one receipt verified, whole lane or a sample. */
  readonly statements: number;
  /** Readings whose own receipt verified. */
  readonly readings: number;
  readonly violations: readonly Violation[];
};

export type ReceiptOptions = {
  readonly gatewayDir: string;
  readonly http: string;
  readonly statements: readonly LaneStatement[];
  readonly random: () => number;
  /** Statements that are looked at, each by a receipt of one of its readings. */
  readonly statementsMax: number;
  /** Readings that are looked at at least. */
  readonly readingsMin: number;
};

const atOnce = 4;

/** Each statement once, each by one reading of it; then more readings until there are enough. */
export async function checkReceipts(options: ReceiptOptions): Promise<ReceiptReport> {
  const { gatewayDir, random } = options;
  const policy = unwrap(parseTrustPolicy(readFileSync(join(gatewayDir, "trust.json"))));
  const taken = newest(options.statements);
  const chosen = sample(taken, options.statementsMax, random);
  const wanted = chosen.map((item) => ({ item, sequence: pick(item, random) }));
  const asked = new Set(wanted.map(({ item, sequence }) => `${item.identity} ${sequence}`));
  const bundles = taken.filter(({ kind }) => kind === "bundle");
  const all = bundles.reduce((sum, { from, to }) => sum + to - from, 0);
  let count = wanted.filter(({ item }) => item.kind === "bundle").length;
  while (count < Math.min(all, options.readingsMin)) {
    const item = bundles[Math.floor(random() * bundles.length)];
    if (item === undefined) break;
    const sequence = pick(item, random);
    const key = `${item.identity} ${sequence}`;
    if (asked.has(key)) continue;
    asked.add(key);
    wanted.push({ item, sequence });
    count++;
  }
  const violations = new Violations();
  const seen = new Set<string>();
  const readings = new Set<string>();
  const queue = wanted.values();
  const work = async () => {
    for (const { item, sequence } of queue) {
      const at = `${item.device}/${item.incarnation}/${sequence}`;
      const answer = await fetch(`${options.http}/receipts/${at}`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const fault = answer.ok ? judge(bytes, { policy, item, sequence }) : `HTTP ${answer.status}`;
      if (fault !== undefined) violations.add("RECEIPT_INVALID", `${fault}: ${at}`);
      else {
        seen.add(item.identity);
        if (item.kind === "bundle") readings.add(at);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { statements: seen.size, readings: readings.size, violations: violations.list };
}

/** Receipts that somebody took home, to be looked at again whatever becomes of the gateway. */
export async function keepReceipts(
  site: { readonly gatewayDir: string; readonly gatewayHttp: string },
  statements: readonly LaneStatement[],
): Promise<{ readonly count: number; readonly judgeAgain: () => readonly Violation[] }> {
  const policy = unwrap(parseTrustPolicy(readFileSync(join(site.gatewayDir, "trust.json"))));
  const kept: { readonly bytes: Uint8Array; readonly item: LaneStatement }[] = [];
  for (const item of statements) {
    const at = `${item.device}/${item.incarnation}/${item.from}`;
    const answer = await fetch(`${site.gatewayHttp}/receipts/${at}`);
    kept.push({ bytes: new Uint8Array(await answer.arrayBuffer()), item });
  }
  const judgeAgain = () =>
    kept.flatMap(({ bytes, item }): readonly Violation[] => {
      const fault = judge(bytes, { policy, item, sequence: item.from });
      return fault === undefined ? [] : [{ code: "RECEIPT_INVALID", what: `kept: ${fault}` }];
    });
  return { count: kept.length, judgeAgain };
}

/** @returns what is wrong, or undefined. */
function judge(
  bytes: Uint8Array,
  part: {
    readonly policy: Parameters<typeof verifyReceipt>[1];
    readonly item: LaneStatement;
    readonly sequence: number;
  },
): string | undefined {
  const { policy, item, sequence } = part;
  const receipt = parseReceipt(bytes);
  if (!receipt.ok) return receipt.fault.code;
  const verified = verifyReceipt(nodeCrypto, policy, receipt.value);
  if (!verified.ok) return verified.fault.code;
  const { reading, final, signer } = verified.value;
  if (final === undefined) return "not final";
  if (signer.name !== item.device) return "another device's";
  if (item.kind !== "bundle") return undefined;
  return reading?.index === sequence - item.from ? undefined : "another reading's";
}

/** A statement that stands in two lanes is asked for once. */
function newest(statements: readonly LaneStatement[]): readonly LaneStatement[] {
  const own = statements.filter(({ kind }) => kind !== "rejection");
  return [...new Map(own.map((item) => [item.identity, item])).values()];
}

function pick({ from, to }: LaneStatement, random: () => number): number {
  return from + Math.floor(random() * (to - from));
}

function sample<T>(all: readonly T[], max: number, random: () => number): readonly T[] {
  if (all.length <= max) return all;
  const rest = [...all];
  return Array.from({ length: max }, () =>
    rest.splice(Math.floor(random() * rest.length), 1),
  ).flat();
}
