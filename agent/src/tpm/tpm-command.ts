/** Commands to a TPM as bytes, and responses read back (TPM 2.0 Library, Part 1, §18). Pure. */

import { concat, u32 } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import { tpmSized, tpmU8, tpmU16 } from "@tamga/ledger-core/tpm/tpm-bytes";
import { tpmHandles, tpmTags } from "@tamga/ledger-core/tpm/tpm-numbers";
import { TpmReader } from "@tamga/ledger-core/tpm/tpm-reader";

/** TPM_CC (Part 2, §6.5.2): the few that Tamga sends. */
export const tpmCommands = {
  evictControl: 0x0120,
  createPrimary: 0x0131,
  pcrEvent: 0x013c,
  startup: 0x0144,
  activateCredential: 0x0147,
  certify: 0x0148,
  nvRead: 0x014e,
  policySecret: 0x0151,
  create: 0x0153,
  load: 0x0157,
  quote: 0x0158,
  sign: 0x015d,
  unseal: 0x015e,
  flushContext: 0x0165,
  nvReadPublic: 0x0169,
  readPublic: 0x0173,
  startAuthSession: 0x0176,
  getCapability: 0x017a,
  getRandom: 0x017b,
  pcrRead: 0x017e,
  readClock: 0x0181,
  pcrExtend: 0x0182,
} as const;

/** One authorization of a command: a password (Part 1, §19.4) or a policy session. */
export type TpmAuthorization =
  | { readonly type: "password"; readonly value: Uint8Array }
  | { readonly type: "policy"; readonly session: number };

/** The authorization of what has an empty password. */
export const noPassword: TpmAuthorization = { type: "password", value: new Uint8Array(0) };

export type TpmCommand = {
  readonly code: number;
  readonly handles?: readonly number[];
  readonly authorizations?: readonly TpmAuthorization[];
  readonly parameters?: readonly Uint8Array[];
  /** Handles that the response begins with. */
  readonly responseHandles?: number;
};

export type TpmAnswer = {
  readonly handles: readonly number[];
  /** Stands at the first parameter. */
  readonly parameters: TpmReader;
};

export type TpmAnswerFault =
  | { readonly code: "TPM_RESPONSE_MALFORMED" }
  /** The TPM refused the command; `responseCode` is its TPM_RC. */
  | { readonly code: "TPM_COMMAND_FAILED"; readonly responseCode: number };

const continueSession = 1;

export function encodeTpmCommand(command: TpmCommand): Uint8Array {
  const { code, handles = [], authorizations = [], parameters = [] } = command;
  const area = concat(...authorizations.map(encodeAuthorization));
  const body = concat(
    u32(code),
    ...handles.map(u32),
    ...(authorizations.length === 0 ? [] : [u32(area.length), area]),
    ...parameters,
  );
  const tag = authorizations.length === 0 ? tpmTags.noSessions : tpmTags.sessions;
  return concat(tpmU16(tag), u32(6 + body.length), body);
}

/** @param command that this answers. */
export function parseTpmResponse(
  { responseHandles = 0 }: TpmCommand,
  bytes: Uint8Array,
): Result<TpmAnswer, TpmAnswerFault> {
  const reader = new TpmReader(bytes);
  const tag = reader.u16();
  const length = reader.u32();
  const responseCode = reader.u32();
  if (reader.failed || length !== bytes.length) return err({ code: "TPM_RESPONSE_MALFORMED" });
  if (responseCode !== 0) return err({ code: "TPM_COMMAND_FAILED", responseCode });
  const handles = Array.from({ length: responseHandles }, () => reader.u32());
  if (tag !== tpmTags.sessions) return answerOf(handles, reader.rest(), reader.failed);
  // Behind the parameters stand the sessions' own fields, which passwords and our policies leave empty.
  const parameters = reader.bytes(reader.u32());
  return answerOf(handles, parameters, reader.failed);
}

function answerOf(
  handles: readonly number[],
  parameters: Uint8Array,
  isBad: boolean,
): Result<TpmAnswer, TpmAnswerFault> {
  return isBad
    ? err({ code: "TPM_RESPONSE_MALFORMED" })
    : ok({ handles, parameters: new TpmReader(parameters) });
}

function encodeAuthorization(one: TpmAuthorization): Uint8Array {
  const nonce = tpmSized();
  return one.type === "password"
    ? concat(u32(tpmHandles.password), nonce, tpmU8(continueSession), tpmSized(one.value))
    : concat(u32(one.session), nonce, tpmU8(continueSession), tpmSized());
}
