/** Random lives of an outbox against an oracle that remembers every reading and every sent byte. */

import { randomBytes } from "node:crypto";
import { assert, present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { outboxQuotaMin } from "../limits.ts";
import { assertOutboxCovers } from "./coverage.ts";
import type { OutboxConfig } from "./outbox.ts";
import { whenFullPolicies } from "./outbox.ts";
import { OutboxTestBed, readingsOf } from "./outbox-test-bed.ts";

type Operation =
  | { readonly type: "journal"; readonly count: number; readonly size: number }
  | { readonly type: "close" | "heartbeat" | "gaps" | "disconnect" | "restart" }
  | { readonly type: "send" | "provisional" | "final" | "reject"; readonly count: number }
  | { readonly type: "want"; readonly first: number; readonly count: number };

const count = fc.integer({ min: 1, max: 25 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("journal" as const),
      count,
      size: fc.constantFrom(10, 8_000, 8_000),
    }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("close" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom(
        "heartbeat" as const,
        "gaps" as const,
        "disconnect" as const,
        "restart" as const,
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom(
        "send" as const,
        "provisional" as const,
        "final" as const,
        "reject" as const,
      ),
      count,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("want" as const), first: fc.nat({ max: 60 }), count }),
  },
);

/** What was sent: its exact bytes by where it stands, for ever. */
class Oracle {
  readonly kept = new Map<string, string>();
  readonly sent = new Map<string, string>();
  /** Asked for again: what has lost its body by then is listed as lost, under any policy. */
  readonly wanted = new Set<string>();
  readonly known: number[] = [];

  static key(incarnation: Uint8Array, sequence: bigint | number): string {
    return `${toHex(incarnation)}/${sequence}`;
  }
}

/** What the lives of one policy came to, so that a test of nothing is seen. */
type Reached = { settled: boolean; missing: boolean };

async function live(
  operations: readonly Operation[],
  config: OutboxConfig,
  reached: Reached,
): Promise<void> {
  const bed = await OutboxTestBed.create(config);
  const oracle = new Oracle();
  try {
    await bed.start();
    for (const step of operations) {
      await apply(bed, oracle, step, config);
      bed.outbox.flush();
      const covered = assertOutboxCovers(bed.database);
      reached.settled ||= covered.settled > 0;
      reached.missing ||= covered.statedMissing > 0;
      expect(bed.failure).toBeUndefined();
      expect(bed.countedBytes(config)).toBe(bed.outbox.status().usedBytes);
      expect(bed.outbox.status().usedBytes).toBeLessThanOrEqual(config.quota);
    }
    if (config.whenFull === "stop") expectKept(bed, oracle);
  } finally {
    bed.remove();
  }
}

