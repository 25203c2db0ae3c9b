/** The CBOR form of ballots, certificates and signed votes inside messages and stored rows. */

import type { Digest } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { FieldFault } from "../base/field-reader.ts";
import { FieldReader } from "../base/field-reader.ts";
import type { Result } from "../base/result.ts";
import type { Certificate } from "./certificate.ts";
import { validatorsPerEpochMax } from "./limits.ts";
import type { Ballot, SignedVote } from "./vote.ts";
import { voteKinds } from "./vote.ts";

/** `[kind, view]` or `[kind, view, parentView, digest]`. */
export function ballotValue(ballot: Ballot): CborValue {
  const kind = voteKinds[ballot.kind];
  return ballot.kind === "nullify"
    ? [kind, ballot.view]
    : [kind, ballot.view, ballot.parentView, ballot.digest];
}

export function readBallot(fields: FieldReader): Ballot {
  const kind = fields.uint(0, 3);
  const view = fields.uint(1, Number.MAX_SAFE_INTEGER);
  if (kind === voteKinds.nullify) {
    fields.close();
    return { kind: "nullify", view };
  }
  if (kind === 0) fields.refuse(0);
  const parentView = fields.uint(2, Number.MAX_SAFE_INTEGER);
  const digest: Digest = fields.digest(3);
  fields.close();
  return { kind: kind === voteKinds.finalize ? "finalize" : "notarize", view, parentView, digest };
}

/** `[epoch, ballot, [voter …], [signature …]]`. */
export function certificateValue(certificate: Certificate): CborValue {
  const { epoch, ballot, voters, signatures } = certificate;
  return [epoch, ballotValue(ballot), voters, signatures];
}

export function readCertificate(fields: FieldReader): Certificate {
  const certificate = {
    epoch: fields.uint(0, Number.MAX_SAFE_INTEGER),
    ballot: readBallot(fields.nested(1)),
    voters: fields.list(2, validatorsPerEpochMax, (item) =>
      item.uint(0, validatorsPerEpochMax - 1),
    ),
    signatures: fields.list(3, validatorsPerEpochMax, (item) => item.fixed(0, 64)),
  };
  fields.close();
  return certificate;
}

export function encodeCertificate(certificate: Certificate): Uint8Array {
  return encodeCbor(certificateValue(certificate));
}

/** Faults: CBOR_*, FIELD_*; no signature is checked. */
export function parseCertificateBytes(
  bytes: Uint8Array,
): Result<Certificate, CborFault | FieldFault> {
  const decoded = decodeCbor(bytes, certificateBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader([decoded.value]);
  return fields.finish(readCertificate(fields.nested(0)));
}

/** Bytes of a certificate by as many validators as there may be. */
export const certificateBytesMax = 128 + validatorsPerEpochMax * 70;

/** `[ballot, voter, signature]`. */
export function voteValue({ ballot, voter, signature }: SignedVote): CborValue {
  return [ballotValue(ballot), voter, signature];
}

export function readVote(fields: FieldReader): SignedVote {
  const vote = {
    ballot: readBallot(fields.nested(0)),
    voter: fields.uint(1, validatorsPerEpochMax - 1),
    signature: fields.fixed(2, 64),
  };
  fields.close();
  return vote;
}
