/** What each command of `tamga-verify` judges and says; files are read and written here and nowhere else. */

import { writeFileSync } from "node:fs";
import { present } from "./base/assert.ts";
import { concat, fromBase64, fromUtf8, toHex, utf8 } from "./base/bytes.ts";
import { OperationalError } from "./base/operational-error.ts";
import type { Result } from "./base/result.ts";
import { ok } from "./base/result.ts";
import { nodeCrypto } from "./daemon/node-crypto.ts";
import { readBounded } from "./daemon/read-bounded.ts";
import type { ConsistencyClaim } from "./log/consistency-proof.ts";
import { verifyConsistency } from "./log/consistency-proof.ts";
import type { InclusionClaim } from "./log/inclusion-proof.ts";
import { verifyInclusion } from "./log/inclusion-proof.ts";
import { treeHasher } from "./log/leaf-hash.ts";
import { noteBytesMax } from "./log/limits.ts";
import { formatTime } from "./receipt/civil-time.ts";
import { describeEpochs, viewEpochs } from "./receipt/describe-epochs.ts";
import { describeReceipt, mlDsaLine, recoveredLine } from "./receipt/describe-receipt.ts";
import type { EpochChain, EpochFault } from "./receipt/epoch-chain.ts";
import { conflictOf, followEpochs } from "./receipt/epoch-chain.ts";
import type { EpochsFormatFault } from "./receipt/epochs-file.ts";
import { parseEpochs } from "./receipt/epochs-file.ts";
import type { ExplainedFault, Language } from "./receipt/explain-fault.ts";
import { causeOf, explainFault } from "./receipt/explain-fault.ts";
import { exportReceipt } from "./receipt/export-receipt.ts";
import { epochsBytesMax } from "./receipt/limits.ts";
import type { Receipt } from "./receipt/receipt.ts";
import { parseReceipt } from "./receipt/receipt.ts";
import type { JsonValue } from "./receipt/receipt-view.ts";
import { toJson, viewReceipt, viewSeal } from "./receipt/receipt-view.ts";
import type { TrustPolicy } from "./receipt/trust-policy.ts";
import { parseTrustPolicy } from "./receipt/trust-policy-file.ts";
import { verifyGateway } from "./receipt/verify-gateway.ts";
import { verifyReceipt } from "./receipt/verify-receipt.ts";
import { verifySealedNote } from "./receipt/verify-seal.ts";
import {
  certificateBytesMax,
  chainLengthMax,
  receiptBytesMax,
  trustPolicyBytesMax,
} from "./wire/limits.ts";

export type OutputOptions = { readonly json?: boolean; readonly lang: Language };

/** The trust policy and, where the channel changed its validators, the file that says how. */
export type TrustOptions = OutputOptions & { readonly trust: string; readonly epochs?: string };

/** A verdict in both forms: lines for people, one object for `--json`. */
export type Judgement = {
  readonly valid: boolean;
  readonly lines: readonly string[];
  readonly object: JsonValue;
};

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));

/** Throws FILE_UNREADABLE; everything else is a verdict. */
export function judgeReceiptFile(
  file: string,
  options: TrustOptions & { readonly provisional?: string; readonly checkpoint?: string },
): Judgement {
  const bytes = readBounded(file, receiptBytesMax);
  const policy = parseTrustPolicy(readBounded(options.trust, trustPolicyBytesMax));
  if (!policy.ok) return invalid(policy.fault, options);
  const epochs = readEpochs(policy.value, options.epochs);
  if (!epochs.ok) return invalid(epochs.fault, options);
  const receipt = parseReceipt(bytes);
  if (!receipt.ok) return invalid(receipt.fault, options);
  const gateway = readGateway(policy.value, receipt.value, options.provisional);
  if (gateway?.ok === false) return invalid(gateway.fault, options);
  const verified = verifyReceipt(nodeCrypto, policy.value, receipt.value, {
    ...(gateway && { provisionalUnder: gateway.value }),
    ...(options.checkpoint !== undefined && { checkpoint: readNote(options.checkpoint) }),
    ...epochs.value,
  });
  if (!verified.ok) return invalid(verified.fault, options);
  return {
    valid: true,
    lines: describeReceipt(sha256, verified.value, options.lang),
    object: viewReceipt(sha256, verified.value),
  };
}

