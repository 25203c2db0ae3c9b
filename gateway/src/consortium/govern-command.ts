/** `tamga-gateway ledger propose|show|approve|submit`: what organisations change together, by a file. */

import { existsSync } from "node:fs";
import { fromHex, parseDigest } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { revocationReasons } from "@tamga/ledger-core/wire/channel-claims";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import type { Command } from "commander";
import { z } from "zod";
import { askGateway } from "../ask-gateway.ts";
import type { ConfigSource, GatewayConfig } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { submitMsMax } from "../limits.ts";
import { advance } from "./advance-proposal.ts";
import { describeProposal } from "./describe-proposal.ts";
import { draftMembers } from "./draft-members.ts";
import { readMember } from "./member-file.ts";
import { mergeRules } from "./parse-rule.ts";
import { judgeDraft, judgeProposed, stateAs } from "./proposal.ts";
import type { OrderedProposal } from "./proposal-file.ts";
import { readProposal } from "./proposal-file.ts";
import type { View } from "./proposal-view.ts";
import { laterOf, speakerOf, standing, viewFor, viewOf } from "./proposal-view.ts";
import {
  addLedgerRecoverCommand,
  addProposeRecoveryCommand,
  approveInFile,
  showRecovery,
} from "./recover-command.ts";
import { refusal, refuseFault } from "./refusal-sentences.ts";

type Where = () => ConfigSource;
type To = { readonly to: string };
type RecoveryOptions = { readonly acknowledge?: string; readonly json?: boolean };

export function addLedgerGovernCommands(ledger: Command, where: Where): void {
  const config = () => readGatewayConfig(where());
  const propose = ledger.command("propose").description("begin a change that others approve");
  propose
    .command("validators")
    .description("admit and remove validators; an organisation comes and goes with them")
    .option("--admit <file...>", "member files of those who join")
    .option("--remove <name...>", "validators who leave")
    .requiredOption("--to <file>", "a new file, for the others")
    .action((options: To & { admit?: string[]; remove?: string[] }) =>
      proposeMembers(config(), options),
    );
  propose
    .command("policy")
    .description("say how many organisations approve what; kinds that are not named stay")
    .option("--rule <rule...>", "KIND=M[:ROLE][:ORGANISATION,...], e.g. device=2:ca")
    .option("--without <kind...>", "kinds that go back to the rule of the channel's opening")
    .requiredOption("--to <file>", "a new file, for the others")
    .action((options: To & { rule?: string[]; without?: string[] }) =>
      proposePolicy(config(), options),
    );
  propose
    .command("revoke")
    .description("revoke a key of a device where others have to approve that")
    .requiredOption("--device <id>")
    .requiredOption("--key <hex>", "as `devices list` shows it")
    .requiredOption("--reason <reason>", "retired, or compromised")
    .requiredOption("--to <file>", "a new file, for the others")
    .action((options: To & { device: string; key: string; reason: string }) =>
      proposeRevocation(config(), options),
    );
  addProposeRecoveryCommand(propose, where);
  addLedgerRecoverCommand(ledger, where);
  ledger
    .command("show")
    .description("what a proposal would change, and who has signed it")
    .argument("<file>")
    .option("--json", "of a recovery: as one JSON object")
    .action((file: string, options: RecoveryOptions) => show(config(), file, options));
  ledger
    .command("approve")
    .description("sign a proposal for this organisation, in its file")
    .argument("<file>")
    .option("--acknowledge <text>", "of a recovery, where a quorum still answers")
    .option("--json", "of a recovery: as one JSON object")
    .action((file: string, options: RecoveryOptions) => approve(config(), file, options));
  ledger
    .command("submit")
    .description("hand what enough have approved to the running gateway")
    .argument("<file>")
    .action((file: string) => submit(config(), file));
}

async function proposeMembers(
  config: GatewayConfig,
  options: To & { readonly admit?: readonly string[]; readonly remove?: readonly string[] },
): Promise<void> {
  requireNew(options.to);
  const admitted = (options.admit ?? []).map(readMember);
  const view = viewOf(config);
  const draft = draftMembers(config, view.state, { admitted, removed: options.remove ?? [] });
  refuseFault(judgeDraft(view.state, draft));
  const proposal: OrderedProposal = { channelId: view.channelId, stage: "draft", draft };
  say(await advance(config, options.to, { proposal, view }));
}

