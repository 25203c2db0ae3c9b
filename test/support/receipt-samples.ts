/** The receipts of `test/vectors/receipt-v1.json`, true and false, the same bytes in every run. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import type { Receipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeReceipt } from "@tamga/ledger-core/receipt/receipt";
import type { Seal } from "@tamga/ledger-core/wire/downlink-message";
import { fixedKey } from "./fixed-key.ts";
import type { SealedHead } from "./synthetic-channel.ts";
import { SyntheticChannel } from "./synthetic-channel.ts";
import { digestOf, name } from "./wire-samples.ts";

/** A receipt, the policy that it is judged under, and what the verifier says: `valid` or a code. */
export type ReceiptSample = {
  readonly name: string;
  readonly policy: "one" | "four";
  readonly bytes: Uint8Array;
  readonly verdict: string;
  /** Judged with the word of the gateway with this certificate taken for it. */
  readonly gateway?: Uint8Array;
};

type Final = NonNullable<Receipt["final"]>;

const revoked = ["low", "high"].map((text, i) => ({
  kid: digestOf(`revoked ${text}`),
  reason: i,
  since: 1_780_000_000_000n,
}));

export const one = new SyntheticChannel({ createKey: fixedKey });
export const four = new SyntheticChannel({ createKey: fixedKey, validators: 4, revoked });

/** In the order of the file. */
export const receiptSamples = build();

/** A bundle's receipt under a head that is not the log's first, from a checkpoint that is neither. */
function bundleReceipt(channel: SyntheticChannel): { receipt: Receipt; head: SealedHead } {
  channel.lane.fillTo(1_000);
  channel.log.fillTo(4_000);
  const { size, root } = channel.log.head();
  const bundle = channel.bundle({ position: { checkpoint: { size, root } } });
  const index = channel.admit(bundle.statement);
  channel.lane.fillTo(1_021);
  channel.log.fillTo(4_060);
  const head = channel.seal();
  const more = { disclosed: bundle.disclose(1), consistencyFrom: Number(size) };
  return { receipt: channel.receipt(index, head, more), head };
}

function build(): readonly ReceiptSample[] {
  const single = bundleReceipt(one);
  const quorum = bundleReceipt(four);
  const { final: _, ...provisional } = single.receipt;
  const { disclosed: _reading, ...whole } = single.receipt;
  const later = one.admit(one.rejection());
  const refusal = one.receipt(later, one.seal(), { signer: one.gateway });
  const gateway = present(one.gateway.chain[0], "gateway's certificate");
  const sample = (label: string, receipt: Receipt): ReceiptSample => {
    return { name: label, policy: "one", bytes: encodeReceipt(receipt), verdict: "valid" };
  };
  return [
    sample("final, one validator", single.receipt),
    { ...sample("final, four validators, keys revoked", quorum.receipt), policy: "four" },
    sample("final, a bundle as a whole", whole),
    sample("final, a rejection", refusal),
    { ...sample("provisional, under its gateway", provisional), gateway },
    { ...sample("provisional, under nobody", provisional), verdict: "RECEIPT_NOT_FINAL" },
    ...tampered(single.receipt, gateway),
    ...otherwiseEncoded(single.receipt),
  ];
}

