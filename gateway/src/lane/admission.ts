/** What ingest hands to the lane, and what it hears back. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { DeviceClaims, SequenceRange } from "@tamga/ledger-core/wire/device-claims";
import type { ResultClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import type { LanePlace } from "./lane.ts";
import type { BelievedQuote } from "./result-rows.ts";
import type { Position } from "./statement-rows.ts";

/** Everything in it was checked against the device's key and body by whoever admits it. */
export type StatementAdmission = {
  readonly kind: "statement";
  readonly device: Identifier;
  /** Exact bytes of the statement. */
  readonly bytes: Uint8Array;
  readonly identity: Digest;
  readonly type: DeviceClaims["kind"];
  readonly stream: Identifier;
  readonly incarnation: Uint8Array;
  readonly range: SequenceRange;
  readonly body?: EncodedBody;
};

/** From an authenticated device, and no good. */
export type RefusedAdmission = {
  readonly kind: "refused";
  readonly device: Identifier;
  /** Identity of the statement, or SHA-256 of what could not be parsed. */
  readonly digest: Digest;
  /** Why, 1 … 64 characters. */
  readonly code: string;
  /** Exact bytes of the message. */
  readonly bytes: Uint8Array;
  readonly position?: Position;
};

/** What the gateway concludes of a device, for it to sign and state. */
export type ResultAdmission = Pick<
  ResultClaims,
  "device" | "state" | "result" | "codes" | "asked"
> & {
  readonly kind: "result";
  /** The statement that brought the evidence; absent of `pending` alone. */
  readonly evidence?: LanePlace & { readonly identity: Digest };
  /** Where the evidence is believed. */
  readonly quote?: BelievedQuote;
};

export type Admission = StatementAdmission | RefusedAdmission | ResultAdmission;

/**
 * Where the answer stands in the lane. A duplicate has the place of the first; with `code` that is
 * a rejection.
 */
export type Admitted = LanePlace & {
  readonly outcome: "accepted" | "duplicate" | "rejected";
  readonly code?: string;
};
