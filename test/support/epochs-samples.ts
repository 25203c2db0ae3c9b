/** The epochs files of `test/vectors/epochs-v1.json`, true and false, and receipts that rest on them. */

import { present } from "@tamga/ledger-core/base/assert";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import { encodeEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import { encodeReceipt } from "@tamga/ledger-core/receipt/receipt";
import { fixedKey } from "./fixed-key.ts";
import type { SealedHead } from "./synthetic-channel.ts";
import { SyntheticChannel } from "./synthetic-channel.ts";
import type { BoundaryOptions, Member } from "./synthetic-epochs.ts";
import { SyntheticEpochs } from "./synthetic-epochs.ts";
import { digestOf, name } from "./wire-samples.ts";

/** What the verifier says of a file: `valid` or a code. */
export type EpochsSample = {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly verdict: string;
};
/** A receipt, the epochs file that is given with it, and the verdict. */
export type EpochReceiptSample = EpochsSample & { readonly epochs?: string };

/** Four validators, then five, then one of the new ones alone: at sizes 20 and 40. */
export const channel = new SyntheticChannel({ createKey: fixedKey, validators: 4 });
const chain = new SyntheticEpochs(channel);
const four = chain.members;
const member = (number: number): Member => ({
  name: name(`validator-${number}`),
  organisation: name(`organisation-${number}`),
  key: fixedKey("EdDSA", `validator-${number}`),
});
const five = [...four.slice(1), member(5), member(6)];
const one = five.slice(4);

channel.log.fillTo(20);
const first = chain.end(five);
const bundle = channel.bundle();
const index = channel.admit(bundle.statement);
channel.log.fillTo(39);
const head = channel.seal();
const second = chain.end(one);

export const epochsSamples: readonly EpochsSample[] = [
  file("no change", []),
  file("one change", [first]),
  file("two changes", [first, second]),
  file("the second change alone", [second], "EPOCH_OUT_OF_ORDER"),
  file("the first change twice", [first, first], "EPOCH_OUT_OF_ORDER"),
  changed("two votes of four", "EPOCH_CERTIFICATE_WRONG", { voters: [0, 1] }),
  changed("a vote twice", "EPOCH_CERTIFICATE_WRONG", { voters: [0, 1, 1] }),
  changed("votes to notarize", "EPOCH_NOT_FINAL", { ballot: { kind: "notarize" } }),
  changed("votes for another block", "EPOCH_NOT_FINAL", {
    ballot: { digest: digestOf("another block") },
  }),
  changed("three approvals of five", "EPOCH_APPROVALS_MISSING", { approvers: [0, 1, 2] }),
  changed("an approval twice", "EPOCH_APPROVAL_WRONG", { approvers: [0, 1, 1, 2] }),
  changed("approvals of a later epoch", "EPOCH_APPROVAL_WRONG", { approvedEpoch: 2 }),
  changed("another channel", "EPOCH_OTHER_CHANNEL", { header: { channel: digestOf("other") } }),
  changed("nobody appointed", "EPOCH_SET_EMPTY", {}, []),
  changed("a validator appointed twice", "EPOCH_NAME_REPEATED", {}, [...one, ...one]),
  changed("a key appointed twice", "EPOCH_KEY_REPEATED", {}, [
    ...one,
    { ...present(one[0], "member"), name: name("validator-7") },
  ]),
  after("a smaller log than before", { header: { logSize: 19n } }),
  after("a lower height than before", { header: { height: 100 } }),
  after("an earlier time than before", { header: { time: unixMillis(1_779_999_999_999) } }),
  file("another block before", [other(), second], "EPOCH_PREVIOUS_WRONG"),
  ...otherwiseEncoded(),
];

export const epochReceiptSamples: readonly EpochReceiptSample[] = [
  receipt("sealed by the second set", five.slice(0, 4), "valid", "two changes"),
  receipt("sealed by the second set", five.slice(0, 4), "valid", "one change"),
  receipt("sealed by the second set", five.slice(0, 4), "SEAL_SIGNER_IN_NO_EPOCH", "no change"),
  receipt("sealed by the second set", [...one, ...five.slice(0, 3)], "SEAL_SIGNER_UNKNOWN"),
  receipt(
    "sealed by three of the second set",
    five.slice(1, 4),
    "SEAL_QUORUM_MISSING",
    "one change",
  ),
  receipt("sealed again by the third set", one, "valid", "two changes"),
  receipt("sealed by the first set", four.slice(0, 3), "valid"),
  receipt("sealed by the first set", four.slice(0, 3), "SEAL_AFTER_EPOCH", "two changes"),
];

function file(label: string, proofs: readonly BoundaryProof[], verdict = "valid"): EpochsSample {
  return { name: label, bytes: encodeEpochs(proofs), verdict };
}

/** The first change, made otherwise. */
function changed(
  label: string,
  verdict: string,
  options: BoundaryOptions,
  next: readonly Member[] = five,
): EpochsSample {
  const epochs = new SyntheticEpochs(channel);
  return file(label, [epochs.boundary(next, { size: 20n, ...options })], verdict);
}

/** The second change, made otherwise. */
function after(label: string, options: BoundaryOptions): EpochsSample {
  const epochs = new SyntheticEpochs(channel);
  const before = epochs.end(five, { size: 20n });
  return file(label, [before, epochs.boundary(one, options)], "EPOCH_WENT_BACK");
}

function other(): BoundaryProof {
  return new SyntheticEpochs(channel).boundary(five, { size: 20n, header: { height: 99 } });
}

/** The same content, or nearly, in a form that no encoder writes. */
function otherwiseEncoded(): readonly EpochsSample[] {
  const bytes = encodeEpochs([first]);
  const decoded = decodeCbor(bytes, bytes.length);
  const fields: ReadonlyMap<number, CborValue> =
    decoded.ok && decoded.value instanceof Map ? decoded.value : new Map();
  const rewritten = (key: number, value: CborValue) =>
    encodeCbor(new Map([...fields, [key, value]]));
  const rows: readonly (readonly [label: string, verdict: string, bytes: Uint8Array])[] = [
    ["cut off", "CBOR_MALFORMED", bytes.subarray(0, -1)],
    ["a byte too many", "CBOR_MALFORMED", Uint8Array.of(...bytes, 0)],
    ["of version 2", "EPOCHS_VERSION_UNKNOWN", rewritten(0, "tamga-epochs/2")],
    ["a receipt by its name", "FIELD_BAD", rewritten(0, "tamga-receipt/1")],
    ["an unknown field", "FIELD_UNKNOWN", rewritten(2, null)],
    [
      "a header cut off",
      "EPOCH_HEADER_MALFORMED",
      encodeEpochs([{ ...first, header: first.header.subarray(0, -1) }]),
    ],
  ];
  return rows.map(([label, verdict, changes]) => ({ name: label, bytes: changes, verdict }));
}

function receipt(
  label: string,
  signers: readonly Member[],
  verdict: string,
  epochs?: string,
): EpochReceiptSample {
  const evidence = channel.evidence(Number(head.channel.index), signers);
  const sealed: SealedHead = { ...head, channel: { ...head.channel, seals: evidence.seals } };
  const bytes = encodeReceipt(channel.receipt(index, sealed, { disclosed: bundle.disclose(0) }));
  return { name: label, bytes, verdict, ...(epochs !== undefined && { epochs }) };
}