export const exportForms = ["note", "cose", "tlog-proof"] as const;

/**
 * Writes a final receipt in another form; `cose` is a CBOR sequence (RFC 8742) of two transparent
 * statements, the receipt's and the lane head's. Throws FILE_UNREADABLE, FILE_UNWRITABLE.
 */
export function exportReceiptFile(
  file: string,
  options: TrustOptions & {
    readonly checkpoint?: string;
    readonly format: (typeof exportForms)[number];
    readonly out: string;
  },
): Judgement {
  const bytes = readBounded(file, receiptBytesMax);
  const policy = parseTrustPolicy(readBounded(options.trust, trustPolicyBytesMax));
  if (!policy.ok) return invalid(policy.fault, options);
  const epochs = readEpochs(policy.value, options.epochs);
  if (!epochs.ok) return invalid(epochs.fault, options);
  const receipt = parseReceipt(bytes);
  if (!receipt.ok) return invalid(receipt.fault, options);
  const exported = exportReceipt(nodeCrypto, policy.value, receipt.value, {
    ...(options.checkpoint !== undefined && { checkpoint: readNote(options.checkpoint) }),
    ...epochs.value,
  });
  if (!exported.ok) return invalid(exported.fault, options);
  const { statement, final } = exported.value;
  const { laneHead, note, tlogProof } = present(final, "final part of what is not provisional");
  const forms = {
    note: utf8(note),
    cose: concat(statement.transparent, laneHead.transparent),
    "tlog-proof": tlogProof,
  };
  writeOut(options.out, forms[options.format]);
  return valid(
    options.lang === "zh" ? `有效：已写入 ${options.out}。` : `VALID: written to ${options.out}.`,
  );
}

/**
 * Which validators the channel had, from the trust policy's on, and whether further files of it say of the same
 * loss that it was recovered otherwise. Throws FILE_UNREADABLE.
 */
export function judgeEpochsFile(
  file: string,
  options: OutputOptions & { readonly trust: string; readonly others?: readonly string[] },
): Judgement {
  const policy = parseTrustPolicy(readBounded(options.trust, trustPolicyBytesMax));
  if (!policy.ok) return invalid(policy.fault, options);
  const { value } = policy;
  const epochs = readEpochs(value, file);
  if (!epochs.ok) return invalid(epochs.fault, options);
  const chain = present(epochs.value.epochs, "epochs of a file");
  for (const path of options.others ?? []) {
    const other = readEpochs(value, path);
    if (!other.ok) return invalid(other.fault, options);
    const conflict = conflictOf(chain, present(other.value.epochs, "epochs of a file"));
    if (conflict !== undefined) return invalid(conflict, options);
  }
  const lines = describeEpochs(sha256, value, { chain, language: options.lang });
  return { valid: true, lines, object: viewEpochs(chain) };
}

/** A bare checkpoint may carry lines of others, e.g. witnesses; they are passed over. */
export function judgeCheckpointFile(file: string, options: TrustOptions): Judgement {
  const note = fromUtf8(readBounded(file, noteBytesMax));
  const policy = parseTrustPolicy(readBounded(options.trust, trustPolicyBytesMax));
  if (!policy.ok) return invalid(policy.fault, options);
  if (note === undefined)
    return invalid({ code: "SEAL_NOTE_MALFORMED", cause: { code: "NOTE_NOT_UTF8" } }, options);
  const epochs = readEpochs(policy.value, options.epochs);
  if (!epochs.ok) return invalid(epochs.fault, options);
  const sealed = verifySealedNote(nodeCrypto, policy.value, note, epochs.value.epochs);
  if (!sealed.ok) return invalid(sealed.fault, options);
  const { head, cosignatures, notAfter } = sealed.value;
  const zh = options.lang === "zh";
  return {
    valid: true,
    lines: [
      zh
        ? `有效：日志 ${head.origin} 的检查点，大小 ${head.size}`
        : `VALID: checkpoint of ${head.origin} at size ${head.size}`,
      `${zh ? "根：" : "Root: "}${toHex(head.root)}`,
      ...cosignatures.map(({ validator, organisation, at }) =>
        zh
          ? `联署：${validator}（${organisation}），${formatTime(at)}`
          : `Cosigned by ${validator} (${organisation}) at ${formatTime(at)}`,
      ),
      ...(sealed.value.mlDsa === undefined ? [] : [mlDsaLine(sealed.value.mlDsa, options.lang)]),
      ...(sealed.value.recovered === undefined
        ? []
        : [recoveredLine(sealed.value.recovered, options.lang)]),
      zh ? `最迟存在于：${formatTime(notAfter)}` : `Existed no later than: ${formatTime(notAfter)}`,
    ],
    object: viewSeal(sealed.value),
  };
}

