/** What a block's state root is the hash of: read for the members and rules that held after that block (WIRE.md §13.1). */

import type { Digest } from "../base/bytes.ts";
import { equal } from "../base/bytes.ts";
import type { CborFault } from "../base/cbor.ts";
import { decodeCbor } from "../base/cbor.ts";
import type { FieldFault } from "../base/field-reader.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import { parseValidator } from "../wire/channel-claims.ts";
import type { ApprovalRule } from "../wire/governance-claims.ts";
import { parseApprovalRule } from "../wire/governance-claims.ts";
import { approvalRulesMax, certificateBytesMax, validatorsMax } from "../wire/limits.ts";
import { stateCommitmentBytesMax } from "./limits.ts";
import type { TrustPolicyContent } from "./trust-policy.ts";

/** First item of a commitment: names its version. */
export const stateMagic = "tamga/state/1";

/** Organisations with their CAs, and validators. */
export type Members = Pick<TrustPolicyContent, "organisations" | "validators">;

/** Of all that a state commits to, what says who may speak for the channel. */
export type CommittedGovernance = {
  readonly members: Members;
  readonly rules: readonly ApprovalRule[];
};

export type CommitmentFault =
  | CborFault
  | FieldFault
  | { readonly code: "STATE_COMMITMENT_OTHER_CHANNEL" };

/**
 * Reads a commitment that hashes to the state root of a block; that it does is the caller's to check.
 * Faults: CBOR_*, FIELD_*, STATE_COMMITMENT_OTHER_CHANNEL.
 */
export function parseStateCommitment(
  bytes: Uint8Array,
  channel: Digest,
): Result<CommittedGovernance, CommitmentFault> {
  const decoded = decodeCbor(bytes, stateCommitmentBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  if (fields.text(0) !== stateMagic) fields.refuse(0);
  const isOfChannel = equal(fields.digest(1), channel);
  // Sizes and roots of the other sections.
  for (let section = 2; section <= 7; section++) parseSection(fields.nested(section));
  const read = fields.finish(parseGovernance(fields.nested(8)));
  if (read.ok && !isOfChannel) return err({ code: "STATE_COMMITMENT_OTHER_CHANNEL" });
  return read;
}

function parseSection(fields: FieldReader): void {
  fields.counter(0);
  fields.digest(1);
  fields.close();
}

function parseGovernance(fields: FieldReader): CommittedGovernance {
  fields.uint(0, Number.MAX_SAFE_INTEGER);
  const members = parseMembers(fields.nested(1));
  const rules = fields.list(2, approvalRulesMax, (item) => parseApprovalRule(item.nested(0)));
  fields.counter(3);
  fields.digest(4);
  if (fields.given(5)) fields.raw(5);
  fields.close();
  return { members, rules };
}

/** Reads `[[[name, CA] …], [[name, organisation, key] …]]` to its end. */
export function parseMembers(fields: FieldReader): Members {
  const members = {
    organisations: fields.list(0, validatorsMax, (item) => {
      const entry = item.nested(0);
      const organisation = { name: entry.identifier(0), ca: entry.bytes(1, certificateBytesMax) };
      entry.close();
      return organisation;
    }),
    validators: fields.list(1, validatorsMax, (item) => parseValidator(item.nested(0))),
  };
  fields.close();
  return members;
}
