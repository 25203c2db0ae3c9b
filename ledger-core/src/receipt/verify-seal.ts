/**
 * Verifies a sealed checkpoint: a quorum of the policy's validators cosigned the channel's size and root,
 * as a note (C2SP tlog-checkpoint, tlog-cosignature) and as RFC 9942 signatures over the root.
 */

import { present } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import { equal, utf8 } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import type { CheckpointFault } from "../log/checkpoint.ts";
import { parseCheckpoint } from "../log/checkpoint.ts";
import type { CosignatureFault, Cosigner } from "../log/cosignature.ts";
import { verifyCosignature } from "../log/cosignature.ts";
import type { NoteFault } from "../log/note.ts";
import { parseNote } from "../log/note.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { Validator } from "../wire/channel-claims.ts";
import type { ChannelEvidence } from "../wire/downlink-message.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { LogHead, LogSignature, LogSignatureFault } from "../wire/log-signature.ts";
import { kidOfLogSignature, verifyLogSignature } from "../wire/log-signature.ts";
import { faultsTolerated } from "./quorum.ts";
import type { TrustPolicy } from "./trust-policy.ts";

export type VerifiedCosigner = {
  readonly validator: Identifier;
  readonly organisation: Identifier;
  readonly at: UnixMillis;
};

/** A checkpoint that a quorum cosigned; only {@link verifySealedNote} and {@link verifySeal} make it. */
export type VerifiedSeal = Brand<
  {
    readonly head: LogHead;
    /** Earliest first. */
    readonly cosignatures: readonly VerifiedCosigner[];
    /** The (f+1)th lowest cosignature time: at least one honest validator had signed by then. */
    readonly notAfter: UnixMillis;
    /** Whose validators cosigned, each organisation once. */
    readonly organisations: readonly Identifier[];
  },
  "VerifiedSeal"
>;

export type NoteSealFault =
  | { readonly code: "SEAL_NOTE_MALFORMED"; readonly cause: NoteFault | CheckpointFault }
  | { readonly code: "SEAL_OTHER_LOG" }
  | { readonly code: "SEAL_SIGNER_UNKNOWN" }
  | {
      readonly code: "SEAL_COSIGNATURE_WRONG";
      readonly validator: string;
      readonly cause: CosignatureFault;
    }
  | { readonly code: "SEAL_QUORUM_MISSING"; readonly have: number; readonly needed: number };

export type SealFault =
  | NoteSealFault
  | { readonly code: "SEAL_OTHER_SIZE" }
  | { readonly code: "SEAL_ROOT_SIGNER_UNKNOWN" }
  | { readonly code: "SEAL_ROOT_SIGNER_REPEATED"; readonly validator: string }
  | {
      readonly code: "SEAL_ROOT_SIGNATURE_WRONG";
      readonly validator: string;
      readonly cause: LogSignatureFault;
    }
  | { readonly code: "SEAL_ROOT_QUORUM_MISSING"; readonly have: number; readonly needed: number };

/** Under which name and key a validator cosigns notes. */
export function cosignerOf(validator: Validator): Cosigner {
  return { name: validator.name, publicKey: validator.publicKey };
}

/**
 * Verifies both forms of a seal over one size and root. It holds signatures of the policy's validators
 * and of nobody else: what is in a receipt is verified, to the last bit.
 * Faults: SEAL_*.
 */
export function verifySeal(
  crypto: CryptoPort,
  policy: TrustPolicy,
  channel: Pick<ChannelEvidence, "size" | "signatures" | "note">,
): Result<VerifiedSeal, SealFault> {
  const sealed = verifySealedNote(crypto, policy, channel.note, { otherSigners: "refuse" });
  if (!sealed.ok) return sealed;
  if (sealed.value.head.size !== channel.size) return err({ code: "SEAL_OTHER_SIZE" });
  const fault = judgeRootSignatures(crypto, policy, channel.signatures, sealed.value.head);
  return fault === undefined ? sealed : err(fault);
}

