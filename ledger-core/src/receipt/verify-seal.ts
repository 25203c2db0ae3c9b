/**
 * Verifies a sealed checkpoint: a quorum of the policy's validators signed the channel's size and root, by
 * a cosignature (C2SP tlog-checkpoint, tlog-cosignature) and as RFC 9942 has it. In a receipt the signatures
 * stand alone and all that they are over is built here; a bare checkpoint is a note with cosignatures.
 */

import { present } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import { equal, u32, utf8 } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import { faultsTolerated } from "../base/quorum.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import type { CheckpointFault } from "../log/checkpoint.ts";
import { encodeCheckpoint, parseCheckpoint } from "../log/checkpoint.ts";
import type { CosignatureFault, Cosigner } from "../log/cosignature.ts";
import { verifyCosignature, verifyDetachedCosignature } from "../log/cosignature.ts";
import type { NoteFault } from "../log/note.ts";
import { parseNote } from "../log/note.ts";
import type { TreeSize } from "../log/tree-size.ts";
import { keyIdOf } from "../log/verifier-key.ts";
import { signatureLengthFits } from "../wire/algorithm.ts";
import type { Validator } from "../wire/channel-claims.ts";
import type { TreeHead } from "../wire/device-claims.ts";
import type { Seal } from "../wire/downlink-message.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { LogHead } from "../wire/log-signature.ts";
import { verifyRootSignature } from "../wire/log-signature.ts";
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
  | {
      readonly code: "SEAL_COSIGNATURE_WRONG";
      readonly validator: string;
      readonly cause: CosignatureFault;
    }
  | { readonly code: "SEAL_QUORUM_MISSING"; readonly have: number; readonly needed: number };

export type SealFault =
  | Exclude<NoteSealFault, { readonly code: "SEAL_NOTE_MALFORMED" | "SEAL_OTHER_LOG" }>
  | { readonly code: "SEAL_SIGNER_UNKNOWN" }
  | { readonly code: "SEAL_SIGNER_REPEATED"; readonly validator: string }
  | {
      readonly code: "SEAL_SIGNATURE_LENGTH";
      readonly validator: string;
      readonly length: number;
    }
  | { readonly code: "SEAL_ROOT_SIGNATURE_WRONG"; readonly validator: string };

/** Under which name and key a validator cosigns notes. */
export function cosignerOf(validator: Validator): Cosigner {
  return { name: validator.name, publicKey: validator.publicKey };
}

/** A checkpoint's text as validators cosign it: origin, size and root, and no further lines. */
export function checkpointText(policy: Pick<TrustPolicy, "origin">, head: TreeHead): string {
  const treeSize = mint<TreeSize>(head.size);
  return encodeCheckpoint({ origin: policy.origin, treeSize, root: head.root, extensions: [] });
}

/** The validators whose key id this is: one, unless somebody searched for a key with another's id. */
function validatorsOf(
  crypto: Pick<CryptoPort, "sha256">,
  policy: TrustPolicy,
  keyId: Uint8Array,
): readonly Validator[] {
  return policy.validators.filter((validator) => {
    const key = { ...cosignerOf(validator), type: "cosignature-v1" } as const;
    return equal(u32(keyIdOf(crypto, key)), keyId);
  });
}

/** The key of a validator's RFC 9942 signatures: the same with which it cosigns. */
export function rootKeyOf(validator: Validator): PublicKey {
  return { algorithm: "EdDSA", point: validator.publicKey };
}

/** A good seal and whose it is. */
export type AttributedSeal = { readonly validator: Validator; readonly seal: Seal };

/** What seals are over, and the seals. */
export type SealedTree = TreeHead & { readonly seals: readonly Seal[] };

/**
 * Verifies the seals over one size and root, both signatures of each. They are of the policy's validators
 * and of nobody else, each once: what is in a receipt is verified, to the last bit.
 *
 * Faults: SEAL_SIGNER_UNKNOWN, SEAL_SIGNER_REPEATED, SEAL_SIGNATURE_LENGTH, SEAL_COSIGNATURE_WRONG,
 *   SEAL_ROOT_SIGNATURE_WRONG (one bad seal is a fault, however many good ones there are),
 *   SEAL_QUORUM_MISSING.
 */
export function verifySeal(
  crypto: CryptoPort,
  policy: TrustPolicy,
  tree: SealedTree,
): Result<VerifiedSeal, SealFault> {
  const attributed = attributeSeals(crypto, policy, tree);
  if (!attributed.ok) return attributed;
  const cosigners = attributed.value.map(({ validator, seal }) =>
    cosigner(validator, seal.timeSeconds),
  );
  return judgeQuorum(policy, headOf(policy, tree), cosigners);
}

