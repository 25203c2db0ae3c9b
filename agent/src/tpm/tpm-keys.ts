/** Keys in a TPM: made, kept at a handle, read and used. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { concat, u32 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { TpmPublicArea } from "@tamga/ledger-core/tpm/public-area";
import { encodeTpmPublic, parseTpmPublic } from "@tamga/ledger-core/tpm/public-area";
import { tpmSized, tpmU16 } from "@tamga/ledger-core/tpm/tpm-bytes";
import {
  tpmAlgorithms,
  tpmHandles,
  tpmNameBytesMax,
  tpmPublicBytesMax,
  tpmTags,
} from "@tamga/ledger-core/tpm/tpm-numbers";
import type { TpmReader } from "@tamga/ledger-core/tpm/tpm-reader";
import type { TpmSignature } from "@tamga/ledger-core/tpm/tpm-signature";
import { parseTpmSignature } from "@tamga/ledger-core/tpm/tpm-signature";
import { storageRootTemplate } from "./key-templates.ts";
import { tpmMessageBytesMax } from "./limits.ts";
import type { Tpm } from "./tpm.ts";
import { noPassword, tpmCommands } from "./tpm-command.ts";

/** A key with its public area: parsed, and as the TPM gave it, which its Name is over. */
export type TpmKey = {
  readonly handle: number;
  readonly area: TpmPublicArea;
  readonly publicBytes: Uint8Array;
  readonly name: Uint8Array;
};

/** A key outside the TPM that only it can load again (TPM2B_PRIVATE, encrypted by its parent). */
export type WrappedKey = { readonly publicBytes: Uint8Array; readonly privateBytes: Uint8Array };

/** TPM2B_SENSITIVE_CREATE with an empty password and no data; no creation data over PCRs. */
const noSensitive = tpmSized(tpmSized(), tpmSized());
const noCreation = concat(tpmSized(), u32(0));

/** Makes a primary key of a hierarchy: the same template gives the same key, until the hierarchy is cleared. */
export async function createPrimary(
  tpm: Tpm,
  hierarchy: number,
  template: TpmPublicArea,
): Promise<TpmKey> {
  const { handles, parameters } = await tpm.execute({
    code: tpmCommands.createPrimary,
    handles: [hierarchy],
    authorizations: [noPassword],
    parameters: [noSensitive, tpmSized(encodeTpmPublic(template)), noCreation],
    responseHandles: 1,
  });
  const handle = tpm.keep(handles[0] ?? 0);
  const publicBytes = parameters.sized(tpmPublicBytesMax);
  readCreation(parameters);
  const name = parameters.sized(tpmNameBytesMax);
  requireWhole(parameters);
  return { handle, area: areaOf(publicBytes), publicBytes, name };
}

/** Makes a key below the owner's storage root; it is in no slot of the TPM yet. */
export function createKey(tpm: Tpm, parent: TpmKey, template: TpmPublicArea): Promise<WrappedKey> {
  const publicBytes = encodeTpmPublic(template);
  return createWrapped(tpm, parent, { publicBytes, sensitive: noSensitive });
}

/**
 * Makes any object below a parent.
 *
 * @param object its template (TPMT_PUBLIC), and the TPM2B_SENSITIVE_CREATE with its password and data.
 */
export async function createWrapped(
  tpm: Tpm,
  parent: TpmKey,
  object: { readonly publicBytes: Uint8Array; readonly sensitive: Uint8Array },
): Promise<WrappedKey> {
  const { parameters } = await tpm.execute({
    code: tpmCommands.create,
    handles: [parent.handle],
    authorizations: [noPassword],
    parameters: [object.sensitive, tpmSized(object.publicBytes), noCreation],
  });
  const privateBytes = parameters.sized(tpmMessageBytesMax);
  const publicBytes = parameters.sized(tpmPublicBytesMax);
  readCreation(parameters);
  requireWhole(parameters);
  return { publicBytes, privateBytes };
}

