/** Quotes as a TPM would make them, by a key that lies in the open: for cases that no TPM can be brought to. */

import { concat, equal, u32, u64 } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { pcrDigestOf } from "@tamga/ledger-core/tpm/pcr-digest";
import { encodePcrSelections } from "@tamga/ledger-core/tpm/pcr-selection";
import { encodeTpmPublic, tpmName } from "@tamga/ledger-core/tpm/public-area";
import type { TpmClockInfo } from "@tamga/ledger-core/tpm/tpm-attest";
import { tpmSized, tpmU8, tpmU16 } from "@tamga/ledger-core/tpm/tpm-bytes";
import {
  tpmAlgorithms,
  tpmAttributes,
  tpmCurves,
  tpmGenerated,
  tpmHandles,
  tpmTags,
} from "@tamga/ledger-core/tpm/tpm-numbers";
import type { EvidenceBank } from "@tamga/ledger-core/wire/attestation-evidence";
import { fixedKey } from "./fixed-key.ts";

const { sha256, ecdsa } = tpmAlgorithms;

export class MadeTpm {
  readonly #key;
  /** TPMT_PUBLIC of the attestation key. */
  readonly attestationKey: Uint8Array;

  constructor(owner = "attestation key") {
    this.#key = fixedKey("ES256", owner);
    const { publicKey } = this.#key;
    if (publicKey.algorithm !== "ES256") throw new Error("no P-256 key");
    this.attestationKey = encodeTpmPublic({
      type: "ecc",
      nameAlgorithm: sha256,
      attributes: tpmAttributes.restricted | tpmAttributes.sign | tpmAttributes.fixedTpm,
      authPolicy: new Uint8Array(),
      scheme: { algorithm: ecdsa, hash: sha256 },
      curve: tpmCurves.p256,
      x: publicKey.point.subarray(1, 33),
      y: publicKey.point.subarray(33),
    });
  }

  quote(
    qualifying: Uint8Array,
    banks: readonly EvidenceBank[],
    clockInfo: TpmClockInfo,
  ): { readonly attest: Uint8Array; readonly signature: Uint8Array } {
    const pcrs = banks.map(({ hash, values }) => ({
      hash,
      indices: values.map(({ index }) => index),
    }));
    const digest = pcrDigestOf(nobleCrypto, banks, pcrs);
    if (digest === undefined) throw new Error("banks of their own selection");
    const qualified = concat(
      u32(tpmHandles.endorsement),
      tpmName(nobleCrypto, this.attestationKey),
    );
    const attest = concat(
      u32(tpmGenerated),
      tpmU16(tpmTags.attestQuote),
      tpmSized(tpmU16(sha256), nobleCrypto.sha256(qualified)),
      tpmSized(qualifying),
      u64(clockInfo.clock),
      u32(clockInfo.resetCount),
      u32(clockInfo.restartCount),
      tpmU8(clockInfo.safe ? 1 : 0),
      u64(7n),
      encodePcrSelections(pcrs),
      tpmSized(digest),
    );
    return { attest, signature: this.sign(attest) };
  }

  /** TPMT_SIGNATURE over bytes that no TPM of this key would sign. */
  sign(attest: Uint8Array): Uint8Array {
    const signature = this.#key.sign(attest);
    return concat(
      tpmU16(ecdsa),
      tpmU16(sha256),
      tpmSized(signature.subarray(0, 32)),
      tpmSized(signature.subarray(32)),
    );
  }
}

/** Flips one bit of the last byte of `part` where that stands within `whole`. */
export function flippedWithin(whole: Uint8Array, part: Uint8Array): Uint8Array {
  for (let at = 0; at + part.length <= whole.length; at++) {
    if (!equal(whole.subarray(at, at + part.length), part)) continue;
    const changed = whole.slice();
    const last = at + part.length - 1;
    changed[last] = (changed[last] ?? 0) ^ 1;
    return changed;
  }
  throw new Error("the part does not stand in the whole");
}
