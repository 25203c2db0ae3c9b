/** What of a sealed checkpoint goes into heads and receipts: its validators' signatures and no more. */

import { assert } from "../base/assert.ts";
import { equal, utf8 } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { detachCosignature } from "../log/cosignature.ts";
import { parseNote } from "../log/note.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { Seal } from "../wire/downlink-message.ts";
import type { LogSignature } from "../wire/log-signature.ts";
import { kidOfLogSignature } from "../wire/log-signature.ts";
import type { Sealers } from "./sealers.ts";
import { checkpointText, cosignerOf, rootKeyOf } from "./verify-seal.ts";

/** A checkpoint with both forms of signature, as the ledger seals it. */
export type SealedNote = TreeHead & {
  readonly note: string;
  readonly signatures: readonly LogSignature[];
};

/**
 * The seals of a quorum, those with the lowest times, which bound best when the checkpoint existed. Lines of
 * the log itself and of witnesses stay behind. Nothing is verified: whoever receives the seals does.
 *
 * The checkpoint is our own ledger's: that it is one of the channel, and that a quorum signed it in both
 * forms, is asserted.
 *
 * @param sealers the validators that sealed it: a trust policy's, or those of a later epoch.
 */
export function sealsOf(
  crypto: Pick<CryptoPort, "sha256">,
  sealers: Pick<Sealers, "origin" | "validators" | "quorum">,
  sealed: SealedNote,
): readonly Seal[] {
  const note = parseNote(utf8(sealed.note));
  assert(
    note.ok && note.value.text === checkpointText(sealers, sealed),
    "checkpoint of the channel",
  );
  const signatures = sealed.signatures.map((signed) => {
    return { kid: kidOfLogSignature(signed), logSignature: signed.signature };
  });
  const seals = sealers.validators.flatMap((validator): Seal[] => {
    const cosigned = detachCosignature(crypto, cosignerOf(validator), note.value);
    const kid = thumbprint((bytes) => crypto.sha256(bytes), rootKeyOf(validator));
    const signed = signatures.find((one) => one.kid !== undefined && equal(one.kid, kid));
    if (cosigned === undefined || signed === undefined) return [];
    const { keyId, timeSeconds, signature: cosignature } = cosigned;
    return [{ keyId, timeSeconds, cosignature, logSignature: signed.logSignature }];
  });
  assert(seals.length >= sealers.quorum, "a quorum signed in both forms");
  return seals.toSorted((a, b) => a.timeSeconds - b.timeSeconds).slice(0, sealers.quorum);
}
