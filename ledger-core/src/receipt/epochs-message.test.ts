import { describe, expect, test } from "vitest";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { SyntheticEpochs } from "../../../test/support/synthetic-epochs.ts";
import { present } from "../base/assert.ts";
import { headerBytesMax } from "../consensus/limits.ts";
import type { BoundaryProof } from "./epochs-file.ts";
import { encodeEpochsMessage, epochsMessages, parseEpochsMessage } from "./epochs-message.ts";
import { boundariesPerMessageMax, epochsMax, epochsMessageBytesMax } from "./limits.ts";

const site = new SyntheticChannel({ validators: 4 });
const chain = new SyntheticEpochs(site);
const proof = chain.end(chain.members);
const many = (count: number, one: BoundaryProof = proof) =>
  Array.from({ length: count }, () => one);

function parsed(bytes: Uint8Array) {
  const message = parseEpochsMessage(bytes);
  if (!message.ok) throw new Error(message.fault.code);
  return message.value;
}

function fault(bytes: Uint8Array): string {
  const message = parseEpochsMessage(bytes);
  return message.ok ? "accepted" : message.fault.code;
}

describe("what a gateway tells of changes of validators", () => {
  test("is nothing where there are none, or none since", () => {
    expect(epochsMessages([], 0)).toEqual([]);
    expect(epochsMessages(chain.boundaries, 1)).toEqual([]);
  });

  test("comes in parts of so many, each of which says where it belongs", () => {
    const total = 2 * boundariesPerMessageMax + 3;
    const messages = epochsMessages(many(total), 1);
    expect(messages.map(({ until }) => until)).toEqual([65, 129, total]);
    const read = messages.map(({ bytes }) => parsed(bytes));
    expect(read.map(({ from, boundaries }) => [from, boundaries.length])).toEqual([
      [1, 64],
      [65, 64],
      [129, 2],
    ]);
    for (const message of read) {
      expect(message.total).toBe(total);
      expect(message.boundaries[0]).toEqual(proof);
    }
  });

  test("and of so many bytes, with room for the biggest change", () => {
    const huge = { ...proof, header: new Uint8Array(headerBytesMax) };
    const messages = epochsMessages(many(16, huge), 0);
    expect(messages.map(({ until }) => until)).toEqual([7, 14, 16]);
    for (const { bytes } of messages) expect(parsed(bytes).boundaries[0]).toEqual(huge);
    const tooBig = encodeEpochsMessage({ total: 16, from: 0, boundaries: many(8, huge) });
    expect(tooBig.length).toBeGreaterThan(epochsMessageBytesMax);
    expect(fault(tooBig)).toBe("CBOR_TOO_LONG");
  });

  test("is refused with more changes than it says, or than there may be", () => {
    const of = (total: number, from: number, count: number) =>
      fault(encodeEpochsMessage({ total, from, boundaries: many(count) }));
    expect(of(3, 1, 2)).toBe("accepted");
    expect(of(3, 2, 2)).toBe("FIELD_BAD");
    expect(of(epochsMax, 0, boundariesPerMessageMax)).toBe("accepted");
    expect(of(epochsMax, 0, boundariesPerMessageMax + 1)).toBe("FIELD_TOO_LONG");
    expect(of(epochsMax + 1, 0, 1)).toBe("FIELD_BAD");
    expect(
      fault(present(epochsMessages(chain.boundaries, 0)[0], "one").bytes.subarray(1)),
    ).not.toBe("accepted");
  });
});
