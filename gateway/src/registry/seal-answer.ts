/** An enrolment answer that only the TPM can open whose key asked: it proves at last that both are one. */

import { createCipheriv, randomBytes } from "node:crypto";
import { assert } from "@tamga/ledger-core/base/assert";
import { concat, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseTpmPublic, tpmName } from "@tamga/ledger-core/tpm/public-area";
import type { EnrolmentAnswer, TpmClaim } from "@tamga/ledger-core/wire/enrolment";
import {
  encodeEnrolmentAnswer,
  encodeSealedAnswer,
  sealedAnswerContext,
} from "@tamga/ledger-core/wire/enrolment";
import { makeCredential } from "./make-credential.ts";

/** The text of an answer file: plain, or sealed for the TPM of the device where it has claimed one. */
export function answerText(answer: EnrolmentAnswer, claim: TpmClaim | undefined): string {
  const plain = encodeEnrolmentAnswer(answer);
  return claim === undefined ? plain : sealAnswer(plain, answer.device, claim);
}

/** @param claim was judged when the device asked, so its keys can be read and are of a known kind. */
function sealAnswer(plain: string, device: EnrolmentAnswer["device"], claim: TpmClaim): string {
  const endorsementKey = parseTpmPublic(claim.endorsementKey);
  assert(endorsementKey.ok, "a judged endorsement key can be read");
  const key = new Uint8Array(randomBytes(32));
  const name = tpmName(nodeCrypto, claim.attestationKey);
  const made = makeCredential(endorsementKey.value, { name, value: key });
  assert(made.ok, "a judged endorsement key opens credentials");
  const nonce = new Uint8Array(randomBytes(12));
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(utf8(sealedAnswerContext));
  const sealed = concat(cipher.update(utf8(plain)), cipher.final(), cipher.getAuthTag());
  key.fill(0);
  return encodeSealedAnswer({ device, ...made.value, nonce, sealed });
}
