#!/usr/bin/env node
/** `tamga-verify`: checks receipts, proofs and checkpoints offline, trusting nothing but a policy file. */

import process from "node:process";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { Digest } from "./base/bytes.ts";
import { fromHex, parseDigest } from "./base/bytes.ts";
import { exitCodes, judgeFailure } from "./daemon/exit-code.ts";
import { parseTreeSize } from "./log/tree-size.ts";
import { languages } from "./receipt/explain-fault.ts";
import type { Judgement, OutputOptions, TrustOptions } from "./verify-commands.ts";
import {
  exportForms,
  exportReceiptFile,
  judgeCheckpointFile,
  judgeConsistency,
  judgeEpochsFile,
  judgeInclusion,
  judgeReceiptFile,
} from "./verify-commands.ts";

const digestHelp = "32 bytes in hexadecimal";
const checkpointHelp = "the note of the receipt's checkpoint, for its ML-DSA-44 cosignatures";
const pathHelp = 'hashes in hexadecimal with commas between, or "" for none';

function createProgram(): Command {
  const program = new Command("tamga-verify")
    .description("verifies receipts and log proofs, offline")
    .exitOverride()
    .configureHelp({ sortSubcommands: false })
    .addHelpText(
      "after",
      "\nExit status: 0 valid, 1 invalid, 64 wrong use (also hexadecimal or numbers that cannot be\n" +
        "read), 74 a file that cannot be read.",
    );
  addTrustCommand(program, "receipt")
    .description("verify a receipt from a reading to the validators' seal")
    .argument("<file>", "the receipt; - is standard input")
    .option(
      "--provisional <file>",
      "take also a receipt that no validator sealed, if this certificate's gateway signed it (PEM)",
    )
    .option("--checkpoint <file>", checkpointHelp)
    .action((file: string, options: FileOptions & ReceiptExtras) =>
      print(judgeReceiptFile(file, options), options),
    );
  addTrustCommand(program, "export")
    .description("verify a final receipt and write it in a form that others read")
    .argument("<file>", "the receipt; - is standard input")
    .addOption(
      new Option(
        "--format <form>",
        "note: C2SP tlog-checkpoint; tlog-proof: C2SP, of the lane head; cose: RFC 9943 statements",
      )
        .choices(exportForms)
        .makeOptionMandatory(),
    )
    .requiredOption("--out <file>", "where to write")
    .option("--checkpoint <file>", checkpointHelp)
    .action((file: string, options: ExportOptions) =>
      print(exportReceiptFile(file, options), options),
    );
  addCommand(program, "inclusion")
    .description("verify that a leaf is in a tree (RFC 9162 §2.1.3.2)")
    .requiredOption("--index <n>", "position of the leaf, from 0", number)
    .requiredOption("--size <n>", "leaves of the tree, up to 2^64-1", number)
    .requiredOption("--leaf <hex>", `leaf hash, SHA-256(0x00 || entry): ${digestHelp}`, digest)
    .requiredOption("--root <hex>", `root of the tree: ${digestHelp}`, digest)
    .requiredOption("--path <hex,...>", `from the leaf's sibling up: ${pathHelp}`, path)
    .action((options: InclusionOptions & OutputOptions) =>
      print(judgeInclusion({ ...options, leafIndex: options.index }, options), options),
    );
  addCommand(program, "consistency")
    .description("verify that one tree grew out of another (RFC 9162 §2.1.4.2)")
    .requiredOption("--size1 <n>", "leaves of the earlier tree", number)
    .requiredOption("--size2 <n>", "leaves of the later tree, up to 2^64-1", number)
    .requiredOption("--root1 <hex>", `root of the earlier tree: ${digestHelp}`, digest)
    .requiredOption("--root2 <hex>", `root of the later tree: ${digestHelp}`, digest)
    .requiredOption("--path <hex,...>", `as the log gave it: ${pathHelp}`, path)
    .action((options: ConsistencyOptions & OutputOptions) =>
      print(judgeConsistency(options, options), options),
    );
  addTrustCommand(program, "checkpoint")
    .description("verify that a quorum cosigned a checkpoint (C2SP tlog-checkpoint)")
    .argument("<file>", "the signed note; - is standard input")
    .action((file: string, options: FileOptions) =>
      print(judgeCheckpointFile(file, options), options),
    );
  addCommand(program, "epochs")
    .description("follow a channel's validators from the trust policy's on, and list them")
    .argument("<file>", "the epochs file; - is standard input")
    .argument("[others...]", "of other members: whether they know of another recovery")
    .requiredOption("--trust <file>", "the trust policy, trust.json")
    .action((file: string, others: string[], options: FileOptions) =>
      print(judgeEpochsFile(file, { ...options, others }), options),
    );
  return program;
}

type ReceiptExtras = { readonly provisional?: string; readonly checkpoint?: string };
type ExportOptions = Parameters<typeof exportReceiptFile>[1];
type FileOptions = TrustOptions;
type InclusionOptions = {
  readonly index: bigint;
  readonly size: bigint;
  readonly leaf: Digest;
  readonly root: Digest;
  readonly path: readonly Digest[];
};
type ConsistencyOptions = Parameters<typeof judgeConsistency>[0];

function addCommand(program: Command, name: string): Command {
  return program
    .command(name)
    .option("--json", "print one object")
    .addOption(
      new Option("--lang <language>", "language of the sentences").choices(languages).default("en"),
    );
}

/** A command that judges seals. */
function addTrustCommand(program: Command, name: string): Command {
  return addCommand(program, name)
    .requiredOption("--trust <file>", "the trust policy, trust.json")
    .option("--epochs <file>", "the channel's changes of validators, where they have changed");
}

function number(text: string): bigint {
  const size = parseTreeSize(text);
  if (!size.ok) throw new InvalidArgumentError("It is a decimal number from 0 to 2^64-1.");
  return size.value;
}

function digest(text: string): Digest {
  const bytes = fromHex(text);
  const parsed = bytes === undefined ? undefined : parseDigest(bytes);
  if (parsed?.ok !== true) throw new InvalidArgumentError(`It is ${digestHelp}.`);
  return parsed.value;
}

function path(text: string): readonly Digest[] {
  return text === "" ? [] : text.split(",").map(digest);
}

function print(judgement: Judgement, options: OutputOptions): void {
  const text =
    options.json === true ? JSON.stringify(judgement.object) : judgement.lines.join("\n");
  process.stdout.write(`${text}\n`);
  process.exitCode = judgement.valid ? exitCodes.done : exitCodes.invalid;
}

try {
  createProgram().parse();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  } else {
    const { exitCode, text } = judgeFailure(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = exitCode;
  }
}
