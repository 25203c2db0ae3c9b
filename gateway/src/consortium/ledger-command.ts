/** `tamga-gateway ledger …`: how several organisations begin a channel together, and what becomes of it. */

import { existsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { ensureDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { ChannelGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { loadOrCreateSecondKey } from "@tamga/ledger-core/ledger/second-key";
import {
  encodeTrustPolicy,
  groupedHex,
  trustPolicyDigest,
} from "@tamga/ledger-core/receipt/trust-policy";
import { secondKeyOf } from "@tamga/ledger-core/receipt/verify-ml-dsa";
import { encodeTransaction, transactionBytesMax } from "@tamga/ledger-core/wire/transaction";
import type { Command } from "commander";
import type { ConfigSource, GatewayConfig } from "../config.ts";
import { readGatewayConfig } from "../config.ts";
import { openSite, pathsOf } from "../site/site.ts";
import { caSigner } from "../site/site-ledger.ts";
import { addLedgerFileCommands } from "./file-commands.ts";
import { addLedgerGovernCommands } from "./govern-command.ts";
import type { Member } from "./member-file.ts";
import { encodeMember, readMember, shortKey } from "./member-file.ts";
import { addLedgerMembersCommand } from "./members-command.ts";
import { judgeChannelFile, openConsortium } from "./open-consortium.ts";
import { addLedgerPruneCommand } from "./prune-command.ts";
import { addLedgerStatusCommand } from "./status-command.ts";
import { addLedgerVerifyCommand } from "./verify-command.ts";

/** Each command speaks of one channel, which `--channel` names where the gateway has several. */
export function addLedgerCommand(program: Command, whole: () => ConfigSource): void {
  const ledger = program.command("ledger").description("a channel of several organisations");
  let name: string | undefined;
  const where = () => ({ ...whole(), forChannel: { name } });
  ledger
    .command("join")
    .description("write this node's member file, or take the channel file that was made of them")
    .option("--out <file>", "where the member file goes; standard output by default")
    .option("--address <host:port...>", "where other members may dial this node")
    .option("--ml-dsa", "make a second key, ML-DSA-44, with which this validator cosigns too")
    .option("--take <file>", "the channel file; afterwards `run` takes part in it")
    .option("--follow", "also where this node is no validator of it: until it is admitted")
    .action((options: JoinOptions) => join(readGatewayConfig(where()), options));
  ledger
    .command("init")
    .description("make the channel file of all members' files; one member does it, once")
    .requiredOption("--member <file...>", "member files, this node's own too")
    .requiredOption("--out <file>", "where the channel file goes")
    .action((options: { member: string[]; out: string }) =>
      init(readGatewayConfig(where()), options),
    );
  addLedgerStatusCommand(ledger, where);
  addLedgerMembersCommand(ledger, where);
  addLedgerFileCommands(ledger, where);
  addLedgerGovernCommands(ledger, where);
  addLedgerPruneCommand(ledger, where);
  addLedgerVerifyCommand(ledger, where);
  for (const command of leavesOf(ledger))
    command
      .option("--channel <name>", "which, where the gateway has several channels")
      .hook("preAction", () => {
        name = command.opts<{ channel?: string }>().channel;
      });
}

function leavesOf({ commands }: Command): readonly Command[] {
  return commands.flatMap((one) => (one.commands.length === 0 ? [one] : leavesOf(one)));
}

/** The member file of a node whose keys are there or made now. */
async function ownMember(config: GatewayConfig, addresses: readonly string[]) {
  const site = await openSite(config, new SystemClock().now());
  const { consortium, channel, organisation, gateway } = config;
  const { second } = site.validatorKey;
  const member: Member = {
    consortium,
    channel,
    organisation,
    node: gateway,
    ca: site.ca.certificate(),
    validatorKey: site.validatorKey.publicKey,
    ...(second === undefined ? {} : { secondKey: second.publicKey }),
    addresses,
  };
  return { site, member };
}

type JoinOptions = {
  readonly out?: string;
  readonly address?: string[];
  readonly mlDsa?: boolean;
  readonly take?: string;
  readonly follow?: boolean;
};

async function join(config: GatewayConfig, options: JoinOptions): Promise<void> {
  if (options.mlDsa === true) makeSecondKey(config);
  const { member } = await ownMember(config, options.address ?? []);
  if (options.take !== undefined) return take(config, member, { ...options, file: options.take });
  const text = encodeMember(member);
  if (options.out === undefined) process.stdout.write(text);
  else writeFileSync(options.out, text);
  process.stderr.write(
    `member file of ${member.node} of ${member.organisation}; its validator key begins with ` +
      `${shortKey(member.validatorKey)}: read that to whoever makes the channel file\n`,
  );
  if (member.secondKey !== undefined)
    process.stderr.write(
      `its ML-DSA-44 key, a file that can be copied, begins with ${shortKey(member.secondKey)}: read that too\n`,
    );
}

/** Before the channel's opening only: a channel does not change second keys. */
function makeSecondKey(config: GatewayConfig): void {
  const paths = pathsOf(config);
  if (existsSync(paths.channel) && !existsSync(paths.secondKey)) {
    const sentence =
      "The channel's opening names no second key of this validator, and nothing adds one.";
    throw new OperationalError("ML_DSA_TOO_LATE", sentence);
  }
  ensureDir(dirname(paths.secondKey), 0o700);
  loadOrCreateSecondKey(paths.secondKey);
}

/** Written before anything depends on it, and never again once a ledger stands on it. */
function take(
  config: GatewayConfig,
  member: Member,
  { file, follow }: { readonly file: string; readonly follow?: boolean },
): void {
  const paths = pathsOf(config);
  const bytes = readBounded(file, transactionBytesMax);
  const genesis = judgeChannelFile(bytes, member, { follows: follow === true });
  if (existsSync(paths.ledger)) {
    throw new OperationalError(
      "LEDGER_EXISTS",
      `${paths.ledger} is there already: a node joins with an empty data directory.`,
    );
  }
  writeFileDurable(paths.trust, utf8(encodeTrustPolicy(genesis.policy)), 0o644);
  writeFileDurable(paths.channel, bytes, 0o644);
  process.stderr.write(sentences(genesis).join("\n"));
}

async function init(
  config: GatewayConfig,
  options: { readonly member: readonly string[]; readonly out: string },
): Promise<void> {
  const members = options.member.map(readMember);
  const { site, member } = await ownMember(config, []);
  if (!members.some(({ node }) => node === member.node)) {
    const sentence = `${member.node}, which makes the channel, is not among the members: add its file.`;
    throw new OperationalError("CONSORTIUM_WITHOUT_US", sentence);
  }
  const at = new SystemClock().now();
  const transaction = await openConsortium(caSigner(site.ca), { by: member, members, at });
  const bytes = encodeTransaction(transaction);
  const genesis = judgeChannelFile(bytes, member);
  writeFileSync(options.out, bytes);
  process.stderr.write(sentences(genesis).join("\n"));
}

function sentences({ policy }: ChannelGenesis): readonly string[] {
  const digest = trustPolicyDigest((bytes) => nodeCrypto.sha256(bytes), policy);
  return [
    `channel ${policy.origin}: ${policy.validators.length} validators, ${policy.quorum} of them seal`,
    ...policy.validators.map((validator) => {
      const { name, organisation, publicKey } = validator;
      const second = secondKeyOf(policy, validator);
      const also = second === undefined ? "" : `, ML-DSA-44 ${shortKey(second)}`;
      return `  ${name} of ${organisation}  ${shortKey(publicKey)}${also}`;
    }),
    `trust policy ${groupedHex(digest)}`,
    "compare keys and policy with every member by voice before the first start\n",
  ];
}
