import { describe, expect, test } from "vitest";
import { fixedKey } from "../../../test/support/fixed-key.ts";
import { issueReceipt, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { buildConsistency, buildInclusion } from "../log/proof-builder.ts";
import type { Seal } from "../wire/downlink-message.ts";
import { logSignatureBytesMax, validatorsMax } from "../wire/limits.ts";
import type { Receipt } from "./receipt.ts";
import { encodeReceipt, parseReceipt } from "./receipt.ts";
import { encodeReceiptFile } from "./receipt-file.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const million = 2 ** 20;

/** Inner nodes that differ from each other, as those of a true log do. */
const node = (level: number, index: number) => nodeCrypto.sha256(utf8(`${level}/${index}`));

/** A receipt under four validators out of logs of these sizes; of its form alone, it does not verify. */
function receiptOf(
  lane: number,
  log: { readonly size: number; readonly checkpoint: number },
): Receipt {
  const channel = new SyntheticChannel({ validators: 4, keyKind: "pkcs11", createKey: fixedKey });
  const reading = new Uint8Array(180);
  const readings = Array.from({ length: 512 }, () => reading);
  const checkpoint = { size: BigInt(log.checkpoint), root: node(64, 0) };
  const previous = node(64, 1);
  const bundle = channel.bundle({ readings, position: { checkpoint, previous } });
  const index = channel.admit(bundle.statement);
  const receipt = channel.receipt(index, channel.seal(), { disclosed: bundle.disclose(200) });
  const final = present(receipt.final, "final part");
  const [inLane, inLog] = [lane - 50, log.size - 1];
  return {
    ...receipt,
    lane: {
      ...receipt.lane,
      index: BigInt(inLane),
      size: BigInt(lane),
      path: buildInclusion(hasher, node, { index: inLane, size: lane }),
    },
    final: {
      ...final,
      channel: {
        ...final.channel,
        index: BigInt(inLog),
        size: BigInt(log.size),
        path: buildInclusion(hasher, node, { index: inLog, size: log.size }),
      },
      consistency: buildConsistency(hasher, node, { size1: log.checkpoint, size2: log.size }),
    },
  };
}

describe("a receipt file", () => {
  test("has at most 4,096 bytes under four validators, of logs of a million leaves each", () => {
    // Trees of 2^20 leaves have the longest paths; the device's checkpoint is a minute old.
    for (const size of [1_000_000, million]) {
      const receipt = receiptOf(size, { size, checkpoint: size - 61 });
      expect(encodeReceipt(receipt).length).toBeLessThanOrEqual(4_096);
    }
  });

  test("has so many packed, where its checkpoint is half the log ago and nothing is shared", () => {
    const receipt = receiptOf(million, { size: million, checkpoint: million / 2 - 1 });
    const final = present(receipt.final, "final part");
    expect([final.channel.path.length, final.consistency?.length]).toEqual([20, 21]);
    expect(encodeReceipt(receipt).length).toBeGreaterThan(4_096);
    const file = encodeReceiptFile(receipt);
    expect(file.length).toBeLessThanOrEqual(4_096);
    expect(parseReceipt(file)).toEqual({ ok: true, value: receipt });
  });
});

describe("seals", () => {
  const receipt = issueReceipt(new SyntheticChannel());
  const final = present(receipt.final, "final part");
  const seal = present(final.channel.seals[0], "seal");
  const parse = (seals: readonly Seal[]): string => {
    const changed = { ...receipt, final: { ...final, channel: { ...final.channel, seals } } };
    const parsed = parseReceipt(encodeReceipt(changed));
    return parsed.ok ? "parsed" : parsed.fault.code;
  };

  test("have signatures up to their limit, room for ML-DSA-44", () => {
    for (const form of ["cosignature", "logSignature"]) {
      const of = (length: number) => [{ ...seal, [form]: new Uint8Array(length) }];
      expect(parse(of(logSignatureBytesMax))).toBe("parsed");
      expect(parse(of(logSignatureBytesMax + 1))).toBe("FIELD_TOO_LONG");
    }
  });

  test("are as many as validators may be", () => {
    expect(parse(Array.from({ length: validatorsMax }, () => seal))).toBe("parsed");
    expect(parse(Array.from({ length: validatorsMax + 1 }, () => seal))).toBe("FIELD_TOO_LONG");
  });

  test("state their time in whole seconds", () => {
    expect(parse([{ ...seal, timeSeconds: Number.MAX_SAFE_INTEGER }])).toBe("parsed");
    expect(parse([{ ...seal, timeSeconds: -1 }])).toBe("FIELD_BAD");
  });
});
