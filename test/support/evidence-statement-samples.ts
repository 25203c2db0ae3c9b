/** Statements that carry evidence, the same in every run: what is taken, and what is refused by which code. */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { DeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { encodeDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { bootLog, bootTexts, claims, evidenceOf } from "./attestation-samples.ts";
import { flippedWithin } from "./made-quote.ts";
import { deviceSecret, digestOf, name, signSample } from "./wire-samples.ts";

/** The boot event log that the evidence of `asked` names. */
export const evidenceLog = bootLog(bootTexts);

const { nonce: _nonce, eventLog: _log, checkpoint: _checkpoint, ...least } = claims;
const by = { secret: deviceSecret, issuer: "meter-box-1", subject: "attestation" };

/** @param over what is unlike the sample `asked`. */
export function evidenceStatement(
  over: {
    readonly evidence?: Uint8Array;
    readonly bootId?: Uint8Array;
    readonly subject?: string;
  } = {},
): Uint8Array {
  const said: DeviceClaims = {
    kind: "evidence",
    position: {
      incarnation: Uint8Array.from({ length: 16 }, (_, at) => at),
      range: { first: 1n, count: 1 },
      previous: digestOf("start"),
      bootId: over.bootId ?? claims.bootId,
    },
    evidence: over.evidence ?? evidenceOf(),
  };
  const { subject = by.subject } = over;
  return signSample("evidence", encodeDeviceClaims(said), { ...by, subject });
}

/** By the name of its vector. */
export const evidenceStatements: readonly { readonly name: string; readonly bytes: Uint8Array }[] =
  [
    { name: "asked", bytes: evidenceStatement() },
    { name: "unasked", bytes: evidenceStatement({ evidence: evidenceOf({ claims: least }) }) },
  ];

const other = { ...claims, device: name("meter-box-2") };
const newer = flippedWithin(evidenceOf(), utf8('cbor; eat_profile="tamga:evidence/1'));
/** Each is signed well. */
export const badEvidenceStatements: readonly {
  readonly name: string;
  readonly code: string;
  readonly bytes: Uint8Array;
}[] = [
  {
    name: "in a stream of readings",
    code: "EVIDENCE_OTHER_STREAM",
    bytes: evidenceStatement({ subject: "p1" }),
  },
  {
    name: "of another device",
    code: "EVIDENCE_OTHER_DEVICE",
    bytes: evidenceStatement({ evidence: evidenceOf({ claims: other }) }),
  },
  {
    name: "of another boot",
    code: "EVIDENCE_OTHER_BOOT",
    bytes: evidenceStatement({ bootId: new Uint8Array(16).fill(9) }),
  },
  {
    name: "of a newer version",
    code: "EVIDENCE_VERSION_UNKNOWN",
    bytes: evidenceStatement({ evidence: newer }),
  },
  {
    name: "with no evidence",
    code: "FIELD_BAD",
    bytes: evidenceStatement({ evidence: new Uint8Array() }),
  },
  {
    name: "with what is no CBOR",
    code: "CBOR_MALFORMED",
    bytes: evidenceStatement({ evidence: Uint8Array.of(0xff) }),
  },
];
