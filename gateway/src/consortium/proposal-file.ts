/** A proposal on its way from organisation to organisation, until it is submitted: one JSON file. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import {
  fromHex,
  fromUtf8,
  parseDigest,
  toBase64,
  toHex,
  utf8,
} from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { EpochItem } from "@tamga/ledger-core/receipt/epochs-file";
import { encodeEpochs, isRecovery, parseEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import { epochsBytesMax } from "@tamga/ledger-core/receipt/limits";
import type { ValidatorsClaims } from "@tamga/ledger-core/wire/governance-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { validatorsMax } from "@tamga/ledger-core/wire/limits";
import type { StatementType } from "@tamga/ledger-core/wire/statement";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { encodeTransaction, parseTransaction } from "@tamga/ledger-core/wire/transaction";
import { z } from "zod";
import { base64, identifier } from "./file-fields.ts";

/** Other members, before an organisation has signed for them: the new validators say first that they are ready. */
export type MembersDraft = Pick<ValidatorsClaims, "epoch" | "validators" | "readiness"> & {
  readonly organisations: readonly { readonly name: Identifier; readonly ca: Uint8Array }[];
};

export type Proposal = {
  readonly channelId: Digest;
} & (
  | { readonly stage: "draft"; readonly draft: MembersDraft }
  /** Signed by one organisation; the others approve it. */
  | { readonly stage: "signed"; readonly transaction: Transaction }
  | RecoveryProposal
);

/** What its channel orders in the end. */
export type OrderedProposal = Exclude<Proposal, { readonly stage: "recovery" }>;

/** Of a channel that lost its quorum: an epochs file that ends with the recovery, signed by one organisation at least. */
export type RecoveryProposal = {
  readonly stage: "recovery";
  readonly items: readonly EpochItem[];
};

/** What may travel as a proposal, and be submitted over HTTP. */
export function isProposable(type: StatementType): boolean {
  return type === "policy" || type === "validators" || type === "device";
}

/** Bytes of a proposal: an epochs file in base64, which is more than any transaction, and what is around it. */
export const proposalFileBytesMax = Math.ceil(epochsBytesMax / 3) * 4 + 1_024;
const version = 1;

const digest = z.string().transform((text, context): Digest => {
  const parsed = parseDigest(fromHex(text) ?? new Uint8Array());
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: "custom", message: "must be 64 hexadecimal digits" });
  return z.NEVER;
});
const transaction = base64().transform((bytes, context): Transaction => {
  const parsed = parseTransaction(bytes);
  const statement = parsed.ok ? parseStatement(parsed.value.statement) : parsed;
  if (parsed.ok && statement.ok && isProposable(statement.value.header.type)) return parsed.value;
  const code = statement.ok ? "not a change of a channel" : statement.fault.code;
  context.addIssue({ code: "custom", message: `is no transaction to propose (${code})` });
  return z.NEVER;
});
const recovery = base64().transform((bytes, context): readonly EpochItem[] => {
  const parsed = parseEpochs(bytes);
  const last = parsed.ok ? parsed.value.at(-1) : undefined;
  if (parsed.ok && last !== undefined && isRecovery(last)) return parsed.value;
  const code = parsed.ok ? "no recovery at its end" : parsed.fault.code;
  context.addIssue({ code: "custom", message: `is no recovery of a channel (${code})` });
  return z.NEVER;
});

const draftSchema = z.strictObject({
  epoch: z.int().min(1),
  validators: z
    .array(z.strictObject({ name: identifier, organisation: identifier, publicKey: base64(32) }))
    .min(1)
    .max(validatorsMax),
  organisations: z
    .array(z.strictObject({ name: identifier, ca: base64() }))
    .min(1)
    .max(validatorsMax),
  readiness: z
    .array(
      z.strictObject({
        index: z
          .int()
          .min(0)
          .max(validatorsMax - 1),
        signature: base64(64),
      }),
    )
    .max(validatorsMax),
});
const schema = z.discriminatedUnion("stage", [
  z.strictObject({
    version: z.literal(version),
    channelId: digest,
    stage: z.literal("draft"),
    draft: draftSchema,
  }),
  z.strictObject({
    version: z.literal(version),
    channelId: digest,
    stage: z.literal("signed"),
    transaction,
  }),
  z
    .strictObject({
      version: z.literal(version),
      channelId: digest,
      stage: z.literal("recovery"),
      recovery,
    })
    .transform(({ recovery: items, ...head }) => ({ ...head, items })),
]);

export function encodeProposal(proposal: Proposal): string {
  const head = { version, channelId: toHex(proposal.channelId), stage: proposal.stage };
  return `${JSON.stringify({ ...head, ...contentOf(proposal) }, undefined, 2)}\n`;
}

function contentOf(proposal: Proposal) {
  if (proposal.stage === "signed")
    return { transaction: toBase64(encodeTransaction(proposal.transaction)) };
  if (proposal.stage === "recovery") return { recovery: toBase64(encodeEpochs(proposal.items)) };
  const { epoch, validators, organisations, readiness } = proposal.draft;
  return {
    draft: {
      epoch,
      validators: validators.map(({ name, organisation, publicKey }) => ({
        name,
        organisation,
        publicKey: toBase64(publicKey),
      })),
      organisations: organisations.map(({ name, ca }) => ({ name, ca: toBase64(ca) })),
      readiness: readiness.map(({ index, signature }) => ({
        index,
        signature: toBase64(signature),
      })),
    },
  };
}

/** @throws OperationalError FILE_UNREADABLE, PROPOSAL_INVALID, PROPOSAL_OTHER_VERSION. */
export function readProposal(file: string): Proposal {
  const text = fromUtf8(readBounded(file, proposalFileBytesMax)) ?? "";
  return parseProposal(text, file);
}

export function parseProposal(text: string, file: string): Proposal {
  const refuse = (why: string) =>
    new OperationalError(
      "PROPOSAL_INVALID",
      `${file} is no proposal (${why}): ask its sender for it again.`,
      { details: { file } },
    );
  if (text.length > proposalFileBytesMax) throw refuse("it is too long");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw refuse("it is not JSON");
  }
  const versioned = z.looseObject({ version: z.int() }).safeParse(json);
  if (versioned.success && versioned.data.version > version)
    throw new OperationalError(
      "PROPOSAL_OTHER_VERSION",
      `${file} was written by a newer Tamga: upgrade this one.`,
    );
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refuse(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "malformed"}`);
  }
  const { version: _version, ...proposal } = parsed.data;
  return proposal;
}

/** Replaces the file in one step. @throws OperationalError FILE_UNWRITABLE, DISK_FULL. */
export function writeProposal(file: string, proposal: Proposal): void {
  writeFileDurable(file, utf8(encodeProposal(proposal)), 0o644);
}
