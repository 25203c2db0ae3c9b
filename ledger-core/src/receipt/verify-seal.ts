/**
 * Verifies a sealed checkpoint: a quorum of the policy's validators signed the channel's size and root, by
 * a cosignature (C2SP tlog-checkpoint, tlog-cosignature) and as RFC 9942 has it. In a receipt the signatures
 * stand alone and all that they are over is built here; a bare checkpoint is a note with cosignatures.
 */

import { assert, present } from "../base/assert.ts";
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
import type { NoteFault, SignedNote } from "../log/note.ts";
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
import type { EpochChain } from "./epoch-chain.ts";
import type { HandedOverFault, Recovered, Sealers } from "./sealers.ts";
import { firstGood, sealersOf } from "./sealers.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { MlDsaFault, MlDsaSeal } from "./verify-ml-dsa.ts";
import { verifyMlDsaLines } from "./verify-ml-dsa.ts";

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
    /** Of how many that is: those of the policy, or of the validators of a later epoch. */
    readonly ofOrganisations: readonly Identifier[];
    /** Whose validators they are: 0 for the policy's own. */
    readonly epoch: number;
    /** Of a channel that was recovered: how that came about. */
    readonly recovered?: Recovered;
    /** Of a note, where the policy names second keys. */
    readonly mlDsa?: MlDsaSeal;
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
  | { readonly code: "SEAL_QUORUM_MISSING"; readonly have: number; readonly needed: number }
  | HandedOverFault
  | MlDsaFault;

