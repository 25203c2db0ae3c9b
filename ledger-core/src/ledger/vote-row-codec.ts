/** The stored form of a view's own votes. */

import type { CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Fault, Result } from "../base/result.ts";
import type { VoteRow } from "../consensus/replica-io.ts";

type BlockVote = NonNullable<VoteRow["notarized"]>;

/** CBOR `[notarized / null, nullified / null, finalized / null]`; epoch and view are the row's key. */
export function encodeVoteRow({ notarized, nullified, finalized }: VoteRow): Uint8Array {
  return encodeCbor([
    blockVoteValue(notarized),
    nullified === undefined ? null : nullified.signature,
    blockVoteValue(finalized),
  ]);
}

/** Faults: CBOR_*, FIELD_*. */
export function parseVoteRow(
  { epoch, view }: Pick<VoteRow, "epoch" | "view">,
  bytes: Uint8Array,
): Result<VoteRow, Fault> {
  const decoded = decodeCbor(bytes, voteRowBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const row: VoteRow = {
    epoch,
    view,
    ...(fields.given(0) ? { notarized: readBlockVote(fields.nested(0)) } : {}),
    ...(fields.given(1) ? { nullified: { signature: fields.fixed(1, 64) } } : {}),
    ...(fields.given(2) ? { finalized: readBlockVote(fields.nested(2)) } : {}),
  };
  return fields.finish(row);
}

const voteRowBytesMax = 1_024;

function blockVoteValue(vote: BlockVote | undefined): CborValue {
  return vote === undefined ? null : [vote.parentView, vote.digest, vote.signature];
}

function readBlockVote(fields: FieldReader): BlockVote {
  const vote = {
    parentView: fields.uint(0, Number.MAX_SAFE_INTEGER),
    digest: fields.digest(1),
    signature: fields.fixed(2, 64),
  };
  fields.close();
  return vote;
}