/**
 * Verifies a checkpoint's note alone.
 *
 * @param otherSigners what to do with lines of others, e.g. public witnesses. The specification passes
 *   over them; inside a receipt they are refused, since nothing could be said of them.
 * Faults: SEAL_NOTE_MALFORMED, SEAL_OTHER_LOG, SEAL_SIGNER_UNKNOWN, SEAL_COSIGNATURE_WRONG (one bad
 *   line of a validator is a fault, however many good ones there are), SEAL_QUORUM_MISSING.
 */
export function verifySealedNote(
  crypto: CryptoPort,
  policy: TrustPolicy,
  text: string,
  { otherSigners }: { readonly otherSigners: "refuse" | "ignore" },
): Result<VerifiedSeal, NoteSealFault> {
  const note = parseNote(utf8(text));
  if (!note.ok) return err({ code: "SEAL_NOTE_MALFORMED", cause: note.fault });
  const checkpoint = parseCheckpoint(note.value.text);
  if (!checkpoint.ok) return err({ code: "SEAL_NOTE_MALFORMED", cause: checkpoint.fault });
  const { origin, treeSize: size, root } = checkpoint.value;
  if (origin !== policy.origin) return err({ code: "SEAL_OTHER_LOG" });
  const cosignatures: VerifiedCosigner[] = [];
  for (const validator of policy.validators) {
    const { name, organisation } = validator;
    const verified = verifyCosignature(crypto, cosignerOf(validator), note.value);
    if (verified.ok) {
      const at = unixMillis(verified.value.timeSeconds * 1_000);
      cosignatures.push({ validator: name, organisation, at });
    } else if (verified.fault.code !== "COSIGNATURE_MISSING") {
      return err({ code: "SEAL_COSIGNATURE_WRONG", validator: name, cause: verified.fault });
    }
  }
  if (otherSigners === "refuse" && note.value.signatures.length !== cosignatures.length)
    return err({ code: "SEAL_SIGNER_UNKNOWN" });
  const { quorum: needed, validators } = policy;
  if (cosignatures.length < needed)
    return err({ code: "SEAL_QUORUM_MISSING", have: cosignatures.length, needed });
  cosignatures.sort((a, b) => a.at - b.at);
  const { at: notAfter } = present(
    cosignatures[faultsTolerated(validators.length)],
    "cosignature of an honest validator",
  );
  const organisations = [...new Set(cosignatures.map((line) => line.organisation))];
  const head = { origin, size, root };
  return ok(mint<VerifiedSeal>({ head, cosignatures, notAfter, organisations }));
}

/** At least a quorum of distinct validators, and every signature good. */
function judgeRootSignatures(
  crypto: CryptoPort,
  policy: TrustPolicy,
  signatures: readonly LogSignature[],
  head: LogHead,
): SealFault | undefined {
  const signers = policy.validators.map(({ name, publicKey }) => {
    const key: PublicKey = { algorithm: "EdDSA", point: publicKey };
    return { name, key, kid: thumbprint((bytes) => crypto.sha256(bytes), key) };
  });
  const seen = new Set<string>();
  for (const signed of signatures) {
    const kid = kidOfLogSignature(signed);
    const signer = signers.find((known) => kid !== undefined && equal(known.kid, kid));
    if (signer === undefined) return { code: "SEAL_ROOT_SIGNER_UNKNOWN" };
    const { name: validator, key } = signer;
    if (seen.has(validator)) return { code: "SEAL_ROOT_SIGNER_REPEATED", validator };
    seen.add(validator);
    const verified = verifyLogSignature(crypto, signed, { ...head, key });
    if (!verified.ok)
      return { code: "SEAL_ROOT_SIGNATURE_WRONG", validator, cause: verified.fault };
  }
  const needed = policy.quorum;
  if (seen.size < needed) return { code: "SEAL_ROOT_QUORUM_MISSING", have: seen.size, needed };
  return undefined;
}