/** One change each, of what a forger or a bad line would change. */
function tampered(receipt: Receipt, gateway: Uint8Array): readonly ReceiptSample[] {
  const final = present(receipt.final, "final part");
  const { channel } = final;
  const [seal] = channel.seals;
  const good = present(seal, "seal");
  const [foreign] = four.evidence(0, four.validators.slice(1, 2)).seals;
  const disclosed = present(receipt.disclosed, "reading");
  const { lane } = receipt;
  const withFinal = (more: Partial<Final>): Receipt => ({
    ...receipt,
    final: { ...final, ...more },
  });
  const withChannel = (more: Partial<Final["channel"]>) =>
    withFinal({ channel: { ...channel, ...more } });
  const withSeal = (more: Partial<Seal>) => withChannel({ seals: [{ ...good, ...more }] });
  const withLane = (more: Partial<Receipt["lane"]>) => ({ ...receipt, lane: { ...lane, ...more } });
  const { final: _, ...provisional } = withLane({ signature: flipped(lane.signature) });
  const { consistency: _path, ...unlinked } = final;
  const short = new Uint8Array(63);
  const rows: readonly (readonly [label: string, verdict: string, receipt: Receipt])[] = [
    ["no seal", "SEAL_QUORUM_MISSING", withChannel({ seals: [] })],
    ["a seal twice", "SEAL_SIGNER_REPEATED", withChannel({ seals: [good, good] })],
    [
      "a seal of another channel's validator",
      "SEAL_SIGNER_UNKNOWN",
      withChannel({ seals: [good, present(foreign, "foreign seal")] }),
    ],
    ["a cosignature of 63 bytes", "SEAL_SIGNATURE_LENGTH", withSeal({ cosignature: short })],
    ["a log signature of 63 bytes", "SEAL_SIGNATURE_LENGTH", withSeal({ logSignature: short })],
    [
      "a cosignature a second later",
      "SEAL_COSIGNATURE_WRONG",
      withSeal({ timeSeconds: good.timeSeconds + 1 }),
    ],
    [
      "another hash in the channel's path",
      "SEAL_COSIGNATURE_WRONG",
      withChannel({ path: otherPath(channel.path) }),
    ],
    [
      "the cosignature in both places",
      "SEAL_ROOT_SIGNATURE_WRONG",
      withSeal({ logSignature: good.cosignature }),
    ],
    [
      "the channel's path a hash short",
      "LANE_HEAD_PATH_MALFORMED",
      withChannel({ path: channel.path.slice(1) }),
    ],
    [
      "another incarnation of the lane",
      "RECEIPT_OTHER_LANE",
      withLane({ incarnation: new Uint8Array(16) }),
    ],
    ["another gateway", "RECEIPT_OTHER_LANE", withLane({ gateway: name("gateway-2") })],
    ["another place in the lane", "RECEIPT_NOT_IN_LANE", withLane({ index: lane.index ^ 1n })],
    [
      "lane root signed otherwise",
      "LANE_SIGNATURE_WRONG",
      withLane({ signature: flipped(lane.signature) }),
    ],
    [
      "another reading",
      "RECEIPT_READING_NOT_IN_BUNDLE",
      { ...receipt, disclosed: { ...disclosed, index: 0 } },
    ],
    ["another statement", "RECEIPT_NOT_IN_LANE", { ...receipt, statement: one.statement("gap") }],
    ["no certificate of the device", "RECEIPT_CHAIN_BAD", { ...receipt, deviceChain: [] }],
    [
      "the gateway's certificate for the device's",
      "RECEIPT_NAME_MISMATCH",
      { ...receipt, deviceChain: [gateway] },
    ],
    [
      "the device's certificate for the gateway's",
      "GATEWAY_NAME_MISMATCH",
      withFinal({ gatewayChain: one.device.chain }),
    ],
    [
      "neighbours in an empty list",
      "REVOCATION_NEIGHBOUR_UNEXPECTED",
      withFinal({ revocation: { below: present(four.neighbour(0), "neighbour") } }),
    ],
    ["no path from the checkpoint", "RECEIPT_CONSISTENCY_MISSING", { ...receipt, final: unlinked }],
    [
      "a wrong path from the checkpoint",
      "RECEIPT_CONSISTENCY_WRONG",
      withFinal({ consistency: otherPath(final.consistency) }),
    ],
  ];
  const samples = rows.map(([label, verdict, changed]): ReceiptSample => {
    return { name: label, policy: "one", bytes: encodeReceipt(changed), verdict };
  });
  const spoilt = { policy: "one", bytes: encodeReceipt(provisional), gateway } as const;
  return [
    ...samples,
    { name: "provisional, signed otherwise", verdict: "LANE_SIGNATURE_WRONG", ...spoilt },
    { ...present(samples[0], "sample"), ...underOther(receipt) },
  ];
}

function underOther(receipt: Receipt): Omit<ReceiptSample, "gateway"> {
  const bytes = encodeReceipt(receipt);
  return { name: "under another policy", policy: "four", bytes, verdict: "SEAL_QUORUM_MISSING" };
}

/** The same content, or nearly, in a form that no encoder writes. */
function otherwiseEncoded(receipt: Receipt): readonly ReceiptSample[] {
  const bytes = encodeReceipt(receipt);
  const decoded = decodeCbor(bytes, bytes.length);
  const fields = decoded.ok && decoded.value instanceof Map ? decoded.value : new Map();
  const final: readonly CborValue[] = fields.get(5);
  const path = present(receipt.final, "final part").channel.path;
  const consistency = receipt.final?.consistency ?? [];
  const rewritten = (changes: readonly (readonly [number, CborValue])[]): Uint8Array =>
    encodeCbor(new Map([...fields, ...changes]));
  const rows: readonly (readonly [label: string, verdict: string, bytes: Uint8Array])[] = [
    ["cut off", "CBOR_MALFORMED", bytes.subarray(0, -1)],
    ["a byte too many", "CBOR_MALFORMED", Uint8Array.of(...bytes, 0)],
    ["of version 2", "RECEIPT_VERSION_UNKNOWN", rewritten([[0, "tamga-receipt/2"]])],
    ["an unknown field", "FIELD_UNKNOWN", rewritten([[6, null]])],
    ["a shared hash written out", "FIELD_BAD", rewritten([[5, final.with(4, consistency)]])],
    ["a shared hash that is none", "FIELD_BAD", rewritten([[5, final.with(4, [path.length])]])],
    ["a key id of 5 bytes", "FIELD_TOO_LONG", rewritten([[5, final.with(2, wideKeyId(final[2]))]])],
  ];
  return rows.map(([label, verdict, changed]) => {
    return { name: label, policy: "one", bytes: changed, verdict };
  });
}

function wideKeyId(evidence: CborValue | undefined): CborValue {
  const items: readonly CborValue[] = Array.isArray(evidence) ? evidence : [];
  return items.with(3, [[new Uint8Array(5), 0, new Uint8Array(64), new Uint8Array(64)]]);
}

function otherPath(path: readonly Digest[] | undefined): readonly Digest[] {
  return [digestOf("another node"), ...(path ?? []).slice(1)];
}

function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.with(0, (bytes[0] ?? 0) ^ 1);
}
