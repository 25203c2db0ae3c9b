/** What organisations state together once a channel has lost its quorum for ever (WIRE.md §8.8). */

import type { Digest } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import type { Validator } from "./channel-claims.ts";
import { parseOrganisation, parseValidator } from "./channel-claims.ts";
import type { TreeHead } from "./device-claims.ts";
import { parseTreeHead } from "./device-claims.ts";
import type { Seal } from "./downlink-message.ts";
import { parseSeal, sealValue } from "./downlink-message.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import { validatorsMax } from "./limits.ts";

/** The first leaf that a recovered channel adds to its log; its identity is that channel's id. */
export type RecoveryClaims = {
  readonly consortium: Identifier;
  /** 16 random bytes. */
  readonly incarnation: Uint8Array;
  /** The new members, whole. */
  readonly validators: readonly Validator[];
  /** Names, and SHA-256 of the DER of each CA certificate. */
  readonly organisations: readonly { readonly name: Identifier; readonly ca: Digest }[];
  readonly at: UnixMillis;
  /** Id of the channel that lost its quorum. */
  readonly lost: Digest;
  /** How many recoveries led here, this one included. */
  readonly ordinal: number;
  /** Its last sealed checkpoint: what the new channel's log begins with. */
  readonly head: TreeHead;
  /** Of the old channel's validators, as they signed. */
  readonly seals: readonly Seal[];
  /** The last final block with that log, and what its state was. */
  readonly block: {
    readonly height: number;
    readonly digest: Digest;
    readonly stateRoot: Digest;
  };
};

export function encodeRecoveryClaims(claims: RecoveryClaims): CborValue {
  const { head, block } = claims;
  return new Map<number, CborValue>([
    [1, claims.consortium],
    [2, claims.incarnation],
    [3, claims.validators.map((v) => [v.name, v.organisation, v.publicKey])],
    [4, claims.organisations.map((o) => [o.name, o.ca])],
    [5, claims.at],
    [6, claims.lost],
    [7, claims.ordinal],
    [8, [head.size, head.root]],
    [9, claims.seals.map(sealValue)],
    [10, [block.height, block.digest, block.stateRoot]],
  ]);
}

/** Faults: FIELD_* with the field's path. */
export function parseRecoveryClaims(value: CborValue): Result<RecoveryClaims, FieldFault> {
  const fields = new FieldReader(value);
  return fields.finish({
    consortium: fields.identifier(1),
    incarnation: fields.fixed(2, 16),
    validators: fields.list(3, validatorsMax, (item) => parseValidator(item.nested(0))),
    organisations: fields.list(4, validatorsMax, (item) => parseOrganisation(item.nested(0))),
    at: fields.time(5),
    lost: fields.digest(6),
    ordinal: fields.uint(7, Number.MAX_SAFE_INTEGER),
    head: parseTreeHead(fields.nested(8)),
    seals: fields.list(9, validatorsMax, (item) => parseSeal(item.nested(0))),
    block: parseBlockName(fields.nested(10)),
  });
}

function parseBlockName(fields: FieldReader): RecoveryClaims["block"] {
  const block = {
    height: fields.uint(0, Number.MAX_SAFE_INTEGER),
    digest: fields.digest(1),
    stateRoot: fields.digest(2),
  };
  fields.close();
  return block;
}
