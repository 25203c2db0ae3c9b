/** Statements that no honest device sends: each answered by its code, an honest device served all along. */

import { randomBytes } from "node:crypto";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { RejectionClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { bodyBytesMax, messageBytesMax } from "@tamga/ledger-core/wire/limits";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bomb,
  malleated,
  withDuplicateKey,
  withHeader,
  wronglySigned,
} from "../support/forged-statements.ts";
import { HonestDevice } from "../support/honest-device.ts";
import type { TestDevice } from "../support/test-device.ts";
import { TestSite } from "../support/test-site.ts";
import type { Made } from "../support/test-stream.ts";
import { compress, wrap } from "../support/test-stream.ts";
import { digestOf, name } from "../support/wire-samples.ts";

/** What the gateway's memory may grow by over all of this: buffers, caches, the collector's slack. */
const residentGrowthMax = 160 * 1_024 * 1_024;

let site: TestSite;
let honest: HonestDevice;
let mallory: TestDevice;
let residentBefore = 0;

beforeAll(async () => {
  site = await TestSite.start();
  const [first, second] = await site.enrolMany(["honest", "mallory"]);
  if (first === undefined || second === undefined) throw new Error("two devices");
  await first.connect(site.mqttPort);
  mallory = second;
  await mallory.connect(site.mqttPort);
  honest = new HonestDevice(first);
  await honest.proveAlive();
  residentBefore = site.residentBytes();
});

afterAll(async () => site.close());

/** Publishes without remembering it, waits for the rejection's final receipt. */
async function rejectionOf(made: Pick<Made, "payload" | "identity">): Promise<RejectionClaims> {
  await mallory.publish("statement", made.payload);
  for (;;) {
    const answer = await mallory.untilReceived(() => mallory.answerOf(made.identity));
    if (answer.kind !== "rejected") throw new Error(`it was ${answer.kind}`);
    if (answer.final) return answer.rejection;
    await mallory.untilMore();
  }
}

const key = () => mallory.keys.signing.key;

const forgeries: readonly (readonly [string, string, () => Made | Promise<Made>])[] = [
  ["a wrong signature", "SIGNATURE_WRONG", () => wronglySigned(mallory.stream().start())],
  [
    "a key that the site does not know",
    "UPLINK_KEY_UNKNOWN",
    () => mallory.stream().start({ kid: digestOf("nobody's key") }),
  ],
  [
    "another device's name",
    "UPLINK_FOREIGN_ISSUER",
    () => mallory.stream().start({ device: name("honest") }),
  ],
  [
    "another channel's name",
    "UPLINK_FOREIGN_ISSUER",
    () => mallory.stream().start({ channel: name("other") }),
  ],
  [
    "a bundle without its body",
    "UPLINK_BODY_MISSING",
    () => mallory.stream().bundle(2, { body: null }),
  ],
  [
    "a start with a body",
    "UPLINK_BODY_UNEXPECTED",
    () => mallory.stream().start({ body: compress(new Uint8Array(9)) }),
  ],
  [
    "a count that its body does not have",
    "BODY_COUNT_WRONG",
    () => mallory.stream().bundle(2, { count: 3 }),
  ],
  [
    "a root that its body does not have",
    "BODY_ROOT_WRONG",
    () => mallory.stream().bundle(2, { root: digestOf("another root") }),
  ],
  [
    "a body that is no list of readings",
    "BODY_MALFORMED",
    () =>
      mallory
        .stream()
        .bundle(2, { body: compress(utf8("a text, of which no byte begins a list of readings")) }),
  ],
  [
    "a body that is not brotli",
    "BODY_ENCODING_BAD",
    () =>
      mallory.stream().bundle(1, {
        body: { encoding: "brotli", length: 64, bytes: new Uint8Array(64).fill(0xff) },
      }),
  ],
  [
    "4 GiB of zeros declared as 1,000 bytes",
    "BODY_BOMB",
    async () => mallory.stream().bundle(2, { body: await bomb(256, 1_000) }),
  ],
  [
    "4 GiB of zeros declared as the most that is allowed",
    "BODY_BOMB",
    async () => mallory.stream().bundle(2, { body: await bomb(256, bodyBytesMax) }),
  ],
];

/** What cannot be read as a statement is named by the digest of its bytes. */
const garbage: readonly (readonly [string, string, () => Promise<Unreadable> | Unreadable])[] = [
  ["bytes that are no CBOR", "CBOR_MALFORMED", () => message(new Uint8Array(300).fill(0xff))],
  ["nothing at all", "CBOR_MALFORMED", () => message(new Uint8Array(0))],
  [
    "a truncated message",
    "CBOR_MALFORMED",
    () => message(mallory.stream().start().payload.slice(0, -1)),
  ],
  [
    "a truncated statement",
    "CBOR_MALFORMED",
    () => statement(mallory.stream().start().statement.slice(0, -1)),
  ],
  [
    "a map key twice",
    "CBOR_MALFORMED",
    () => statement(withDuplicateKey(mallory.stream().start(), key()).statement),
  ],
  [
    "an algorithm that nobody speaks",
    "STATEMENT_ALGORITHM_UNKNOWN",
    () =>
      statement(
        withHeader(mallory.stream().start(), key(), { label: 1, value: -65_535 }).statement,
      ),
  ],
  [
    "a kind from the future",
    "STATEMENT_TYPE_UNKNOWN",
    () => {
      const value = "application/vnd.tamga.bundle.v2+cbor";
      return statement(withHeader(mallory.stream().start(), key(), { label: 16, value }).statement);
    },
  ],
  [
    "a body declared as 4 GiB",
    "FIELD_BAD",
    async () => {
      const body = await bomb(1, 4 * 1_024 * 1_024 * 1_024);
      return message(mallory.stream().bundle(2, { body }).payload);
    },
  ],
];