async function proposePolicy(
  config: GatewayConfig,
  options: To & { readonly rule?: readonly string[]; readonly without?: readonly string[] },
): Promise<void> {
  requireNew(options.to);
  const view = viewOf(config);
  const { rules, policySequence, policy } = view.state.governance;
  const speaker = await speakerOf(config);
  const statement = await stateAs(speaker, {
    kind: "policy",
    sequence: policySequence + 1n,
    previous: policy,
    rules: mergeRules(rules, { rules: options.rule ?? [], without: options.without ?? [] }),
    at: speaker.at,
  });
  await keepSigned(config, options.to, { statement, view });
}

async function proposeRevocation(
  config: GatewayConfig,
  options: To & { readonly device: string; readonly key: string; readonly reason: string },
): Promise<void> {
  requireNew(options.to);
  const device = parseIdentifier(options.device);
  const kid = parseDigest(fromHex(options.key) ?? new Uint8Array());
  const reason = revocationReasons.find((known) => known === options.reason);
  if (!device.ok || !kid.ok || reason === undefined)
    throw new OperationalError(
      "USAGE_REVOKE",
      "Give a device id, its key as 64 hexadecimal digits, and `retired` or `compromised`.",
    );
  const view = viewOf(config);
  const speaker = await speakerOf(config);
  const claims = { device: device.value, kid: kid.value, reason, since: speaker.at };
  const statement = await stateAs(speaker, { kind: "device", ...claims });
  await keepSigned(config, options.to, { statement, view });
}

async function keepSigned(
  config: GatewayConfig,
  file: string,
  { statement, view }: { readonly statement: Uint8Array; readonly view: View },
): Promise<void> {
  const transaction = { statement, consistency: [], certificates: [] };
  const proposal: OrderedProposal = { channelId: view.channelId, stage: "signed", transaction };
  say(await advance(config, file, { proposal, view }));
}

function show(config: GatewayConfig, file: string, options: RecoveryOptions): void {
  const proposal = readProposal(file);
  if (proposal.stage === "recovery") {
    showRecovery(config, file, proposal, options);
    return;
  }
  const view = viewFor(config, file, proposal);
  say(describeProposal(proposal, view?.state));
  if (view !== undefined) say([standing(proposal, view, file)]);
}

async function approve(
  config: GatewayConfig,
  file: string,
  options: RecoveryOptions,
): Promise<void> {
  const proposal = readProposal(file);
  if (proposal.stage === "recovery") return approveInFile(config, file, proposal, options);
  const view = viewFor(config, file, proposal);
  say(await advance(config, file, { proposal, view }));
}

async function submit(config: GatewayConfig, file: string): Promise<void> {
  const proposal = readProposal(file);
  if (proposal.stage === "recovery") throw refusal("RECOVERY_NOT_SUBMITTED");
  const view = viewFor(config, file, proposal);
  if (proposal.stage === "draft") throw refusal("READINESS_TOO_FEW");
  if (view?.isOrdered(proposal) !== true && view !== undefined) {
    const time = laterOf(view, { at: new SystemClock().now() });
    const judged = judgeProposed(view.state, proposal.transaction, { ...view, time });
    if (!judged.ok) throw refusal(judged.fault.code);
  }
  const answer = await askGateway(config, "/ledger/transactions", {
    method: "POST",
    body: encodeTransaction(proposal.transaction),
    contentType: "application/cbor",
    answerMs: submitMsMax + 10_000,
  });
  const { index } = z.object({ index: z.string() }).parse(await answer.json());
  say([`final and sealed: leaf ${index} of the channel's log`]);
}

function requireNew(file: string): void {
  if (!existsSync(file)) return;
  const sentence = `${file} is there already: name another file, or remove it.`;
  throw new OperationalError("PROPOSAL_EXISTS", sentence);
}

function say(lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}