export type SealFault =
  | Exclude<NoteSealFault, MlDsaFault | { readonly code: "SEAL_NOTE_MALFORMED" | "SEAL_OTHER_LOG" }>
  | { readonly code: "SEAL_SIGNER_UNKNOWN" }
  | { readonly code: "SEAL_SIGNER_IN_NO_EPOCH" }
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
  validators: readonly Validator[],
  keyId: Uint8Array,
): readonly Validator[] {
  return validators.filter((validator) => {
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

/** Good seals of enough of one set's validators, in the order that they came in. */
export type SealedBy = {
  readonly sealers: Sealers;
  readonly seals: readonly AttributedSeal[];
};

/**
 * Verifies the seals over one size and root, both signatures of each. They are of one set's validators
 * and of nobody else, each once: what is in a receipt is verified, to the last bit.
 *
 * @param epochs the channel's later validators, where they are known; else the policy's are judged by.
 * Faults: SEAL_SIGNER_UNKNOWN, SEAL_SIGNER_IN_NO_EPOCH, SEAL_AFTER_*, SEAL_SIGNER_REPEATED,
 *   SEAL_SIGNATURE_LENGTH, SEAL_COSIGNATURE_WRONG, SEAL_ROOT_SIGNATURE_WRONG (one bad seal is a fault,
 *   however many good ones there are), SEAL_QUORUM_MISSING.
 */
export function verifySeal(
  crypto: CryptoPort,
  policy: TrustPolicy,
  tree: SealedTree,
  epochs?: EpochChain,
): Result<VerifiedSeal, SealFault> {
  const attributed = attributeSeals(crypto, policy, tree, epochs);
  if (!attributed.ok) return attributed;
  const { sealers, seals } = attributed.value;
  const cosigners = seals.map(({ validator, seal }) => cosigner(validator, seal.timeSeconds));
  return judgeQuorum(sealers, headOf(sealers, tree), cosigners);
}

/** Finds whose seals they are, by verifying them; for faults see {@link verifySeal}. */
export function attributeSeals(
  crypto: CryptoPort,
  policy: TrustPolicy,
  tree: SealedTree,
  epochs?: EpochChain,
): Result<SealedBy, SealFault> {
  if (epochs === undefined) return attributeTo(crypto, sealersOf(policy), tree);
  assert(equal(epochs.channelId, policy.channelId), "epochs of the policy's channel");
  const knowing = epochs.epochs.filter(({ validators }) =>
    tree.seals.every(({ keyId }) => validatorsOf(crypto, validators, keyId).length > 0),
  );
  if (knowing.length === 0) return err({ code: "SEAL_SIGNER_IN_NO_EPOCH" });
  return firstGood(knowing, tree.size, (sealers) => attributeTo(crypto, sealers, tree));
}

function attributeTo(
  crypto: CryptoPort,
  sealers: Sealers,
  tree: SealedTree,
): Result<SealedBy, SealFault> {
  const head = headOf(sealers, tree);
  const text = checkpointText(sealers, head);
  const attributed: AttributedSeal[] = [];
  for (const seal of tree.seals) {
    const known = validatorsOf(crypto, sealers.validators, seal.keyId);
    const [first] = known;
    if (first === undefined) return err({ code: "SEAL_SIGNER_UNKNOWN" });
    const fresh = known.filter((one) => attributed.every(({ validator }) => validator !== one));
    const judged = fresh.map((validator) => judgeSeal(crypto, validator, { seal, head, text }));
    const good = judged.find((one) => one.ok) ?? judged[0];
    if (good === undefined) return err({ code: "SEAL_SIGNER_REPEATED", validator: first.name });
    if (!good.ok) return good;
    attributed.push(good.value);
  }
  const [have, needed] = [attributed.length, sealers.quorum];
  if (have < needed) return err({ code: "SEAL_QUORUM_MISSING", have, needed });
  return ok({ sealers, seals: attributed });
}

function headOf({ origin }: Pick<Sealers, "origin">, { size, root }: TreeHead): LogHead {
  return { origin, size, root };
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
 *   fault, however many good ones there are), SEAL_QUORUM_MISSING, SEAL_AFTER_*, SEAL_ML_DSA_*.
 */
export function verifySealedNote(
  crypto: CryptoPort,
  policy: TrustPolicy,
  text: string,
  epochs?: EpochChain,
): Result<VerifiedSeal, NoteSealFault> {
  const note = parseNote(utf8(text));
  if (!note.ok) return err({ code: "SEAL_NOTE_MALFORMED", cause: note.fault });
  const checkpoint = parseCheckpoint(note.value.text);
  if (!checkpoint.ok) return err({ code: "SEAL_NOTE_MALFORMED", cause: checkpoint.fault });
  const { origin, treeSize: size, root } = checkpoint.value;
  const known = epochs?.epochs ?? [sealersOf(policy)];
  const sealers = known.filter((one) => one.origin === origin);
  if (sealers.length === 0) return err({ code: "SEAL_OTHER_LOG" });
  const head = { origin, size, root };
  return firstGood(sealers, size, (one) => {
    const of = { sealers: one, note: note.value, head };
    const judged = judgeNote(crypto, of);
    if (!judged.ok) return judged;
    const second = verifyMlDsaLines(crypto, policy, of);
    if (!second.ok || second.value === undefined) return second.ok ? judged : second;
    return ok(mint<VerifiedSeal>({ ...judged.value, mlDsa: second.value }));
  });
}

function judgeNote(
  crypto: CryptoPort,
  of: { readonly sealers: Sealers; readonly note: SignedNote; readonly head: LogHead },
): Result<VerifiedSeal, NoteSealFault> {
  const { sealers, note, head } = of;
  const cosigners: VerifiedCosigner[] = [];
  for (const validator of sealers.validators) {
    const verified = verifyCosignature(crypto, cosignerOf(validator), note);
    if (verified.ok) cosigners.push(cosigner(validator, verified.value.timeSeconds));
    else if (verified.fault.code !== "COSIGNATURE_MISSING") {
      const { name } = validator;
      return err({ code: "SEAL_COSIGNATURE_WRONG", validator: name, cause: verified.fault });
    }
  }
  return judgeQuorum(sealers, head, cosigners);
}

function cosigner({ name, organisation }: Validator, timeSeconds: number): VerifiedCosigner {
  return { validator: name, organisation, at: unixMillis(timeSeconds * 1_000) };
}

/** What follows from good signatures of distinct validators, if they are enough. */
function judgeQuorum(
  { epoch, quorum: needed, validators, organisations: ofOrganisations, recovered }: Sealers,
  head: LogHead,
  cosigners: readonly VerifiedCosigner[],
): Result<VerifiedSeal, Extract<SealFault, { readonly code: "SEAL_QUORUM_MISSING" }>> {
  if (cosigners.length < needed)
    return err({ code: "SEAL_QUORUM_MISSING", have: cosigners.length, needed });
  const cosignatures = cosigners.toSorted((a, b) => a.at - b.at);
  const { at: notAfter } = present(
    cosignatures[faultsTolerated(validators.length)],
    "cosignature of an honest validator",
  );
  const organisations = [...new Set(cosignatures.map((line) => line.organisation))];
  return ok(
    mint<VerifiedSeal>({
      ...{ head, cosignatures, notAfter, organisations, ofOrganisations, epoch },
      ...(recovered === undefined ? {} : { recovered }),
    }),
  );
}
