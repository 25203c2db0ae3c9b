/** Bytes that only one TPM gives back: sealed below the owner's storage root, kept outside the TPM. */

import { concat, u32 } from "@tamga/ledger-core/base/bytes";
import { tpmSized, tpmU16 } from "@tamga/ledger-core/tpm/tpm-bytes";
import {
  tpmAlgorithms,
  tpmAttributes,
  tpmPublicBytesMax,
} from "@tamga/ledger-core/tpm/tpm-numbers";
import { TpmReader } from "@tamga/ledger-core/tpm/tpm-reader";
import { tpmMessageBytesMax } from "./limits.ts";
import type { Tpm } from "./tpm.ts";
import { noPassword, tpmCommands } from "./tpm-command.ts";
import type { WrappedKey } from "./tpm-keys.ts";
import { createWrapped, loadWrapped, requireWhole, storageRoot } from "./tpm-keys.ts";

/** TPM_ALG_KEYEDHASH (Part 2, section 6.3): without a scheme it is a sealed object (Part 1, section 27.3). */
const keyedHash = 0x0008;
/** Of one sealed object (TPM2B_SENSITIVE_DATA, Part 2, section 11.1.14: MAX_SYM_DATA). */
export const sealedBytesMax = 128;

const { fixedTpm, fixedParent, userWithAuth, noDa } = tpmAttributes;
const sealedTemplate = concat(
  tpmU16(keyedHash),
  tpmU16(tpmAlgorithms.sha256),
  u32(fixedTpm | fixedParent | userWithAuth | noDa),
  tpmSized(),
  tpmU16(tpmAlgorithms.null),
  tpmSized(),
);

/**
 * Seals bytes with an empty password and no policy: they open in this TPM until its owner clears it, in
 * whatever state it booted. They cross the bus to the TPM in the clear.
 *
 * @param secret 1 to 128 bytes.
 */
export async function sealBytes(tpm: Tpm, secret: Uint8Array): Promise<WrappedKey> {
  const root = await storageRoot(tpm);
  const sensitive = tpmSized(tpmSized(), tpmSized(secret));
  return createWrapped(tpm, root, { publicBytes: sealedTemplate, sensitive });
}

/** @throws OperationalError TPM_COMMAND_FAILED where another TPM, or this one before it was cleared, sealed them. */
export async function unsealBytes(tpm: Tpm, sealed: WrappedKey): Promise<Uint8Array> {
  const root = await storageRoot(tpm);
  const { handle } = await loadWrapped(tpm, root, sealed);
  const { parameters } = await tpm.execute({
    code: tpmCommands.unseal,
    handles: [handle],
    authorizations: [noPassword],
  });
  const secret = parameters.sized(sealedBytesMax);
  requireWhole(parameters);
  return secret;
}

/** For a file: both parts with their lengths. */
export function encodeSealed({ publicBytes, privateBytes }: WrappedKey): Uint8Array {
  return concat(tpmSized(publicBytes), tpmSized(privateBytes));
}

/** @returns undefined for other bytes than {@link encodeSealed} gives. */
export function parseSealed(bytes: Uint8Array): WrappedKey | undefined {
  const reader = new TpmReader(bytes);
  const publicBytes = reader.sized(tpmPublicBytesMax);
  const privateBytes = reader.sized(tpmMessageBytesMax);
  return reader.finish() ? { publicBytes, privateBytes } : undefined;
}

export const sealedFileBytesMax = tpmPublicBytesMax + tpmMessageBytesMax + 4;