/** Finds the validator of each seal, in their order, by verifying it; for faults see {@link verifySeal}. */
export function attributeSeals(
  crypto: CryptoPort,
  policy: TrustPolicy,
  tree: SealedTree,
): Result<readonly AttributedSeal[], SealFault> {
  const head = headOf(policy, tree);
  const text = checkpointText(policy, head);
  const attributed: AttributedSeal[] = [];
  for (const seal of tree.seals) {
    const known = validatorsOf(crypto, policy, seal.keyId);
    const [first] = known;
    if (first === undefined) return err({ code: "SEAL_SIGNER_UNKNOWN" });
    const fresh = known.filter((one) => attributed.every(({ validator }) => validator !== one));
    const judged = fresh.map((validator) => judgeSeal(crypto, validator, { seal, head, text }));
    const good = judged.find((one) => one.ok) ?? judged[0];
    if (good === undefined) return err({ code: "SEAL_SIGNER_REPEATED", validator: first.name });
    if (!good.ok) return good;
    attributed.push(good.value);
  }
  return ok(attributed);
}

function headOf(policy: TrustPolicy, { size, root }: TreeHead): LogHead {
  return { origin: policy.origin, size, root };
}

/** One seal under one validator's key. */
function judgeSeal(
  crypto: CryptoPort,
  validator: Validator,
  { seal, head, text }: { readonly seal: Seal; readonly head: LogHead; readonly text: string },
): Result<AttributedSeal, SealFault> {
  const { cosignature, logSignature, timeSeconds } = seal;
  const { name } = validator;
  const key = rootKeyOf(validator);
  for (const { length } of [cosignature, logSignature])
    if (!signatureLengthFits(key.algorithm, length))
      return err({ code: "SEAL_SIGNATURE_LENGTH", validator: name, length });
  const signed = { text, timeSeconds, signature: cosignature };
  const cosigned = verifyDetachedCosignature(crypto, cosignerOf(validator), signed);
  if (!cosigned.ok)
    return err({ code: "SEAL_COSIGNATURE_WRONG", validator: name, cause: cosigned.fault });
  if (!verifyRootSignature(crypto, logSignature, { ...head, key }).ok)
    return err({ code: "SEAL_ROOT_SIGNATURE_WRONG", validator: name });
  return ok({ validator, seal });
}

/**
 * Verifies a checkpoint's note alone. Lines of others than the policy's validators, e.g. of public
 * witnesses, are passed over, as the specification rules.
 *
 * Faults: SEAL_NOTE_MALFORMED, SEAL_OTHER_LOG, SEAL_COSIGNATURE_WRONG (one bad line of a validator is a
 *   fault, however many good ones there are), SEAL_QUORUM_MISSING.
 */
export function verifySealedNote(
  crypto: CryptoPort,
  policy: TrustPolicy,
  text: string,
): Result<VerifiedSeal, NoteSealFault> {
  const note = parseNote(utf8(text));
  if (!note.ok) return err({ code: "SEAL_NOTE_MALFORMED", cause: note.fault });
  const checkpoint = parseCheckpoint(note.value.text);
  if (!checkpoint.ok) return err({ code: "SEAL_NOTE_MALFORMED", cause: checkpoint.fault });
  const { origin, treeSize: size, root } = checkpoint.value;
  if (origin !== policy.origin) return err({ code: "SEAL_OTHER_LOG" });
  const cosigners: VerifiedCosigner[] = [];
  for (const validator of policy.validators) {
    const verified = verifyCosignature(crypto, cosignerOf(validator), note.value);
    if (verified.ok) cosigners.push(cosigner(validator, verified.value.timeSeconds));
    else if (verified.fault.code !== "COSIGNATURE_MISSING") {
      const { name } = validator;
      return err({ code: "SEAL_COSIGNATURE_WRONG", validator: name, cause: verified.fault });
    }
  }
  return judgeQuorum(policy, { origin, size, root }, cosigners);
}

function cosigner({ name, organisation }: Validator, timeSeconds: number): VerifiedCosigner {
  return { validator: name, organisation, at: unixMillis(timeSeconds * 1_000) };
}

/** What follows from good signatures of distinct validators, if they are enough. */
function judgeQuorum(
  policy: TrustPolicy,
  head: LogHead,
  cosigners: readonly VerifiedCosigner[],
): Result<VerifiedSeal, Extract<SealFault, { readonly code: "SEAL_QUORUM_MISSING" }>> {
  const { quorum: needed, validators } = policy;
  if (cosigners.length < needed)
    return err({ code: "SEAL_QUORUM_MISSING", have: cosigners.length, needed });
  const cosignatures = cosigners.toSorted((a, b) => a.at - b.at);
  const { at: notAfter } = present(
    cosignatures[faultsTolerated(validators.length)],
    "cosignature of an honest validator",
  );
  const organisations = [...new Set(cosignatures.map((line) => line.organisation))];
  return ok(mint<VerifiedSeal>({ head, cosignatures, notAfter, organisations }));
}
