/** What a TPM says of itself: quotes over PCRs, certified keys, its clock, its maker's certificate. */

import { concat, u32 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { PcrSelection } from "@tamga/ledger-core/tpm/pcr-selection";
import { encodePcrSelections, readPcrSelections } from "@tamga/ledger-core/tpm/pcr-selection";
import type { TpmClockInfo } from "@tamga/ledger-core/tpm/tpm-attest";
import { readClockInfo } from "@tamga/ledger-core/tpm/tpm-attest";
import { tpmSized, tpmU8, tpmU16 } from "@tamga/ledger-core/tpm/tpm-bytes";
import {
  tpmAlgorithms,
  tpmAttestBytesMax,
  tpmHandles,
  tpmNameBytesMax,
} from "@tamga/ledger-core/tpm/tpm-numbers";
import type { TpmSignature } from "@tamga/ledger-core/tpm/tpm-signature";
import { endorsementCertificateIndices } from "./key-templates.ts";
import { tpmNvBytesMax } from "./limits.ts";
import type { Tpm } from "./tpm.ts";
import { noPassword, tpmCommands } from "./tpm-command.ts";
import { requireWhole, signatureOf } from "./tpm-keys.ts";

/** The attested bytes (TPMS_ATTEST), and the attestation key's signature over them. */
export type Attested = {
  readonly attest: Uint8Array;
  readonly signatureBytes: Uint8Array;
  readonly signature: TpmSignature;
};

/**
 * Quotes PCRs (Part 3, §18.4).
 *
 * @param qualifying what the quote is bound to, at most 66 bytes.
 */
export async function quote(
  tpm: Tpm,
  attestationKey: number,
  { pcrs, qualifying }: { readonly pcrs: readonly PcrSelection[]; readonly qualifying: Uint8Array },
): Promise<Attested> {
  const { parameters } = await tpm.execute({
    code: tpmCommands.quote,
    handles: [attestationKey],
    authorizations: [noPassword],
    parameters: [tpmSized(qualifying), tpmU16(tpmAlgorithms.null), encodePcrSelections(pcrs)],
  });
  return attestedOf(parameters.sized(tpmAttestBytesMax), parameters.rest());
}

/** Certifies with `attestationKey` that `key` is in this TPM (Part 3, §18.2). */
export async function certify(
  tpm: Tpm,
  {
    key,
    attestationKey,
    qualifying,
  }: { readonly key: number; readonly attestationKey: number; readonly qualifying: Uint8Array },
): Promise<Attested> {
  const { parameters } = await tpm.execute({
    code: tpmCommands.certify,
    handles: [key, attestationKey],
    authorizations: [noPassword, noPassword],
    parameters: [tpmSized(qualifying), tpmU16(tpmAlgorithms.null)],
  });
  return attestedOf(parameters.sized(tpmAttestBytesMax), parameters.rest());
}

/**
 * Opens a credential that was made for an attestation key of this TPM (Part 3, §12.5).
 *
 * @param endorsementKey with the maker's policy: the endorsement hierarchy's password, which is empty.
 * @returns the secret, at most 32 bytes.
 */
export async function activateCredential(
  tpm: Tpm,
  {
    attestationKey,
    endorsementKey,
    credential,
    secret,
  }: {
    readonly attestationKey: number;
    readonly endorsementKey: number;
    /** TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET without their lengths. */
    readonly credential: Uint8Array;
    readonly secret: Uint8Array;
  },
): Promise<Uint8Array> {
  const session = await endorsementSession(tpm);
  const { parameters } = await tpm.execute({
    code: tpmCommands.activateCredential,
    handles: [attestationKey, endorsementKey],
    authorizations: [noPassword, { type: "policy", session }],
    parameters: [tpmSized(credential), tpmSized(secret)],
  });
  const opened = parameters.sized(64);
  requireWhole(parameters);
  return opened;
}

export type PcrValues = {
  /** Counts every change of a PCR: two reads with the same count saw the same values. */
  readonly updateCounter: number;
  /** In the order of the indices that were asked for. */
  readonly values: readonly { readonly index: number; readonly value: Uint8Array }[];
};

/** Values of one bank's PCRs; a TPM gives eight at a time, so this asks again until it has all. */
export async function readPcrs(tpm: Tpm, { hash, indices }: PcrSelection): Promise<PcrValues> {
  const values: { readonly index: number; readonly value: Uint8Array }[] = [];
  let updateCounter: number | undefined;
  while (values.length < indices.length) {
    const left = indices.filter((index) => values.every((one) => one.index !== index));
    const { parameters } = await tpm.execute({
      code: tpmCommands.pcrRead,
      parameters: [encodePcrSelections([{ hash, indices: left }])],
    });
    const counter = parameters.u32();
    const given = readPcrSelections(parameters).flatMap((bank) => bank.indices);
    const count = parameters.u32();
    if (count !== given.length || count === 0)
      throw new OperationalError("TPM_PCR_BANK_MISSING", "the TPM has no such bank of PCRs", {
        details: { hash },
      });
    // Something was extended between two answers: what was read does not belong together.
    if (updateCounter !== undefined && updateCounter !== counter) values.length = 0;
    updateCounter = counter;
    for (const index of given) values.push({ index, value: parameters.sized(64) });
    requireWhole(parameters);
  }
  return { updateCounter: updateCounter ?? 0, values };
}

/** TPM2_ReadClock (Part 3, §29.1): milliseconds, resets and restarts. */
export async function readClock(tpm: Tpm): Promise<TpmClockInfo & { readonly timeMs: bigint }> {
  const { parameters } = await tpm.execute({ code: tpmCommands.readClock });
  const timeMs = parameters.u64();
  const clockInfo = readClockInfo(parameters);
  requireWhole(parameters);
  return { ...clockInfo, timeMs };
}

/** Extends a PCR of one bank by a digest. */
export async function extendPcr(
  tpm: Tpm,
  pcr: number,
  { hash, digest }: { readonly hash: number; readonly digest: Uint8Array },
): Promise<void> {
  await tpm.execute({
    code: tpmCommands.pcrExtend,
    handles: [pcr],
    authorizations: [noPassword],
    parameters: [u32(1), tpmU16(hash), digest],
  });
}

/** @returns the maker's certificate of the endorsement key in DER; undefined where the TPM holds none. */
export async function readEndorsementCertificate(
  tpm: Tpm,
  kind: "rsa" | "ecc",
): Promise<Uint8Array | undefined> {
  const index = endorsementCertificateIndices[kind];
  const size = await nvSize(tpm, index);
  if (size === undefined) return undefined;
  if (size > tpmNvBytesMax)
    throw new OperationalError("TPM_NV_TOO_LONG", "the TPM's certificate is longer than any", {
      details: { size, limit: tpmNvBytesMax },
    });
  const parts: Uint8Array[] = [];
  // A TPM gives at most TPM_PT_NV_BUFFER_MAX at a time, which none has below 512.
  for (let offset = 0; offset < size; offset += 512) {
    const { parameters } = await tpm.execute({
      code: tpmCommands.nvRead,
      handles: [tpmHandles.owner, index],
      authorizations: [noPassword],
      parameters: [tpmU16(Math.min(512, size - offset)), tpmU16(offset)],
    });
    parts.push(parameters.sized(512));
    requireWhole(parameters);
  }
  return trimmedDer(concat(...parts));
}

/** Handles in a range that begins at `first`, as TPM2_GetCapability lists them (TPM_CAP_HANDLES). */
export async function listHandles(tpm: Tpm, first: number): Promise<readonly number[]> {
  const { parameters } = await tpm.execute({
    code: tpmCommands.getCapability,
    parameters: [u32(1), u32(first), u32(254)],
  });
  parameters.bytes(1 + 4);
  const handles = Array.from({ length: Math.min(parameters.u32(), 254) }, () => parameters.u32());
  requireWhole(parameters);
  return handles;
}

/** Fixed and variable properties (TPM_CAP_TPM_PROPERTIES), by their TPM_PT. */
export async function readProperties(
  tpm: Tpm,
  first: number,
): Promise<ReadonlyMap<number, number>> {
  const { parameters } = await tpm.execute({
    code: tpmCommands.getCapability,
    parameters: [u32(6), u32(first), u32(64)],
  });
  parameters.bytes(1 + 4);
  const properties = new Map<number, number>();
  const count = Math.min(parameters.u32(), 64);
  for (let at = 0; at < count; at++) properties.set(parameters.u32(), parameters.u32());
  requireWhole(parameters);
  return properties;
}

/** A policy session in which the endorsement hierarchy's empty password was shown. */
async function endorsementSession(tpm: Tpm): Promise<number> {
  const nonce = new Uint8Array(16);
  const started = await tpm.execute({
    code: tpmCommands.startAuthSession,
    handles: [tpmHandles.null, tpmHandles.null],
    parameters: [
      tpmSized(nonce),
      tpmSized(),
      tpmU8(policySession),
      tpmU16(tpmAlgorithms.null),
      tpmU16(tpmAlgorithms.sha256),
    ],
    responseHandles: 1,
  });
  const session = tpm.keep(started.handles[0] ?? 0);
  await tpm.execute({
    code: tpmCommands.policySecret,
    handles: [tpmHandles.endorsement, session],
    authorizations: [noPassword],
    parameters: [tpmSized(), tpmSized(), tpmSized(), u32(0)],
  });
  return session;
}

/** TPM_SE_POLICY (Part 2, §6.11). */
const policySession = 1;

async function nvSize(tpm: Tpm, index: number): Promise<number | undefined> {
  const nvIndices = await listHandles(tpm, index);
  if (!nvIndices.includes(index)) return undefined;
  const { parameters } = await tpm.execute({ code: tpmCommands.nvReadPublic, handles: [index] });
  const publicArea = parameters.sized(256);
  parameters.sized(tpmNameBytesMax);
  requireWhole(parameters);
  return new DataView(publicArea.buffer, publicArea.byteOffset + publicArea.length - 2).getUint16(
    0,
  );
}

/** Some makers fill the rest of the index with zeros or 0xff. */
function trimmedDer(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x30 || bytes[1] !== 0x82) return bytes;
  return bytes.subarray(0, 4 + (((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)));
}

function attestedOf(attest: Uint8Array, signatureBytes: Uint8Array): Attested {
  return { attest, signatureBytes, signature: signatureOf(signatureBytes) };
}