async function apply(
  bed: OutboxTestBed,
  oracle: Oracle,
  step: Operation,
  config: OutboxConfig,
): Promise<void> {
  const { outbox, current } = bed;
  switch (step.type) {
    case "journal": {
      const contents = Array.from({ length: step.count }, () => randomBytes(step.size));
      const { range, durable } = bed.journal(contents);
      outbox.flush();
      // Under `stop` the oldest of a batch are kept; the others are counted.
      const kept = await durable;
      for (const [i, bytes] of contents.slice(0, kept).entries()) {
        oracle.kept.set(Oracle.key(current.incarnation, range.first + BigInt(i)), toHex(bytes));
      }
      break;
    }
    case "close":
      await outbox.closeBundle(current, 2n ** 50n);
      break;
    case "heartbeat":
      await outbox.heartbeat(current, { clock: "rtc" });
      break;
    case "gaps":
      await outbox.stateGaps();
      break;
    case "disconnect":
      outbox.disconnected();
      break;
    case "restart":
      bed.crash(config);
      await bed.start();
      break;
    case "want": {
      const { stream, incarnation } = current;
      const ranges = [{ first: BigInt(step.first), count: step.count }];
      for (let i = 0; i < step.count; i++) {
        oracle.wanted.add(Oracle.key(incarnation, step.first + i));
      }
      await outbox.requeue([{ stream, incarnation, ranges }]);
      break;
    }
    case "send":
      for (const statement of outbox.nextToSend({ room: step.count })) {
        const key = Oracle.key(statement.incarnation, statement.range.first);
        const { message } = statement;
        const bytes = toHex(statement.bytes) + toHex(message.body?.bytes ?? new Uint8Array());
        expect(oracle.sent.get(key) ?? bytes).toBe(bytes);
        oracle.sent.set(key, bytes);
        for (const [i, reading] of readingsOf(message.body).entries()) {
          const at = Oracle.key(statement.incarnation, statement.range.first + BigInt(i));
          expect(oracle.kept.get(at)).toBe(toHex(reading));
        }
        oracle.known.push(statement.id);
        outbox.acknowledged(statement.id);
      }
      break;
    case "provisional":
      await outbox.markProvisional(oracle.known.splice(0, step.count));
      break;
    case "final": {
      const root = nodeCrypto.sha256(new Uint8Array());
      await outbox.markFinal(oracle.known.splice(0, step.count), { size: 1n, root });
      break;
    }
    case "reject": {
      const ids = oracle.known.splice(0, step.count);
      await outbox.markRejected(ids.map((id) => ({ id, rejection: randomBytes(80) })));
      break;
    }
  }
}

/** Under `stop` a reading that was kept leaves only by a final receipt. */
function expectKept(bed: OutboxTestBed, oracle: Oracle): void {
  const settled = bed.database
    .prepare<[], { incarnation: Uint8Array; first: number; count: number }>(
      "SELECT incarnation, first, count FROM settled JOIN run ON run.id = settled.run",
    )
    .all();
  const runs = bed.database
    .prepare<[], { id: number; incarnation: Uint8Array }>("SELECT id, incarnation FROM run")
    .all();
  const ids = new Map(runs.map(({ id, incarnation }) => [toHex(incarnation), id]));
  for (const key of oracle.kept.keys()) {
    const [hex = "", text = ""] = key.split("/");
    const sequence = Number(text);
    const id = ids.get(hex);
    // A run of which all was final is forgotten.
    if (id === undefined) continue;
    const free = settled.some(
      ({ incarnation, first, count: n }) =>
        toHex(incarnation) === hex && first <= sequence && sequence < first + n,
    );
    const row = bed.database
      .prepare<[number, number, number, number], number>(
        `SELECT (SELECT count(*) FROM journal WHERE run = ? AND sequence = ?)
         + (SELECT count(*) FROM statement WHERE run = ? AND kind = 0
            AND ? BETWEEN first AND first + count - 1)`,
      )
      .pluck()
      .get(id, sequence, id, sequence);
    // The bundle of a wanted reading reaches up to a bundle's length beyond it.
    const wanted = Array.from({ length: 15 }, (_, i) => `${hex}/${sequence - 7 + i}`).some((near) =>
      oracle.wanted.has(near),
    );
    if (wanted && present(row, "count") === 0) continue;
    assert(free !== (present(row, "count") === 1), `reading ${key} is in one place`);
  }
}

test.each(whenFullPolicies)(
  "nothing is lost or doubled with when_full = %s",
  { timeout: 300_000 },
  async (whenFull) => {
    const config = {
      quota: outboxQuotaMin,
      whenFull,
      maxCount: 8,
      maxBytes: 65_536,
      journalAfterMs: 5,
    };
    const reached = { settled: false, missing: false };
    const operations = fc.array(operation, { minLength: 60, maxLength: 90, size: "max" });
    await fc.assert(
      fc.asyncProperty(operations, (list) => live(list, config, reached)),
      // A life takes half a second: shrinking one would take minutes.
      { numRuns: 6, endOnFailure: true },
    );
    expect(reached).toEqual({ settled: true, missing: true });
  },
);
