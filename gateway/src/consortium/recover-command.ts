/** `tamga-gateway ledger propose recovery`, and `ledger recover`: when a quorum is lost for ever. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import { recoveryBasis, signRecovery } from "@tamga/ledger-core/ledger/draft-recovery";
import { trustWith, unattainableRule } from "@tamga/ledger-core/ledger/governance";
import type { RecoveredChannel } from "@tamga/ledger-core/ledger/recover-channel";
import { recoverChannel } from "@tamga/ledger-core/ledger/recover-channel";
import { groupedHex, trustPolicyDigest } from "@tamga/ledger-core/receipt/trust-policy";
import type { Command } from "commander";
import type { ConfigSource, GatewayConfig } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";
import { readChannelFile } from "./channel-file.ts";
import { draftMembers } from "./draft-members.ts";
import { readLedgerBook } from "./ledger-book.ts";
import { readMember } from "./member-file.ts";
import type { Proposal, RecoveryProposal } from "./proposal-file.ts";
import { readProposal, writeProposal } from "./proposal-file.ts";
import { speakerOf } from "./proposal-view.ts";
import type { ReadRecovery } from "./recovery.ts";
import { approveRecovery, compareWithOwn, judgeRecovery } from "./recovery.ts";
import { refusal } from "./refusal-sentences.ts";
import { readReport } from "./status-command.ts";

type Where = () => ConfigSource;
type Options = { readonly acknowledge?: string; readonly json?: boolean };

/** What an operator writes out before a channel is given up whose quorum may still answer. */
export const acknowledgement = "the quorum is lost for ever";

export function addProposeRecoveryCommand(propose: Command, where: Where): void {
  propose
    .command("recovery")
    .description("a quorum of validators is lost for ever: begin the channel anew at its last seal")
    .option("--admit <file...>", "member files of those who join")
    .option("--remove <name...>", "validators who are lost, or leave")
    .requiredOption("--to <file>", "a new file, for the others")
    .option("--acknowledge <text>", `"${acknowledgement}", where the running gateway cannot tell`)
    .option("--json", "as one JSON object")
    .action((options: Options & { admit?: string[]; remove?: string[]; to: string }) =>
      proposeRecovery(readGatewayConfig(where()), options),
    );
}

export function addLedgerRecoverCommand(ledger: Command, where: Where): void {
  ledger
    .command("recover")
    .description("begin the recovered channel here, from a file that enough organisations signed")
    .argument("<file>")
    .option("--json", "as one JSON object")
    .action((file: string, options: Options) => recover(readGatewayConfig(where()), file, options));
}

async function proposeRecovery(
  config: GatewayConfig,
  options: Options & {
    readonly admit?: readonly string[];
    readonly remove?: readonly string[];
    readonly to: string;
  },
): Promise<void> {
  if (existsSync(options.to))
    throw new OperationalError(
      "PROPOSAL_EXISTS",
      `${options.to} is there already: name another file, or remove it.`,
    );
  const { opening } = readChannelFile(config);
  await requireLost(config, options);
  const admitted = (options.admit ?? []).map(readMember);
  const basis = readLedgerBook(config, ({ channel }) => recoveryBasis(channel));
  const { state, genesis, items } = basis;
  const members = draftMembers(config, state, { admitted, removed: options.remove ?? [] });
  const trust = trustWith(state.trust, members);
  if (!trust.ok) throw refusal("MEMBERS_WRONG");
  if (unattainableRule(state.governance.rules, trust.value) !== undefined)
    throw refusal("POLICY_UNATTAINABLE");
  const { signer, organisation, at } = await speakerOf(config);
  const incarnation = new Uint8Array(randomBytes(16));
  const by = { ...members, organisation, incarnation, at };
  const proof = await signRecovery({ crypto: nodeCrypto, signer }, basis, by);
  const proposal: Proposal = {
    channelId: genesis.identity.id,
    stage: "recovery",
    items: [...items, proof],
  };
  const read = judgeRecovery(opening.policy, proposal.items);
  writeProposal(options.to, proposal);
  say(options, { ...reportOf(read), file: options.to }, describeRecovery(read, options.to));
}

/** As `ledger show`. */
export function showRecovery(
  config: GatewayConfig,
  file: string,
  { items }: RecoveryProposal,
  options: Options,
): void {
  const read = judgeRecovery(readChannelFile(config).opening.policy, items);
  say(options, { ...reportOf(read), file }, describeRecovery(read, file));
}

/**
 * As `ledger approve`: this member's own history is compared first.
 *
 * @throws OperationalError RECOVERY_*, EPOCH_*.
 */
export async function approveInFile(
  config: GatewayConfig,
  file: string,
  proposal: Proposal & RecoveryProposal,
  options: Options,
): Promise<void> {
  const { policy } = readChannelFile(config).opening;
  const { claims } = judgeRecovery(policy, proposal.items);
  const hasOwn = existsSync(pathsOf(config).ledger);
  if (hasOwn) {
    await requireNotAnswering(config, options);
    compareWithOwn(config, claims);
  }
  const items = await approveRecovery(await speakerOf(config), proposal.items);
  const read = judgeRecovery(policy, items);
  writeProposal(file, { ...proposal, items });
  const lines = describeRecovery(read, file);
  const compared = hasOwn
    ? "compared with this node's own history: the same"
    : "not compared with a history of this node's own: it has none";
  say(options, { ...reportOf(read), file, compared: hasOwn }, [...lines, compared]);
}