export async function loadKey(tpm: Tpm, parent: TpmKey, wrapped: WrappedKey): Promise<TpmKey> {
  const { handle, name } = await loadWrapped(tpm, parent, wrapped);
  const { publicBytes } = wrapped;
  return { handle, area: areaOf(publicBytes), publicBytes, name };
}

/** Loads any object that was made below this parent; it is flushed at the end of the use. */
export async function loadWrapped(
  tpm: Tpm,
  parent: TpmKey,
  wrapped: WrappedKey,
): Promise<Pick<TpmKey, "handle" | "name">> {
  const { handles, parameters } = await tpm.execute({
    code: tpmCommands.load,
    handles: [parent.handle],
    authorizations: [noPassword],
    parameters: [tpmSized(wrapped.privateBytes), tpmSized(wrapped.publicBytes)],
    responseHandles: 1,
  });
  const handle = tpm.keep(handles[0] ?? 0);
  const name = parameters.sized(tpmNameBytesMax);
  requireWhole(parameters);
  return { handle, name };
}

/** The owner's storage root, as this TPM always makes it. */
export function storageRoot(tpm: Tpm): Promise<TpmKey> {
  return createPrimary(tpm, tpmHandles.owner, storageRootTemplate);
}

/** Keeps a loaded key at a persistent handle (0x81000000 to 0x817fffff are the owner's). */
export async function persistKey(tpm: Tpm, key: TpmKey, handle: number): Promise<void> {
  await tpm.execute({
    code: tpmCommands.evictControl,
    handles: [tpmHandles.owner, key.handle],
    authorizations: [noPassword],
    parameters: [u32(handle)],
  });
}

/** Takes a persistent key out of the TPM for ever. */
export async function evictKey(tpm: Tpm, handle: number): Promise<void> {
  await tpm.execute({
    code: tpmCommands.evictControl,
    handles: [tpmHandles.owner, handle],
    authorizations: [noPassword],
    parameters: [u32(handle)],
  });
}

export async function readKey(tpm: Tpm, handle: number): Promise<TpmKey> {
  const { parameters } = await tpm.execute({ code: tpmCommands.readPublic, handles: [handle] });
  const publicBytes = parameters.sized(tpmPublicBytesMax);
  const name = parameters.sized(tpmNameBytesMax);
  parameters.sized(tpmNameBytesMax);
  requireWhole(parameters);
  return { handle, area: areaOf(publicBytes), publicBytes, name };
}

/** Signs a SHA-256 digest with an unrestricted key, by the scheme that the key was made with. */
export async function signDigest(tpm: Tpm, key: number, digest: Digest): Promise<TpmSignature> {
  const noTicket = concat(tpmU16(tpmTags.hashCheck), u32(tpmHandles.null), tpmSized());
  const { parameters } = await tpm.execute({
    code: tpmCommands.sign,
    handles: [key],
    authorizations: [noPassword],
    parameters: [tpmSized(digest), tpmU16(tpmAlgorithms.null), noTicket],
  });
  return signatureOf(parameters.rest());
}

/** @throws OperationalError TPM_RESPONSE_MALFORMED */
export function signatureOf(bytes: Uint8Array): TpmSignature {
  const parsed = parseTpmSignature(bytes);
  if (!parsed.ok) throw malformed(parsed.fault.code);
  return parsed.value;
}

/** @throws OperationalError TPM_RESPONSE_MALFORMED where bytes are missing or left over. */
export function requireWhole(reader: TpmReader): void {
  if (!reader.finish()) throw malformed("TPM_RESPONSE_LENGTH");
}

function readCreation(parameters: TpmReader): void {
  parameters.sized(tpmMessageBytesMax);
  parameters.sized(64);
  parameters.u16();
  parameters.u32();
  parameters.sized(64);
}

function areaOf(publicBytes: Uint8Array): TpmPublicArea {
  const area = parseTpmPublic(publicBytes);
  if (!area.ok) throw malformed(area.fault.code);
  return area.value;
}

function malformed(reason: string): OperationalError {
  return new OperationalError("TPM_RESPONSE_MALFORMED", "the TPM answers what cannot be read", {
    details: { reason },
  });
}