export function judgeInclusion(
  proof: Omit<InclusionClaim, "treeSize" | "leafHash"> & {
    readonly size: bigint;
    readonly leaf: InclusionClaim["leafHash"];
    readonly root: InclusionClaim["leafHash"];
  },
  options: OutputOptions,
): Judgement {
  const { leafIndex, size: treeSize, leaf: leafHash, root, path } = proof;
  const verified = verifyInclusion(hasher, { leafIndex, treeSize, leafHash, root, path });
  if (!verified.ok) return invalid(verified.fault, options);
  return valid(
    options.lang === "zh"
      ? `有效：该叶位于大小为 ${treeSize} 的树的第 ${leafIndex} 号位置。`
      : `VALID: the leaf is in the tree of size ${treeSize} at index ${leafIndex}.`,
  );
}

export function judgeConsistency(claim: ConsistencyClaim, options: OutputOptions): Judgement {
  const { size1, size2, root1, root2, path } = claim;
  const verified = verifyConsistency(hasher, { size1, size2, root1, root2, path });
  if (!verified.ok) return invalid(verified.fault, options);
  return valid(
    options.lang === "zh"
      ? `有效：大小为 ${size2} 的树由大小为 ${size1} 的树增长而来。`
      : `VALID: the tree of size ${size2} grew out of the tree of size ${size1}.`,
  );
}

function valid(sentence: string): Judgement {
  return { valid: true, lines: [sentence], object: { valid: true } };
}

/** The plain sentence and the code; the object also has the fault's facts and the cause's code. */
function invalid(fault: ExplainedFault, { lang }: OutputOptions): Judgement {
  const sentence = explainFault(fault, lang);
  const cause = causeOf(fault);
  const { code } = fault;
  const codes = cause === undefined ? code : `${code}, ${cause}`;
  return {
    valid: false,
    lines: [lang === "zh" ? `无效：${sentence} [${codes}]` : `INVALID: ${sentence} [${codes}]`],
    object: { valid: false, code, sentence, fault: toJson(fault) },
  };
}

/** What is no UTF-8 is no note either: the verifier says so. */
function readNote(file: string): string {
  return fromUtf8(readBounded(file, noteBytesMax)) ?? "\u0000";
}

/** As an option of the verifying functions: empty where no file was given. */
function readEpochs(
  policy: TrustPolicy,
  file: string | undefined,
): Result<{ readonly epochs?: EpochChain }, EpochsFormatFault | EpochFault> {
  if (file === undefined) return ok({});
  const boundaries = parseEpochs(readBounded(file, epochsBytesMax));
  if (!boundaries.ok) return boundaries;
  const followed = followEpochs(nodeCrypto, policy, boundaries.value);
  return followed.ok ? ok({ epochs: followed.value }) : followed;
}

/** The gateway whose lane a provisional receipt names, under the chain that the caller gave. */
function readGateway(
  policy: TrustPolicy,
  receipt: Receipt,
  file: string | undefined,
): ReturnType<typeof verifyGateway> | undefined {
  if (file === undefined || receipt.final !== undefined) return undefined;
  const pem = fromUtf8(readBounded(file, 2 * chainLengthMax * certificateBytesMax)) ?? "";
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g);
  const chain = [...blocks].map((block) => fromBase64((block[1] ?? "").replace(/\s/g, "")));
  return verifyGateway(nodeCrypto, policy, {
    gateway: receipt.lane.gateway,
    chain: chain.map((der) => der ?? new Uint8Array(0)),
  });
}

function writeOut(file: string, bytes: Uint8Array): void {
  try {
    writeFileSync(file, bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError("FILE_UNWRITABLE", `The file ${file} cannot be written: ${reason}`, {
      cause,
    });
  }
}

const sha256 = nodeCrypto.sha256;
