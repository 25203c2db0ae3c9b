import { describe, expect, test } from "vitest";
import { createKey, day } from "../../../test/support/certificate-builder.ts";
import type { SealedHead } from "../../../test/support/synthetic-channel.ts";
import { issueReceipt, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { utf8 } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { Receipt } from "./receipt.ts";
import { encodeReceipt, parseReceipt } from "./receipt.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { verifyGateway } from "./verify-gateway.ts";
import { verifyReceipt } from "./verify-receipt.ts";

type Final = NonNullable<Receipt["final"]>;

/** `valid` or the code that the command prints first. */
function verdict(policy: TrustPolicy, bytes: Uint8Array): string {
  const receipt = parseReceipt(bytes);
  return receipt.ok ? judge(policy, receipt.value) : receipt.fault.code;
}

function judge(policy: TrustPolicy, receipt: Receipt): string {
  const verified = verifyReceipt(nodeCrypto, policy, receipt);
  return verified.ok ? "valid" : verified.fault.code;
}

/** The verdict of both implementations of the crypto port, which must be one. */
function judgeTwice(policy: TrustPolicy, receipt: Receipt): string {
  const code = judge(policy, receipt);
  const portable = verifyReceipt(nobleCrypto, policy, receipt);
  expect(portable.ok ? "valid" : portable.fault.code, "native and portable differ").toBe(code);
  return code;
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

const random = (text: string): Digest => nodeCrypto.sha256(utf8(text));
const finalOf = (receipt: Receipt): Final => present(receipt.final, "final part");

function withFinal(receipt: Receipt, more: Partial<Final>): Receipt {
  return { ...receipt, final: { ...finalOf(receipt), ...more } };
}

function withChannel(receipt: Receipt, more: Partial<Final["channel"]>): Receipt {
  return withFinal(receipt, { channel: { ...finalOf(receipt).channel, ...more } });
}

describe("a true receipt", () => {
  test.each([
    [1, 1],
    [4, 3],
    [7, 5],
  ])("of %i validators verifies with %i cosignatures", (validators, quorum) => {
    const channel = new SyntheticChannel({ validators });
    const receipt = issueReceipt(channel);
    const again = parseReceipt(encodeReceipt(receipt));
    expect(judgeTwice(channel.policy, present(again.ok ? again.value : undefined, "parsed"))).toBe(
      "valid",
    );
    expect(finalOf(receipt).channel.seals).toHaveLength(quorum);
  });

  test("names hashes that its two paths in the channel's log share, and takes no other form", () => {
    const channel = new SyntheticChannel();
    channel.log.fillTo(1_000_000);
    const { size, root } = channel.log.head();
    const { statement } = channel.bundle({ position: { checkpoint: { size, root } } });
    const index = channel.admit(statement);
    channel.log.fillTo(1_000_060);
    const receipt = channel.receipt(index, channel.seal(), { consistencyFrom: Number(size) });
    const bytes = encodeReceipt(receipt);
    expect(parseReceipt(bytes)).toEqual({ ok: true, value: receipt });
    expect(verdict(channel.policy, bytes)).toBe("valid");
    const file = decodeCbor(bytes, bytes.length);
    const fields = file.ok && file.value instanceof Map ? file.value : new Map();
    const { channel: evidence, consistency = [] } = finalOf(receipt);
    const written: readonly CborValue[] = fields.get(5)[4];
    const shared = written.flatMap((item, i) => (typeof item === "number" ? [[item, i]] : []));
    expect(shared.length).toBeGreaterThan(5);
    const [position = 0, at = 0] = present(shared[0], "shared hash");
    expect(consistency[at]).toEqual(evidence.path[position]);
    const rewrite = (items: readonly CborValue[]) => {
      const final = [...fields.get(5).slice(0, 4), items];
      return verdict(channel.policy, encodeCbor(new Map([...fields, [5, final]])));
    };
    expect(rewrite(written)).toBe("valid");
    expect(rewrite(written.with(at, evidence.path[position] ?? null))).toBe("FIELD_BAD");
    expect(rewrite(written.with(at, evidence.path.length))).toBe("FIELD_BAD");
    expect(rewrite(written.with(at, -1))).toBe("FIELD_BAD");
    expect(rewrite(written.with(at, position + 1))).toBe("RECEIPT_CONSISTENCY_WRONG");
    expect(rewrite(Array.from({ length: 66 }, () => 0))).toBe("FIELD_TOO_LONG");
  });

  test("tells what was verified", () => {
    const channel = new SyntheticChannel({ validators: 4, keyKind: "pkcs11" });
    const verified = verifyReceipt(nodeCrypto, channel.policy, issueReceipt(channel));
    if (!verified.ok) throw new Error(verified.fault.code);
    const { signer, reading, lane, final, gateway, claims } = verified.value;
    expect(signer).toMatchObject({ role: "device", name: "device-1", keyKind: "pkcs11" });
    expect(signer.validityNotes).toEqual([]);
    expect(reading?.reading.source.id).toBe("E0000000000000001");
    expect(gateway).toMatchObject({ gateway: "gateway-1", organisation: "organisation-1" });
    expect(lane).toMatchObject({ index: 1n, size: 3n });
    expect(final?.head.seal.organisations).toEqual([
      "organisation-1",
      "organisation-2",
      "organisation-3",
    ]);
    expect(claims.kind).toBe("bundle");
  });

  test("is no later than the (f+1)th lowest cosignature time", () => {
    const times = [1_800_000_000, 5, 1_780_000_777];
    const channel = new SyntheticChannel({ validators: 4, cosignedAt: (i) => times[i] ?? 0 });
    const verified = verifyReceipt(nodeCrypto, channel.policy, issueReceipt(channel));
    // One liar of four may say 5: the next one up counts.
    expect(verified.ok && verified.value.final?.notAfter).toBe(1_780_000_777_000);
  });

  test.each(["gap", "start", "heartbeat"] as const)("may be about a %s statement", (kind) => {
    const channel = new SyntheticChannel();
    const index = channel.admit(channel.statement(kind));
    expect(judgeTwice(channel.policy, channel.receipt(index, channel.seal()))).toBe("valid");
  });

  test("may be about a rejection, which the gateway signed", () => {
    const channel = new SyntheticChannel();
    const index = channel.admit(channel.rejection());
    const receipt = channel.receipt(index, channel.seal(), { signer: channel.gateway });
    const verified = verifyReceipt(nodeCrypto, channel.policy, receipt);
    expect(verified.ok && verified.value.signer.role).toBe("gateway");
    expect(verified.ok && verified.value.claims).toMatchObject({ code: "SEQUENCE_CONFLICT" });
  });

  test("outlives its device's certificate, with a note", () => {
    const channel = new SyntheticChannel({ deviceNotAfter: day("2025-06-01") });
    const verified = verifyReceipt(nodeCrypto, channel.policy, issueReceipt(channel));
    expect(verified.ok && verified.value.signer.validityNotes).toMatchObject([
      { role: "leaf", state: "expired", commonName: "device-1" },
    ]);
  });

  test.each(["EdDSA", "PS256"] as const)("may have a device key of %s", (algorithm) => {
    const channel = new SyntheticChannel({ deviceKey: createKey(algorithm) });
    expect(judge(channel.policy, issueReceipt(channel))).toBe("valid");
  });

  test("names its origin by incarnation in a channel that was opened anew", () => {
    const channel = new SyntheticChannel({ reopened: true });
    expect(channel.policy.origin).toMatch(/\/[0-9a-f]{32}$/);
    expect(judge(channel.policy, issueReceipt(channel))).toBe("valid");
  });

  // The budget of 4 KB holds at one validator and everyday logs; the rest is what the paths cost.
  test.each([
    { validators: 1, lane: 1_000, log: 4_000, bytesMax: 4_096 },
    { validators: 4, lane: 1_000, log: 4_000, bytesMax: 4_600 },
    { validators: 1, lane: 1_000_000, log: 1_000_000, bytesMax: 4_800 },
    { validators: 4, lane: 1_000_000, log: 1_000_000, bytesMax: 5_400 },
  ])("for one reading of 512 is at most $bytesMax bytes: $validators, $lane, $log", (size) => {
    const channel = new SyntheticChannel({ validators: size.validators });
    channel.lane.fillTo(Math.floor(0.7 * size.lane));
    channel.log.fillTo(Math.floor(0.9 * size.log));
    const checkpoint = channel.log.head();
    const reading = present(channel.bundle().readings[0], "sample");
    const readings = Array.from({ length: 512 }, () => reading);
    const bundle = channel.bundle({ readings, position: { checkpoint } });
    const index = channel.admit(bundle.statement);
    channel.lane.fillTo(size.lane);
    const receipt = channel.receipt(index, channel.seal({ logSize: size.log }), {
      disclosed: bundle.disclose(300),
      consistencyFrom: Number(checkpoint.size),
    });
    const bytes = encodeReceipt(receipt);
    expect(verdict(channel.policy, bytes)).toBe("valid");
    expect(receipt.lane.path).toHaveLength(Math.ceil(Math.log2(size.lane)));
    expect(bytes.length).toBeLessThanOrEqual(size.bytesMax);
  });
});

describe("a receipt that no validator sealed", () => {
  const channel = new SyntheticChannel();
  const { final: _, ...provisional } = issueReceipt(channel);
  const { gateway, policy } = channel;
  const evidence = { gateway: gateway.name, chain: gateway.chain };
  const known = verifyGateway(nodeCrypto, policy, evidence);

  test("is refused", () => {
    expect(judge(policy, provisional)).toBe("RECEIPT_NOT_FINAL");
  });

  test("is taken as the gateway's word where the caller names the gateway", () => {
    if (!known.ok) throw new Error(known.fault.code);
    const options = { provisionalUnder: known.value };
    const verified = verifyReceipt(nodeCrypto, policy, provisional, options);
    expect(verified.ok && verified.value.final).toBeUndefined();
    const lane = { ...provisional.lane, signature: flip(provisional.lane.signature, 9) };
    const wrong = verifyReceipt(nodeCrypto, policy, { ...provisional, lane }, options);
    expect(wrong.ok || wrong.fault.code).toBe("LANE_SIGNATURE_WRONG");
    const short = { ...provisional, lane: { ...lane, signature: lane.signature.slice(1) } };
    expect(verifyReceipt(nodeCrypto, policy, short, options)).toMatchObject({
      fault: { code: "LANE_SIGNATURE_WRONG", cause: { code: "LOG_SIGNATURE_LENGTH" } },
    });
    const foreign = { ...provisional.lane, gateway: channel.device.name };
    const other = verifyReceipt(nodeCrypto, policy, { ...provisional, lane: foreign }, options);
    expect(other.ok || other.fault.code).toBe("RECEIPT_OTHER_LANE");
  });
});

test("a receipt by a revoked key says why, since when, and when its checkpoint was sealed", () => {
  const deviceKey = createKey("ES256");
  const kid = thumbprint((bytes) => nodeCrypto.sha256(bytes), deviceKey.publicKey);
  const since = 1_780_000_000_000n;
  const clean = new SyntheticChannel({ deviceKey });
  const verified = verifyReceipt(nodeCrypto, clean.policy, issueReceipt(clean));
  const channel = new SyntheticChannel({ deviceKey, revoked: [{ kid, reason: 1, since }] });
  expect(verifyReceipt(nodeCrypto, channel.policy, issueReceipt(channel))).toEqual({
    ok: false,
    fault: {
      code: "REVOCATION_KEY_REVOKED",
      reason: "compromised",
      since,
      sealed: verified.ok && verified.value.final?.notAfter,
    },
  });
});

describe("a receipt with one bit flipped is never valid", () => {
  test.each([1, 4])("under %i validators", (validators) => {
    const channel = new SyntheticChannel({
      validators,
      revoked: [1, 200].map((byte) => ({
        kid: random(`revoked ${byte}`),
        reason: 1,
        since: 1_780_000_000_000n,
      })),
    });
    const bytes = encodeReceipt(issueReceipt(channel));
    expect(verdict(channel.policy, bytes)).toBe("valid");
    const passed: number[] = [];
    for (let byte = 0; byte < bytes.length; byte++) {
      for (const bit of everyBit ? [0, 1, 2, 3, 4, 5, 6, 7] : [byte % 8])
        if (verdict(channel.policy, flip(bytes, 8 * byte + bit)) === "valid") passed.push(byte);
    }
    expect(passed).toEqual([]);
  });
});

/** Eight times the work; one bit a byte is the routine. */
const everyBit = process.env["TAMGA_EVERY_BIT"] === "1";

/** A false receipt and the policy that it is judged under. */
type Mutant = readonly [code: string, what: string, make: () => readonly [TrustPolicy, Receipt]];

/** Makes mutants out of a fresh channel's true receipt. */
function mutant(
  code: string,
  what: string,
  change: (receipt: Receipt, channel: SyntheticChannel) => Receipt,
  options: ConstructorParameters<typeof SyntheticChannel>[0] = {},
): Mutant {
  return [
    code,
    what,
    () => {
      const channel = new SyntheticChannel(options);
      return [channel.policy, change(issueReceipt(channel), channel)];
    },
  ];
}

/** A receipt for a statement that the lane took although nobody should have. */
function admitted(channel: SyntheticChannel, statement: Uint8Array): [Receipt, SealedHead] {
  const index = channel.admit(statement);
  const head = channel.seal();
  return [channel.receipt(index, head), head];
}

const mutants: readonly Mutant[] = [
  mutant("RECEIPT_STATEMENT_MALFORMED", "statement is no CBOR", (receipt) => ({
    ...receipt,
    statement: utf8("statement"),
  })),
  mutant("RECEIPT_STATEMENT_TYPE_WRONG", "statement is a lane head", (receipt) => ({
    ...receipt,
    statement: finalOf(receipt).laneHead,
  })),
  mutant("RECEIPT_OTHER_CHANNEL", "receipt of another channel", () =>
    issueReceipt(new SyntheticChannel({ channel: "wool" })),
  ),
  mutant("RECEIPT_LANE_PATH_MALFORMED", "lane path a hash too short", (receipt) => ({
    ...receipt,
    lane: { ...receipt.lane, path: receipt.lane.path.slice(1) },
  })),
  mutant("RECEIPT_NOT_IN_LANE", "lane path of another leaf", (receipt, { lane }) => ({
    ...receipt,
    lane: { ...receipt.lane, path: [random("other"), ...lane.inclusion(1).slice(1)] },
  })),
  mutant("RECEIPT_NOT_IN_LANE", "statement that the lane does not hold", (receipt, channel) => ({
    ...receipt,
    statement: channel.bundle({ position: { range: { first: 99n, count: 2 } } }).statement,
  })),
  mutant("RECEIPT_OTHER_LANE", "another gateway's name", (receipt, { device }) => ({
    ...receipt,
    lane: { ...receipt.lane, gateway: device.name },
  })),
  mutant("RECEIPT_OTHER_LANE", "another incarnation of the lane", (receipt) => ({
    ...receipt,
    lane: { ...receipt.lane, incarnation: new Uint8Array(16) },
  })),
  mutant("RECEIPT_OTHER_LANE", "leaf 4 of 5 passed off as 1 of 2", (_, channel) => {
    const first = channel.admit(channel.statement("gap"));
    expect(first).toBe(3);
    const index = channel.admit(channel.statement("start"));
    const receipt = channel.receipt(index, channel.seal());
    expect([receipt.lane.size, receipt.lane.path.length]).toEqual([5n, 1]);
    return { ...receipt, lane: { ...receipt.lane, index: 1n, size: 2n } };
  }),
  mutant("SEAL_COSIGNATURE_WRONG", "lane head 4 of 5 passed off as 1 of 2", (_, channel) => {
    channel.log.fillTo(4);
    const index = channel.admit(channel.statement("start"));
    const receipt = channel.receipt(index, channel.seal());
    expect(finalOf(receipt).channel).toMatchObject({ index: 4n, size: 5n });
    return withChannel(receipt, { index: 1n, size: 2n });
  }),
  mutant("LANE_SIGNATURE_WRONG", "head and lane of different sizes", (receipt, channel) => {
    channel.admit(channel.statement("gap"));
    const { laneSignature: signature } = channel.seal();
    return { ...receipt, lane: { ...receipt.lane, signature } };
  }),
  mutant("RECEIPT_OTHER_LANE", "lane of one size under a head of another", (receipt, channel) => {
    channel.admit(channel.statement("gap"));
    const head = channel.seal();
    const later = channel.receipt(1, head);
    return { ...later, lane: { ...receipt.lane, signature: head.laneSignature } };
  }),
  mutant("RECEIPT_CHAIN_BAD", "no device certificate", (receipt) => ({
    ...receipt,
    deviceChain: [],
  })),
  mutant("RECEIPT_CHAIN_BAD", "device certificate of another CA", (receipt) => ({
    ...receipt,
    deviceChain: new SyntheticChannel().device.chain,
  })),
  mutant("RECEIPT_NAME_MISMATCH", "the gateway's certificate", (receipt, { gateway }) => ({
    ...receipt,
    deviceChain: gateway.chain,
  })),
  mutant("RECEIPT_SIGNATURE_WRONG", "signature with a flipped bit", (_, channel) => {
    const { statement } = channel.bundle();
    return admitted(channel, flip(statement, 8 * statement.length - 3))[0];
  }),
  mutant("RECEIPT_SIGNATURE_WRONG", "signature of another key", (_, channel) => {
    const key = createKey("ES256");
    const by = { ...channel.device, key };
    return admitted(channel, channel.bundle({ by }).statement)[0];
  }),
  mutant("RECEIPT_READING_UNEXPECTED", "reading beside a heartbeat", (receipt, channel) => {
    const [other] = admitted(channel, channel.statement("heartbeat"));
    return { ...other, disclosed: present(receipt.disclosed, "reading") };
  }),
  mutant("RECEIPT_READING_NOT_IN_BUNDLE", "reading with another value", (receipt) => {
    const disclosed = present(receipt.disclosed, "reading");
    return { ...receipt, disclosed: { ...disclosed, reading: flip(disclosed.reading, 77) } };
  }),
  mutant("RECEIPT_READING_NOT_IN_BUNDLE", "reading past the count", (receipt) => {
    const disclosed = present(receipt.disclosed, "reading");
    return { ...receipt, disclosed: { ...disclosed, index: 2 } };
  }),
  mutant("RECEIPT_READING_MALFORMED", "signed bytes that are no reading", (_, channel) => {
    const bundle = channel.bundle({ readings: [utf8("reading")] });
    return { ...admitted(channel, bundle.statement)[0], disclosed: bundle.disclose(0) };
  }),
  mutant("LANE_HEAD_MALFORMED", "lane head is no CBOR", (receipt) =>
    withFinal(receipt, { laneHead: utf8("head") }),
  ),
  mutant("LANE_HEAD_TYPE_WRONG", "a heartbeat for a lane head", (receipt, channel) =>
    withFinal(receipt, { laneHead: channel.statement("heartbeat") }),
  ),
  mutant("LANE_HEAD_OTHER_CHANNEL", "lane head of another channel", (receipt) => {
    const { laneHead } = new SyntheticChannel({ channel: "wool" }).seal();
    return withFinal(receipt, { laneHead });
  }),
  mutant("LANE_HEAD_PATH_MALFORMED", "no path in the channel's log", (receipt) =>
    withChannel(receipt, { path: [] }),
  ),
  mutant("LANE_HEAD_PATH_MALFORMED", "a log of no leaves", (receipt) =>
    withChannel(receipt, { index: 0n, size: 0n, path: [] }),
  ),
  mutant("SEAL_COSIGNATURE_WRONG", "lane head that was not ordered", (receipt, channel) => {
    channel.admit(channel.statement("gap"));
    const { channel: evidence } = finalOf(receipt);
    return withFinal(receipt, { laneHead: channel.seal().laneHead, channel: evidence });
  }),
  mutant(
    "LANE_HEAD_SIGNATURE_WRONG",
    "lane head with a flipped bit, ordered",
    (receipt, channel) => {
      const { laneHead } = finalOf(receipt);
      const wrong = flip(laneHead, 8 * laneHead.length - 3);
      const evidence = channel.evidence(channel.log.append(wrong));
      return withFinal(receipt, { laneHead: wrong, channel: evidence });
    },
  ),
  mutant("LANE_SIGNATURE_WRONG", "lane root signed by another gateway", (receipt) => {
    const other = new SyntheticChannel();
    return { ...receipt, lane: { ...receipt.lane, signature: other.seal().laneSignature } };
  }),
  mutant("GATEWAY_CHAIN_BAD", "gateway certificate of another CA", (receipt) =>
    withFinal(receipt, { gatewayChain: new SyntheticChannel().gateway.chain }),
  ),
  mutant("GATEWAY_NAME_MISMATCH", "the device's certificate", (receipt, { device }) =>
    withFinal(receipt, { gatewayChain: device.chain }),
  ),
  mutant("RECEIPT_NAME_MISMATCH", "rejection under the device's certificate", (_, channel) => {
    return admitted(channel, channel.rejection())[0];
  }),
  mutant("RECEIPT_CONSISTENCY_MISSING", "no path from the named checkpoint", (receipt) => {
    const { consistency: _, ...final } = finalOf(receipt);
    return { ...receipt, final };
  }),
  mutant("RECEIPT_CONSISTENCY_UNEXPECTED", "a path, and no named checkpoint", (_, channel) => {
    const [receipt] = admitted(channel, channel.bundle().statement);
    return withFinal(receipt, { consistency: [] });
  }),
  mutant("RECEIPT_CONSISTENCY_WRONG", "checkpoint of another history", (_, channel) => {
    const checkpoint = { size: 1n, root: random("forked") };
    const index = channel.admit(channel.bundle({ position: { checkpoint } }).statement);
    return channel.receipt(index, channel.seal(), { consistencyFrom: 1 });
  }),
];

describe("a false receipt is refused by its own code", () => {
  test.each(mutants)("%s: %s", (code, _, make) => {
    const [policy, receipt] = make();
    expect(judgeTwice(policy, receipt)).toBe(code);
  });

  test("RECEIPT_VERSION_UNKNOWN, CBOR_MALFORMED, CBOR_TOO_LONG: a file of another form", () => {
    const channel = new SyntheticChannel();
    const bytes = encodeReceipt(issueReceipt(channel));
    const magic = bytes.indexOf("/".charCodeAt(0));
    const later = bytes.slice();
    later[magic + 1] = "2".charCodeAt(0);
    expect(verdict(channel.policy, later)).toBe("RECEIPT_VERSION_UNKNOWN");
    expect(verdict(channel.policy, bytes.subarray(0, -1))).toBe("CBOR_MALFORMED");
    expect(verdict(channel.policy, new Uint8Array(65_537))).toBe("CBOR_TOO_LONG");
  });
});
