/**
 * A receipt in the forms that others read: RFC 9943 transparent statements with RFC 9942 receipts, and C2SP
 * checkpoint and tlog-proof. What a receipt leaves out is built again; nothing is exported unverified.
 */

import { assert, present } from "../base/assert.ts";
import { mint } from "../base/brand.ts";
import { fromUtf8 } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { ok } from "../base/result.ts";
import { cosignature } from "../log/cosignature.ts";
import { encodeNote, parseNote } from "../log/note.ts";
import { encodeTlogProof } from "../log/tlog-proof.ts";
import type { LeafIndex } from "../log/tree-size.ts";
import { parseSign1 } from "../wire/cose.ts";
import type { LogHead } from "../wire/log-signature.ts";
import {
  encodeCoseReceipt,
  encodeTransparentStatement,
  prepareRootSignature,
} from "../wire/log-signature.ts";
import type { InclusionEvidence, Receipt } from "./receipt.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import type { Finality, ReceiptFault, ReceiptOptions } from "./verify-receipt.ts";
import { verifyReceipt } from "./verify-receipt.ts";
import type { AttributedSeal } from "./verify-seal.ts";
import { attributeSeals, checkpointText, cosignerOf, rootKeyOf } from "./verify-seal.ts";

/** A statement with its receipts. */
export type ExportedStatement = {
  /** RFC 9943 transparent statement: the statement with `receipts` in its unprotected header. */
  readonly transparent: Uint8Array;
  /** RFC 9942 receipts: COSE_Sign1 with the inclusion proof, the root left out. */
  readonly receipts: readonly Uint8Array[];
};

export type ExportedReceipt = {
  /** With the gateway's receipt of its place in the lane. */
  readonly statement: ExportedStatement;
  /** Absent where the receipt is provisional. */
  readonly final?: {
    /** The lane-head statement, with a receipt of each validator of its place in the channel's log. */
    readonly laneHead: ExportedStatement;
    /** C2SP tlog-checkpoint with the validators' cosignatures. */
    readonly note: string;
    /** C2SP tlog-proof, as UTF-8: that the lane-head statement is in the channel's log. */
    readonly tlogProof: Uint8Array;
  };
};

/** Verifies a receipt and gives its other forms. Faults: those of `verifyReceipt`. */
export function exportReceipt(
  crypto: CryptoPort,
  policy: TrustPolicy,
  receipt: Receipt,
  options: ReceiptOptions = {},
): Result<ExportedReceipt, ReceiptFault> {
  const verified = verifyReceipt(crypto, policy, receipt, options);
  if (!verified.ok) return verified;
  const { lane, gateway, final } = verified.value;
  const { signature } = receipt.lane;
  const signer = { key: gateway.key, signature };
  const inLane = coseReceipt(crypto, signer, { head: lane, place: receipt.lane });
  const statement = exportStatement(receipt.statement, [inLane]);
  if (final === undefined || receipt.final === undefined) return ok({ statement });
  const of = { policy, options, part: receipt.final, final };
  return ok({ statement, final: exportFinal(crypto, of) });
}

function exportFinal(
  crypto: CryptoPort,
  of: {
    readonly policy: TrustPolicy;
    readonly options: ReceiptOptions;
    readonly part: NonNullable<Receipt["final"]>;
    readonly final: Finality;
  },
): NonNullable<ExportedReceipt["final"]> {
  const { policy, options } = of;
  const { laneHead, channel } = of.part;
  const { head } = of.final.head.seal;
  const tree = { ...head, seals: channel.seals };
  const attributed = attributeSeals(crypto, policy, tree, options.epochs);
  assert(attributed.ok, "seals of a verified receipt");
  const { seals } = attributed.value;
  const receipts = seals.map(({ validator, seal }) => {
    const signer = { key: rootKeyOf(validator), signature: seal.logSignature };
    return coseReceipt(crypto, signer, { head, place: channel });
  });
  const note = checkpointNote(crypto, checkpointText(policy, head), seals);
  const parsed = parseNote(note);
  assert(parsed.ok, "note of our own");
  const { path } = channel;
  const index = mint<LeafIndex>(channel.index);
  return {
    laneHead: exportStatement(laneHead, receipts),
    note: present(fromUtf8(note), "a note is text"),
    tlogProof: encodeTlogProof({ index, path, note: parsed.value }),
  };
}

function checkpointNote(
  crypto: CryptoPort,
  text: string,
  seals: readonly AttributedSeal[],
): Uint8Array {
  const signatures = seals.map(({ validator, seal }) => {
    const { timeSeconds, cosignature: signature } = seal;
    return cosignature(crypto, cosignerOf(validator), { timeSeconds, signature });
  });
  return encodeNote({ text, signatures });
}

function coseReceipt(
  crypto: CryptoPort,
  { key, signature }: { readonly key: PublicKey; readonly signature: Uint8Array },
  { head, place }: { readonly head: LogHead; readonly place: InclusionEvidence },
): Uint8Array {
  const { protectedBytes } = prepareRootSignature(crypto, head, key);
  return encodeCoseReceipt({ protectedBytes, signature }, place);
}

function exportStatement(bytes: Uint8Array, receipts: readonly Uint8Array[]): ExportedStatement {
  const part = parseSign1(bytes);
  assert(part.ok, "statement of a verified receipt");
  return { transparent: encodeTransparentStatement(part.value, receipts), receipts };
}
