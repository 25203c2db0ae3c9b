/** `tamga-gateway ledger members`: who belongs to the channel, since when, and who has to approve what. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { approversOf, ruleFor } from "@tamga/ledger-core/ledger/governance";
import type { SqliteChain } from "@tamga/ledger-core/ledger/sqlite-chain";
import { governedKinds } from "@tamga/ledger-core/wire/governance-claims";
import type { Command } from "commander";
import type { ConfigSource } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import type { LedgerBook } from "./ledger-book.ts";
import { readLedgerBook } from "./ledger-book.ts";
import { shortHex } from "./member-file.ts";

type Where = () => ConfigSource;

/** Public keys and digests are hexadecimal. */
export type MembersReport = {
  readonly channel: string;
  readonly epoch: number;
  /** An organisation has a line for each of its CAs. */
  readonly organisations: readonly {
    readonly name: string;
    /** SHA-256 of the CA certificate's DER. */
    readonly ca: string;
    readonly validators: number;
  }[];
  readonly validators: readonly {
    readonly name: string;
    readonly organisation: string;
    readonly role: "validator";
    readonly publicKey: string;
    /** From which epoch on it was one without a break, under this key. */
    readonly sinceEpoch: number;
  }[];
  readonly policy: {
    /** Policies so far, and the identity of the newest; the channel's id before the first. */
    readonly sequence: string;
    readonly identity: string;
    readonly rules: readonly {
      readonly governed: string;
      /** Whose signature counts: the CA's alone, or an administrator's too. */
      readonly role: string;
      readonly needed: number;
      readonly organisations: readonly string[];
      /** No policy says so: it holds since the channel's opening. */
      readonly byDefault: boolean;
    }[];
  };
  /** Ordered, and waiting for the next boundary block. */
  readonly pending: null | { readonly epoch: number; readonly validators: readonly string[] };
};

export function addLedgerMembersCommand(ledger: Command, where: Where): void {
  ledger
    .command("members")
    .description("organisations, validators since which epoch, and who approves what")
    .option("--json", "as one JSON object")
    .action((options: { json?: boolean }) => {
      const report = readLedgerBook(readGatewayConfig(where()), reportMembers);
      const lines = options.json === true ? [JSON.stringify(report)] : describeMembers(report);
      process.stdout.write(`${lines.join("\n")}\n`);
    });
}

export function reportMembers({ state, chain, genesis }: LedgerBook): MembersReport {
  const { governance, trust } = state;
  const { epoch, pending } = governance;
  return {
    channel: genesis.identity.origin,
    epoch,
    organisations: trust.organisations.map(({ name, ca }) => ({
      name,
      ca: toHex(nodeCrypto.sha256(ca)),
      validators: trust.validators.filter(({ organisation }) => organisation === name).length,
    })),
    validators: trust.validators.map(({ name, organisation, publicKey }) => ({
      name,
      organisation,
      role: "validator",
      publicKey: toHex(publicKey),
      sinceEpoch: sinceEpoch(chain, epoch, { name, key: toHex(publicKey) }),
    })),
    policy: {
      sequence: governance.policySequence.toString(),
      identity: toHex(governance.policy),
      rules: governedKinds.flatMap((governed) => {
        const rule = ruleFor(governance, governed);
        if (rule === undefined) return [];
        const { organisations, needed } = approversOf(rule, trust);
        const byDefault = !governance.rules.some((known) => known.governed === governed);
        return [{ governed, role: rule.role, needed, organisations, byDefault }];
      }),
    },
    pending:
      pending === undefined
        ? null
        : { epoch: epoch + 1, validators: pending.validators.map(({ name }) => name) },
  };
}

/** The first epoch of the unbroken run that reaches to the present one. */
function sinceEpoch(
  chain: SqliteChain,
  epoch: number,
  validator: { readonly name: string; readonly key: string },
): number {
  let since = epoch;
  while (since > 0) {
    const before = chain.validatorsOf(since - 1)?.entries ?? [];
    const wasOne = before.some(
      ({ name, publicKey }) => name === validator.name && toHex(publicKey) === validator.key,
    );
    if (!wasOne) break;
    since--;
  }
  return since;
}

export function describeMembers(report: MembersReport): readonly string[] {
  const { channel, epoch, organisations, validators, policy, pending } = report;
  return [
    `channel ${channel}, epoch ${epoch}`,
    "organisations:",
    ...organisations.map(
      ({ name, ca, validators: count }) =>
        `  ${name}  CA ${shortHex(ca)}  ${count} ${count === 1 ? "validator" : "validators"}`,
    ),
    "validators:",
    ...validators.map(
      ({ name, organisation, publicKey, sinceEpoch: since }) =>
        `  ${name} of ${organisation}  ${shortHex(publicKey)}  since epoch ${since}`,
    ),
    policy.sequence === "0"
      ? "approvals, as they were at the channel's opening:"
      : `approvals, by policy ${policy.sequence}:`,
    ...policy.rules.map(
      ({ governed, role, needed, organisations: of }) =>
        `  ${governed}: ${needed} of ${of.length} (${of.join(", ")}), ` +
        (role === "ca" ? "by their CAs" : "by CA or administrator"),
    ),
    ...(pending === null
      ? []
      : [`from epoch ${pending.epoch} on, with the next block: ${pending.validators.join(", ")}`]),
  ];
}