type Unreadable = Pick<Made, "payload" | "identity">;

function message(payload: Uint8Array): Unreadable {
  return { payload, identity: nodeCrypto.sha256(payload) };
}

function statement(bytes: Uint8Array): Unreadable {
  return { payload: wrap(bytes).payload, identity: nodeCrypto.sha256(bytes) };
}

describe("a statement that is refused", () => {
  test.each(forgeries)("%s: %s, in the lane, with its place", async (_what, code, forge) => {
    const made = await forge();
    const rejection = await rejectionOf(made);
    expect(rejection).toMatchObject({ device: "mallory", code });
    // A foreign name says nothing about a place in this device's streams.
    const isPlaced = code !== "UPLINK_FOREIGN_ISSUER";
    expect(rejection.position?.range).toEqual(isPlaced ? made.range : undefined);
    await honest.proveAlive();
  });

  test.each(garbage)("%s: %s, by digest alone", async (_what, code, make) => {
    const rejection = await rejectionOf(await make());
    expect(rejection).toMatchObject({ device: "mallory", code });
    expect(rejection.position).toBeUndefined();
    await honest.proveAlive();
  });

  test("does not keep the true one out afterwards", async () => {
    const made = mallory.stream().start();
    expect((await rejectionOf(wronglySigned(made))).code).toBe("SIGNATURE_WRONG");
    await mallory.send(made);
    await mallory.untilReceived(() => (isFinal(made) ? true : undefined));
    expect(mallory.answerTo(made)?.kind).toBe("final");
  });
});

const isFinal = (made: Made) => mallory.answerTo(made)?.kind === "final";

const counted = async (what: string) =>
  (await site.metrics()).get(`tamga_gateway_${what}_total{channel="readings"}`) ?? Number.NaN;

describe("a statement that comes again", () => {
  test("is acknowledged and stored once, also under the other valid signature", async () => {
    const stream = mallory.stream();
    const bundle = stream.bundle(4);
    await mallory.send(bundle);
    const first = await mallory.until(bundle, "final");
    const rejections = await counted("rejections");
    const duplicates = await counted("duplicates");
    const other = malleated(bundle);
    expect(other.identity).toEqual(bundle.identity);
    expect(toHex(other.statement)).not.toBe(toHex(bundle.statement));
    for (const again of [bundle, other, other]) await mallory.publish("statement", again.payload);
    expect(await counted("duplicates")).toBe(duplicates + 3);
    expect(await counted("rejections")).toBe(rejections);
    // The next new statement shows where the lane has got to for this device.
    const next = stream.bundle(1);
    await mallory.send(next);
    const second = await mallory.until(next, "final");
    if (first.kind !== "final" || second.kind !== "final") throw new Error("both are final");
    const receipts = mallory.received.proof.flatMap(({ entries }) =>
      entries.filter(
        (entry) => toHex(entry.incarnation) === toHex(stream.incarnation) && entry.first === 0n,
      ),
    );
    expect(new Set(receipts.map((entry) => entry.leafIndex))).toEqual(new Set([first.leafIndex]));
    expect(receipts.every((entry) => entry.rejection === undefined)).toBe(true);
  });

  test("with other content is a conflict: quarantined, rejected once, and counted", async () => {
    const { conflicts, quarantineBytes } = (await site.status()).lane;
    const stream = mallory.stream();
    const bundle = stream.bundle(4);
    await mallory.send(bundle);
    await mallory.until(bundle, "final");
    const same = stream.bundle(4, { first: 0n });
    const partly = stream.bundle(2, { first: 3n });
    expect((await rejectionOf(same)).code).toBe("SEQUENCE_CONFLICT");
    expect((await rejectionOf(partly)).code).toBe("SEQUENCE_CONFLICT");
    await mallory.publish("statement", same.payload);
    const { lane } = await site.status();
    expect(lane.conflicts).toBe(conflicts + 2);
    expect(lane.quarantineBytes).toBe(
      quarantineBytes + same.payload.length + partly.payload.length,
    );
    const receipt = await site.receipt(mallory.name, stream.incarnation, 1n);
    expect(receipt.length).toBeGreaterThan(0);
  });
});

describe("the quarantine", () => {
  test("keeps digest and count once a device has used up its bytes", async () => {
    const before = (await site.status()).lane;
    const messages = Array.from({ length: 20 }, () => {
      const bytes = new Uint8Array(randomBytes(messageBytesMax));
      // No CBOR begins so; what follows makes each another one.
      bytes[0] = 0xff;
      return message(bytes);
    });
    for (const one of messages) expect((await rejectionOf(one)).code).toBe("CBOR_MALFORMED");
    const { lane } = await site.status();
    expect(lane.refused).toBe(before.refused + messages.length);
    expect(lane.quarantineDropped).toBeGreaterThan(0);
    expect(lane.quarantineBytes).toBeLessThanOrEqual(16 * 1_024 * 1_024);
    expect((await fetch(`${site.http}/healthz`)).status).toBe(503);
  });
});

describe("after all of it", () => {
  test("the honest device was served throughout, and the gateway's memory is bounded", async () => {
    await honest.proveAlive();
    const report = await honest.stop();
    expect(report.failure).toBeUndefined();
    expect(report.latenciesMs.length).toBeGreaterThan(10);
    expect(site.residentBytes() - residentBefore).toBeLessThan(residentGrowthMax);
    expect(site.isRunning).toBe(true);
  });
});