function recover(config: GatewayConfig, file: string, options: Options): void {
  const proposal = readProposal(file);
  if (proposal.stage !== "recovery")
    throw new OperationalError(
      "RECOVERY_NOT_ONE",
      `${file} is another proposal: hand it to the running gateway with ledger submit.`,
    );
  const { opening } = readChannelFile(config);
  const paths = pathsOf(config);
  const lock = lockDataDir(config.data_dir);
  try {
    const read = judgeRecovery(opening.policy, proposal.items);
    if (!read.isComplete) throw tooFew(read, file);
    if (!existsSync(paths.ledger))
      throw new OperationalError(
        "RECOVERY_STATE_MISSING",
        "This node holds nothing of the lost channel: take an export of a member that does, with tamga-gateway " +
          "ledger import, and then recover.",
      );
    const { ledger: path, votes: votesPath } = paths;
    const recovered = recoverChannel({
      ...{ path, votesPath, crypto: nodeCrypto, items: proposal.items },
    });
    say(options, { ...reportOf(read), ...begunOf(recovered) }, [
      ...describeRecovery(read, file).slice(0, -1),
      ...nextSteps(recovered),
    ]);
  } finally {
    lock.release();
  }
}

/** @throws OperationalError RECOVERY_QUORUM_ANSWERS, RECOVERY_QUORUM_UNKNOWN. */
async function requireLost(config: GatewayConfig, options: Options): Promise<void> {
  if (options.acknowledge === acknowledgement) return;
  await requireNotAnswering(config, options);
  const { quorum } = await readReport(config);
  if (quorum.isThere === false) return;
  throw new OperationalError(
    "RECOVERY_QUORUM_UNKNOWN",
    "No gateway runs here that could say whether a quorum still answers: start it and wait a minute, or say " +
      `that you know, with --acknowledge "${acknowledgement}".`,
  );
}

/** @throws OperationalError RECOVERY_QUORUM_ANSWERS. */
async function requireNotAnswering(config: GatewayConfig, options: Options): Promise<void> {
  if (options.acknowledge === acknowledgement) return;
  const { quorum } = await readReport(config);
  if (quorum.isThere !== true) return;
  throw new OperationalError(
    "RECOVERY_QUORUM_ANSWERS",
    `A quorum of this channel still answers (${quorum.reachable ?? 0}, ${quorum.needed} needed): a recovery would ` +
      "begin a second history beside a living one. Change the members with ledger propose validators. Only if " +
      `what answers must be given up: --acknowledge "${acknowledgement}".`,
  );
}

function tooFew({ signers, needed }: ReadRecovery, file: string): OperationalError {
  return new OperationalError(
    "RECOVERY_SIGNERS_TOO_FEW",
    `${signers.length} of ${needed ?? "?"} organisations have signed ${file}: hand it to the others, for ` +
      "ledger approve.",
    { details: { have: signers.length, ...(needed === undefined ? {} : { needed }) } },
  );
}

/** Digests are hexadecimal. */
function reportOf({ id, claims, signers, needed, isComplete }: ReadRecovery) {
  const { head, block, lost, ordinal, at, validators } = claims;
  return {
    channelId: toHex(id),
    lost: toHex(lost),
    ordinal,
    at: new Date(at).toISOString(),
    size: head.size.toString(),
    root: toHex(head.root),
    height: block.height,
    stateRoot: toHex(block.stateRoot),
    validators: validators.map(({ name, organisation, publicKey }) => ({
      ...{ name, organisation },
      publicKey: toHex(publicKey),
    })),
    signedBy: signers,
    needed: needed ?? null,
    isComplete,
  };
}

function describeRecovery(read: ReadRecovery, file: string): readonly string[] {
  const { id, claims, signers, needed, isComplete } = read;
  const { head, block, validators } = claims;
  return [
    `recovery ${claims.ordinal} of the channel, as ${groupedHex(id)}`,
    `from the sealed checkpoint of ${head.size} leaves, after block ${block.height}; what was ordered past that is lost`,
    `  root ${groupedHex(head.root)}`,
    `  state ${groupedHex(block.stateRoot)}`,
    `${validators.length} validators:`,
    ...validators.map(
      ({ name, organisation, publicKey }) =>
        `  ${name} of ${organisation}  ${toHex(publicKey).slice(0, 16)}`,
    ),
    `signed by ${signers.join(", ")}: ${signers.length} of ${needed ?? "?"} needed`,
    isComplete
      ? `complete: on each node, its gateway stopped, tamga-gateway ledger recover ${file}`
      : "hand it to the other organisations, for `ledger approve`",
  ];
}

function begunOf({ recovery, keptAside, isDoubted }: RecoveredChannel) {
  const { policy } = recovery;
  const digest = trustPolicyDigest((bytes) => nodeCrypto.sha256(bytes), policy);
  return {
    origin: policy.origin,
    trustPolicy: toHex(digest),
    keptAside: keptAside ?? null,
    isDoubted,
  };
}

function nextSteps(recovered: RecoveredChannel): readonly string[] {
  const { recovery, keptAside, isDoubted } = recovered;
  const digest = trustPolicyDigest((bytes) => nodeCrypto.sha256(bytes), recovery.policy);
  return [
    keptAside === undefined
      ? "begun here before: nothing was changed"
      : `begun here; the lost channel's database is kept as ${keptAside}`,
    `trust policy ${groupedHex(digest)}`,
    ...(isDoubted
      ? ["it had voted here before: it signs nothing until the others have said what it signed"]
      : []),
    "start the gateway; give each agent a new answer file (devices answer ID), and verifiers who keep the first " +
      "trust policy what ledger epochs --to FILE writes",
  ];
}

function say(options: Options, object: object, lines: readonly string[]): void {
  const out = options.json === true ? [JSON.stringify(object)] : lines;
  process.stdout.write(`${out.join("\n")}\n`);
}
