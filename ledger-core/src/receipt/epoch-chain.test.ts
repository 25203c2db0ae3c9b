import { describe, expect, test } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { pointOf, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import type { BoundaryOptions, Member } from "../../../test/support/synthetic-epochs.ts";
import { SyntheticEpochs } from "../../../test/support/synthetic-epochs.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { quorumOf } from "../base/quorum.ts";
import { unixMillis } from "../base/time.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { followEpochs } from "./epoch-chain.ts";
import type { EpochItem } from "./epochs-file.ts";
import { encodeEpochs, parseEpochs } from "./epochs-file.ts";
import { epochsBytesMax, epochsMax } from "./limits.ts";

const site = new SyntheticChannel({ validators: 4 });
site.seal({ logSize: 20 });
const fresh = (label: string, organisation = label): Member => ({
  name: name(label),
  organisation: name(organisation),
  key: createKey("EdDSA"),
});
const fifth = fresh("validator-5", "organisation-5");
const members = new SyntheticEpochs(site).members;
const five: readonly Member[] = [...members, fifth];

function verdict(boundaries: readonly EpochItem[], policy = site.policy): string {
  const followed = followEpochs(nodeCrypto, policy, boundaries);
  return followed.ok ? "valid" : followed.fault.code;
}

/** The verdict on one boundary after the genesis. */
function judge(options: BoundaryOptions, next: readonly Member[] = five): string {
  return verdict([new SyntheticEpochs(site).boundary(next, options)]);
}

describe("an epochs file", () => {
  test("without a change leaves the trust policy's validators", () => {
    const followed = followEpochs(nodeCrypto, site.policy, []);
    expect(followed).toMatchObject({ ok: true, value: { epochs: [{ epoch: 0, quorum: 3 }] } });
  });

  test("is followed over sets of any size, by both crypto ports", () => {
    const chain = new SyntheticEpochs(site);
    const seven = [...five, fresh("validator-6"), fresh("validator-7")];
    chain.end(five, { size: 20n });
    chain.end(seven, { size: 20n });
    chain.end(seven.slice(6), { size: 31n });
    const parsed = parseEpochs(encodeEpochs(chain.boundaries));
    const boundaries = parsed.ok ? parsed.value : [];
    for (const crypto of [nodeCrypto, nobleCrypto]) {
      expect(followEpochs(crypto, site.policy, boundaries)).toMatchObject({
        ok: true,
        value: {
          epochs: [
            { epoch: 0, from: 0n, until: 20n, quorum: 3 },
            {
              ...{ epoch: 1, from: 20n, until: 20n, quorum: 4 },
              appointed: { finalizedBy: 3, finalizedOf: 4, approvedBy: 4, height: 100 },
            },
            { epoch: 2, from: 20n, until: 31n, quorum: 5, appointed: { approvedBy: 5 } },
            { epoch: 3, from: 31n, quorum: 1, organisations: ["validator-7"] },
          ],
        },
      });
    }
    expect(verdict(boundaries.slice(0, 2))).toBe("valid");
    expect(verdict(boundaries.slice(1))).toBe("EPOCH_OUT_OF_ORDER");
    expect(verdict(boundaries.toReversed())).toBe("EPOCH_OUT_OF_ORDER");
    expect(verdict(boundaries, new SyntheticChannel({ validators: 4 }).policy)).toBe(
      "EPOCH_CERTIFICATE_WRONG",
    );
  });

  test("with a boundary proposed again in a later view is the same boundary", () => {
    expect(judge({ ballot: { view: 4_000, parentView: 3_999 } })).toBe("valid");
  });

  test("refuses any flipped bit, wherever it is", () => {
    const alone = new SyntheticChannel();
    const chain = new SyntheticEpochs(alone);
    const before = chain.members;
    chain.end([...before, fifth]);
    chain.end(before);
    const bytes = encodeEpochs(chain.boundaries);
    const taken: number[] = [];
    for (let at = 0; at < bytes.length; at++) {
      const mask = 1 << (at % 8);
      const parsed = parseEpochs(bytes.with(at, (bytes[at] ?? 0) ^ mask));
      if (parsed.ok && followEpochs(nodeCrypto, alone.policy, parsed.value).ok) taken.push(at);
    }
    expect(taken).toEqual([]);
    expect(bytes.length).toBeGreaterThan(1_000);
  });
});

describe("a boundary is refused", () => {
  test("of another channel, with another predecessor, or that is none", () => {
    expect(judge({ header: { channel: nodeCrypto.sha256(new Uint8Array(1)) } })).toBe(
      "EPOCH_OTHER_CHANNEL",
    );
    const chain = new SyntheticEpochs(site);
    const one = chain.boundary(five);
    chain.end(members);
    const after = chain.boundary(five);
    expect(verdict([...chain.boundaries, after])).toBe("valid");
    expect(verdict([one, after])).toBe("EPOCH_PREVIOUS_WRONG");
    const plain = decodeCbor(one.header, one.header.length);
    const fields = new Map(plain.ok && plain.value instanceof Map ? plain.value : []);
    fields.delete(14);
    expect(verdict([{ ...one, header: encodeCbor(fields) }])).toBe("EPOCH_NO_BOUNDARY");
    expect(verdict([{ ...one, header: one.header.subarray(1) }])).toBe("EPOCH_HEADER_MALFORMED");
  });

  test("that goes back in height, time or size", () => {
    const chain = new SyntheticEpochs(site);
    chain.end(five, { size: 30n });
    const next = (header: BoundaryOptions["header"]) =>
      verdict([
        ...chain.boundaries,
        chain.boundary(members, { size: 30n, ...(header && { header }) }),
      ]);
    expect(next(undefined)).toBe("valid");
    expect(next({ height: 100 })).toBe("EPOCH_WENT_BACK");
    expect(next({ time: unixMillis(1_779_999_999_999) })).toBe("EPOCH_WENT_BACK");
    expect(next({ logSize: 29n })).toBe("EPOCH_WENT_BACK");
  });

  test("without a finalization of itself by a quorum of the present set", () => {
    expect(judge({ ballot: { kind: "notarize" } })).toBe("EPOCH_NOT_FINAL");
    expect(judge({ ballot: { digest: site.policy.channelId } })).toBe("EPOCH_NOT_FINAL");
    for (const voters of [[0, 1], [0, 1, 1], [2, 1, 0], [0, 1, 4], []])
      expect(judge({ voters }), String(voters)).toBe("EPOCH_CERTIFICATE_WRONG");
    expect(judge({ voters: [1, 2, 3] })).toBe("valid");
    const one = new SyntheticEpochs(site).boundary(five);
    const { finalization } = one;
    const swapped = finalization.signatures.toReversed();
    for (const wrong of [
      { ...finalization, signatures: swapped },
      { ...finalization, signatures: finalization.signatures.slice(1) },
      { ...finalization, epoch: 1 },
    ])
      expect(verdict([{ ...one, finalization: wrong }])).toBe("EPOCH_CERTIFICATE_WRONG");
  });

  test("by the new set's own quorum, which has nothing to say yet", () => {
    const usurpers = ["a", "b", "c", "d"].map((label) => fresh(label));
    const chain = new SyntheticEpochs(site);
    chain.members = usurpers;
    expect(verdict([chain.boundary(usurpers)])).toBe("EPOCH_CERTIFICATE_WRONG");
  });

  test("with too few approvals, or bad ones", () => {
    for (const approvers of [[], [0, 1, 2]])
      expect(judge({ approvers })).toBe("EPOCH_APPROVALS_MISSING");
    expect(judge({ approvers: [0, 1, 2, 3, 4] })).toBe("valid");
    expect(judge({ approvers: [0, 1, 3, 2] })).toBe("EPOCH_APPROVAL_WRONG");
    expect(judge({ approvers: [0, 1, 1, 2] })).toBe("EPOCH_APPROVAL_WRONG");
    expect(judge({ approvedEpoch: 2 })).toBe("EPOCH_APPROVAL_WRONG");
    const chain = new SyntheticEpochs(site);
    const signature = new Uint8Array(64);
    const boundary = {
      validators: [{ ...fifth, publicKey: pointOf(fifth.key) }],
      previous: site.policy.channelId,
      approvals: [{ index: 1, signature }],
    };
    expect(verdict([chain.boundary([], { header: { boundary } })])).toBe("EPOCH_APPROVAL_WRONG");
  });

  test("with a set that cannot be one", () => {
    expect(judge({}, [])).toBe("EPOCH_SET_EMPTY");
    expect(judge({}, [fifth, { ...fifth, key: createKey("EdDSA") }])).toBe("EPOCH_NAME_REPEATED");
    expect(judge({}, [fifth, { ...fifth, name: name("validator-6") }])).toBe("EPOCH_KEY_REPEATED");
    const identity = new Uint8Array(32).with(0, 1);
    const weak = { ...fifth.key, publicKey: { algorithm: "EdDSA", point: identity } } as const;
    expect(judge({}, [{ ...fifth, key: weak }])).toBe("EPOCH_KEY_BAD");
  });
});

describe("limits", () => {
  test("epochsMax changes are followed, and one more is refused unread", () => {
    const alone = new SyntheticChannel();
    const chain = new SyntheticEpochs(alone);
    const [one] = chain.members;
    const other = fresh("other");
    for (let i = 0; i < epochsMax; i++) chain.end([i % 2 === 0 ? other : present(one, "member")]);
    const parsed = parseEpochs(encodeEpochs(chain.boundaries));
    const followed = parsed.ok && followEpochs(nodeCrypto, alone.policy, parsed.value);
    expect(followed).toMatchObject({ ok: true });
    chain.end([other]);
    expect(parseEpochs(encodeEpochs(chain.boundaries))).toMatchObject({
      fault: { code: "FIELD_TOO_LONG" },
    });
    expect(quorumOf(1)).toBe(1);
  });

  test("epochsBytesMax, versions and foreign files", () => {
    expect(parseEpochs(new Uint8Array(epochsBytesMax + 1))).toMatchObject({
      fault: { code: "CBOR_TOO_LONG", limit: epochsBytesMax },
    });
    const file = (magic: string) =>
      encodeCbor(
        new Map<number, string | []>([
          [0, magic],
          [1, []],
        ]),
      );
    expect(parseEpochs(file("tamga-epochs/1"))).toEqual({ ok: true, value: [] });
    expect(parseEpochs(file("tamga-epochs/2"))).toMatchObject({
      fault: { code: "EPOCHS_VERSION_UNKNOWN", found: "tamga-epochs/2" },
    });
    expect(parseEpochs(file("tamga-receipt/1"))).toMatchObject({ fault: { code: "FIELD_BAD" } });
  });
});
