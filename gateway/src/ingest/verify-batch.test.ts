import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { StatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import {
  encodeStatementMessage,
  parseStatementMessage,
} from "@tamga/ledger-core/wire/uplink-message";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { identifier } from "../lane/lane-fixture.ts";
import { statementMessageViews } from "./message-views.ts";
import type { Verdict, VerifyJob } from "./verify-batch.ts";
import { packAnswer, packBatch, unpackAnswer, unpackBatch } from "./verify-batch.ts";

const digest = (text: string) => nodeCrypto.sha256(Buffer.from(text));
const publicKey = { algorithm: "ES256", point: new Uint8Array(65).fill(4) } as const;
const sender = (device: string) => ({
  channel: identifier("readings"),
  device: identifier(device),
  keys: [{ kid: digest(device), publicKey, chain: [new Uint8Array(900)] }],
});

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(23, 24, 255, 256, 65_535).map((length) => new Uint8Array(length).fill(length)),
);
const messages: fc.Arbitrary<StatementMessage> = fc.record(
  {
    statement: bytes,
    body: fc.record({
      encoding: fc.constantFrom("identity" as const, "brotli" as const),
      length: fc.nat(4 * 1_024 * 1_024),
      bytes: fc.oneof(bytes, fc.constant(new Uint8Array(70_000).fill(7))),
    }),
  },
  { requiredKeys: ["statement"] },
);

describe("views of a message", () => {
  test("are what the parser takes out of it, without a copy", () => {
    fc.assert(
      fc.property(messages, (message) => {
        const encoded = encodeStatementMessage(message);
        const parsed = parseStatementMessage(encoded);
        const views = statementMessageViews(encoded);
        expect(parsed).toEqual({ ok: true, value: views });
        expect(views.statement.buffer).toBe(encoded.buffer);
      }),
      { numRuns: 300 },
    );
  });

  test("are not made of anything else", () => {
    const encoded = encodeStatementMessage({ statement: new Uint8Array(5) });
    for (const wrong of [encoded.subarray(1), encoded.subarray(0, 3), new Uint8Array(0)]) {
      expect(() => statementMessageViews(wrong)).toThrow();
    }
  });
});

describe("a batch", () => {
  const one = sender("meter-1");
  const jobs: readonly VerifyJob[] = [one, sender("meter-2"), one].map((from, i) => {
    const body = { encoding: "brotli", length: 9, bytes: new Uint8Array(3).fill(i) } as const;
    const statement = new Uint8Array(10 + i).fill(i);
    return {
      payload: encodeStatementMessage(i === 1 ? { statement } : { statement, body }),
      sender: from,
    };
  });

  test("brings every message with its sender, and a sender once, without certificates", () => {
    const batch = structuredClone(packBatch(7, jobs));
    expect(batch.senders).toHaveLength(2);
    const unpacked = unpackBatch(batch);
    expect(unpacked.map(({ payload }) => payload)).toEqual(jobs.map(({ payload }) => payload));
    expect(unpacked.map((job) => job.sender.device)).toEqual(["meter-1", "meter-2", "meter-1"]);
    expect(unpacked[0]?.sender.keys).toEqual([{ kid: digest("meter-1"), publicKey }]);
  });

  test("is answered in order, faults and the largest numbers too", () => {
    const position = {
      stream: identifier("p1"),
      incarnation: new Uint8Array(16).fill(255),
      range: { first: 2n ** 64n - 1n, count: 4_096 },
    };
    const verdicts: readonly Verdict[] = jobs.map(({ payload }, i) =>
      i === 1
        ? { ok: false, fault: { code: "SIGNATURE_WRONG", digest: digest("x"), position } }
        : {
            ok: true,
            value: {
              ...statementMessageViews(payload),
              identity: digest(String(i)),
              type: i === 0 ? "bundle" : "heartbeat",
              position,
            },
          },
    );
    const answer = structuredClone(packAnswer(7, verdicts));
    expect(unpackAnswer(answer, jobs)).toEqual(verdicts);
  });
});
