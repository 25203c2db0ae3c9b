/** A node's report on its channel in lines for people. Pure. */

import type { PeerCode } from "@tamga/ledger-core/peers/code";
import { explainPeerCode, parsePeerCode } from "@tamga/ledger-core/peers/code";
import type { LedgerReport } from "./ledger-report.ts";
import { shortHex } from "./member-file.ts";

export function describeReport(report: LedgerReport): readonly string[] {
  const { quorum, validators } = report;
  const view = report.view === null ? "" : `, view ${report.view}`;
  return [
    `channel ${report.consortium}/${report.channel}, incarnation ${report.incarnation}` +
      (report.reopened ? ", opened anew after a loss" : ""),
    report.running
      ? "the gateway runs"
      : "the gateway does not run: this is what its databases hold",
    `epoch ${report.epoch}${view}, final block ${report.finalHeight}${agoOf(report)}`,
    `log of ${report.size} leaves, ${report.sealedSize} of them sealed` +
      (report.sealedAt === null ? "" : ` at ${report.sealedAt}`) +
      (report.pendingTransactions === null ? "" : `, ${report.pendingTransactions} waiting`),
    `behind a seal stand at least ${report.trust}`,
    ...warnings(report),
    quorumLine(quorum, validators.length),
    ...validators.map(validatorLine),
    ...strangerLines(report),
  ];
}

function agoOf({ finalAgeMs, finalHeight }: LedgerReport): string {
  return finalAgeMs === null || finalHeight === 0 ? "" : ` (${spanOf(finalAgeMs)} ago)`;
}

function warnings({ amnesia, halted, membersPending }: LedgerReport): readonly string[] {
  return [
    ...(amnesia === true
      ? ["THIS VALIDATOR SIGNS NOTHING: its votes are doubted until enough others have answered"]
      : []),
    ...(halted === null ? [] : [`NOTHING IS ORDERED HERE (${halted}): see the gateway's log`]),
    ...(membersPending ? ["other members were ordered: they take over with the next block"] : []),
  ];
}

function quorumLine({ needed, reachable, isThere }: LedgerReport["quorum"], n: number): string {
  if (isThere === null) return `quorum: ${needed} of ${n} validators have to sign`;
  const found = `${reachable} of ${n} validators reachable, ${needed} needed`;
  return isThere ? `quorum: there, ${found}` : `NO QUORUM: ${found}; nothing becomes final`;
}

function validatorLine(validator: LedgerReport["validators"][number]): string {
  const { name, organisation, publicKey, link } = validator;
  const facts = [`  ${name} of ${organisation}`, shortHex(publicKey)];
  if (validator.isSelf) return [...facts, "this node"].join("  ");
  if (validator.isReachable === null) return facts.join("  ");
  const { heardMs, finalHeight, roundTripMs } = validator;
  facts.push(heardMs === null ? "NEVER HEARD" : heardOf(validator.isReachable, heardMs));
  if (finalHeight !== null) facts.push(`final block ${finalHeight}`);
  if (link !== null) facts.push(link === "none" ? "no link" : link);
  if (roundTripMs !== null) facts.push(`${roundTripMs.toFixed(1)} ms`);
  if (link === "none") facts.push(...refusalsOf(validator.refusals));
  return facts.join("  ");
}

function heardOf(isReachable: boolean, heardMs: number): string {
  const ago = `${spanOf(heardMs)} ago`;
  return isReachable ? `heard ${ago}` : `SILENT, heard ${ago}`;
}

function strangerLines({ strangers }: LedgerReport): readonly string[] {
  const found = refusalsOf(strangers);
  return found.length === 0 ? [] : ["refused, and never said who they were:", ...found];
}

function refusalsOf(refusals: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(refusals).map(([code, times]) => {
    const known: PeerCode | undefined = parsePeerCode(code);
    const why = known === undefined ? "" : `: ${explainPeerCode(known)}`;
    return `${code} ${times} times${why}`;
  });
}

/** A span as people say it: the two largest units at most. */
export function spanOf(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
