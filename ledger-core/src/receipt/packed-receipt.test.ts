import { describe, expect, test } from "vitest";
import { receiptSamples } from "../../../test/support/receipt-samples.ts";
import { issueReceipt, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { encodePackedReceipt, packedReceiptMagic } from "./packed-receipt.ts";
import type { Receipt } from "./receipt.ts";
import { encodeReceipt, parseReceipt } from "./receipt.ts";
import { encodeReceiptFile, receiptFileBytesAim } from "./receipt-file.ts";
import { verifyReceipt } from "./verify-receipt.ts";

const channel = new SyntheticChannel({ validators: 4 });
const receipt = issueReceipt(channel);

function repacked(one: Receipt): Receipt {
  const parsed = parseReceipt(encodePackedReceipt(one));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value;
}

describe("a packed receipt", () => {
  test("is the same receipt in fewer bytes, true ones and false ones", () => {
    let packed = 0;
    for (const { name, bytes } of receiptSamples) {
      const plain = parseReceipt(bytes);
      if (!plain.ok) continue;
      expect(toHex(encodeReceipt(repacked(plain.value))), name).toBe(toHex(bytes));
      expect(encodePackedReceipt(plain.value).length, name).toBeLessThan(bytes.length);
      packed++;
    }
    expect(packed).toBeGreaterThan(20);
  });

  test("holds chains that cannot be read, and statements that are none", () => {
    const garbage = new Uint8Array(300).fill(0x30);
    const final = present(receipt.final, "final part");
    for (const odd of [
      { ...receipt, deviceChain: [] },
      { ...receipt, deviceChain: [garbage, ...receipt.deviceChain], statement: garbage },
      { ...receipt, lane: { ...receipt.lane, path: [] } },
      { ...receipt, final: { ...final, gatewayChain: [garbage], laneHead: new Uint8Array(0) } },
    ])
      expect(toHex(encodeReceipt(repacked(odd)))).toBe(toHex(encodeReceipt(odd)));
  });

  test("with any bit flipped is never valid", () => {
    const bytes = encodePackedReceipt(receipt);
    const taken: number[] = [];
    for (let at = 0; at < bytes.length; at++) {
      const parsed = parseReceipt(bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8))));
      if (parsed.ok && verifyReceipt(nodeCrypto, channel.policy, parsed.value).ok) taken.push(at);
    }
    expect(taken).toEqual([]);
    expect(verifyReceipt(nodeCrypto, channel.policy, repacked(receipt)).ok).toBe(true);
  });

  test("of another version, or with fields that are none, is refused", () => {
    const file = (magic: string) => parseReceipt(encodeCbor(new Map([[0, magic]])));
    expect(file("tamga-packed-receipt/2")).toEqual({
      ok: false,
      fault: { code: "RECEIPT_VERSION_UNKNOWN", found: "tamga-packed-receipt/2" },
    });
    expect(file(packedReceiptMagic)).toMatchObject({ fault: { code: "FIELD_MISSING" } });
  });
});

test("a receipt's file is plain up to 4 KB, so that any verifier reads it, and packed past them", () => {
  expect(encodeReceiptFile(receipt)).toEqual(encodeReceipt(receipt));
  const long = (more: number): Receipt => {
    const disclosed = present(receipt.disclosed, "reading");
    const reading = new Uint8Array(disclosed.reading.length + more);
    return { ...receipt, disclosed: { ...disclosed, reading } };
  };
  // The encoding of a longer reading has a longer head too.
  let room = receiptFileBytesAim - encodeReceipt(receipt).length - 8;
  while (encodeReceipt(long(room)).length < receiptFileBytesAim) room++;
  expect(encodeReceiptFile(long(room))).toEqual(encodeReceipt(long(room)));
  expect(encodeReceiptFile(long(room + 1))).toEqual(encodePackedReceipt(long(room + 1)));
});
