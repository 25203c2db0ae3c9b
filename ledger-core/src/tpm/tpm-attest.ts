/** What a TPM attests (TPMS_ATTEST, TPM 2.0 Library, Part 2, §10.12.12): quotes and certified keys. */

import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { PcrSelection } from "./pcr-selection.ts";
import { readPcrSelections } from "./pcr-selection.ts";
import {
  tpmAttestBytesMax,
  tpmExtraDataBytesMax,
  tpmGenerated,
  tpmNameBytesMax,
  tpmTags,
} from "./tpm-numbers.ts";
import { TpmReader } from "./tpm-reader.ts";

/** TPMS_CLOCK_INFO (§10.11.1). */
export type TpmClockInfo = {
  /** Milliseconds that the TPM was powered, since its last clear; may stand still and never goes back while `safe`. */
  readonly clock: bigint;
  /** Resets of the TPM since its last clear. */
  readonly resetCount: number;
  /** Restarts or resumes since the last reset. */
  readonly restartCount: number;
  /** No greater clock was ever reported. */
  readonly safe: boolean;
};

export type TpmAttest = {
  /** Qualified Name of the key that signed. */
  readonly qualifiedSigner: Uint8Array;
  /** The caller's qualifyingData. */
  readonly extraData: Uint8Array;
  readonly clockInfo: TpmClockInfo;
  readonly firmwareVersion: bigint;
} & (
  | {
      readonly type: "quote";
      readonly pcrs: readonly PcrSelection[];
      /** Over the selected PCRs, by the hash of the signing scheme. */
      readonly pcrDigest: Uint8Array;
    }
  | {
      readonly type: "certify";
      readonly name: Uint8Array;
      readonly qualifiedName: Uint8Array;
    }
);

export type TpmAttestFault =
  | { readonly code: "TPM_ATTEST_MALFORMED" }
  /** The bytes do not begin with TPM_GENERATED: software could have had them signed. */
  | { readonly code: "TPM_ATTEST_NOT_GENERATED" }
  | { readonly code: "TPM_ATTEST_TYPE_UNKNOWN"; readonly type: number };

/** @param bytes a TPMS_ATTEST without its length, at most {@link tpmAttestBytesMax} bytes. */
export function parseTpmAttest(bytes: Uint8Array): Result<TpmAttest, TpmAttestFault> {
  if (bytes.length > tpmAttestBytesMax) return err({ code: "TPM_ATTEST_MALFORMED" });
  const reader = new TpmReader(bytes);
  if (reader.u32() !== tpmGenerated) return err({ code: "TPM_ATTEST_NOT_GENERATED" });
  const type = reader.u16();
  const head = {
    qualifiedSigner: reader.sized(tpmNameBytesMax),
    extraData: reader.sized(tpmExtraDataBytesMax),
    clockInfo: readClockInfo(reader),
    firmwareVersion: reader.u64(),
  };
  if (reader.failed) return err({ code: "TPM_ATTEST_MALFORMED" });
  const attest = readAttested(type, reader);
  if (attest === undefined) return err({ code: "TPM_ATTEST_TYPE_UNKNOWN", type });
  return reader.finish() ? ok({ ...head, ...attest }) : err({ code: "TPM_ATTEST_MALFORMED" });
}

/** TPMS_CLOCK_INFO, also within what TPM2_ReadClock answers. */
export function readClockInfo(reader: TpmReader): TpmClockInfo {
  const clock = reader.u64();
  const resetCount = reader.u32();
  const restartCount = reader.u32();
  const safe = reader.u8();
  if (safe > 1) reader.refuse();
  return { clock, resetCount, restartCount, safe: safe === 1 };
}

function readAttested(type: number, reader: TpmReader) {
  switch (type) {
    case tpmTags.attestQuote: {
      const pcrs = readPcrSelections(reader);
      return { type: "quote" as const, pcrs, pcrDigest: reader.sized(64) };
    }
    case tpmTags.attestCertify: {
      const name = reader.sized(tpmNameBytesMax);
      return { type: "certify" as const, name, qualifiedName: reader.sized(tpmNameBytesMax) };
    }
    default:
      return undefined;
  }
}
