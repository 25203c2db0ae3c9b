import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { channelId } from "../../../test/support/peer-consortium.ts";
import type { PeerFrame, PeerUrgency } from "./network.ts";
import { PeerQueue, votesInRowMax } from "./queue.ts";

const channel = channelId("main");
const frame = (urgency: PeerUrgency, size: number, mark = 0): PeerFrame => ({
  channel,
  payload: new Uint8Array(size).fill(mark),
  urgency,
});
const limits = { queueFramesMax: 6, queueBytesMax: 100 };
const steps = fc.array(
  fc.oneof(
    fc.record({
      urgency: fc.constantFrom<PeerUrgency>("vote", "bulk"),
      size: fc.integer({ min: 1, max: 100 }),
    }),
    fc.constant("shift" as const),
  ),
  { maxLength: 60 },
);

describe("PeerQueue", () => {
  test("does what lists do that forget the oldest bulk, then the oldest vote", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const queue = new PeerQueue(limits);
        const model: Record<PeerUrgency, PeerFrame[]> = { vote: [], bulk: [] };
        const gone: PeerFrame[] = [];
        const bytes = () =>
          [...model.vote, ...model.bulk].reduce((sum, { payload }) => sum + payload.length, 0);
        for (const step of script) {
          if (step === "shift") {
            const expected = model.vote[0] ?? model.bulk[0];
            if (expected !== undefined) model[expected.urgency].shift();
            expect(queue.shift()).toBe(expected);
          } else {
            const pushed = frame(step.urgency, step.size);
            model[step.urgency].push(pushed);
            while (model.vote.length + model.bulk.length > 6 || bytes() > 100) {
              const oldest = model.bulk.shift() ?? model.vote.shift();
              if (oldest !== undefined) gone.push(oldest);
            }
            queue.push(pushed);
          }
          expect(queue.frames).toBe(model.vote.length + model.bulk.length);
          expect(queue.bytes).toBe(bytes());
          expect(queue.bytes).toBeLessThanOrEqual(limits.queueBytesMax);
          expect(queue.dropped.bulk + queue.dropped.vote).toBe(gone.length);
        }
      }),
    );
  });

  test("lets bulk through a flood of votes", () => {
    const queue = new PeerQueue({ queueFramesMax: 1_000, queueBytesMax: 1_000_000 });
    queue.push(frame("bulk", 10));
    for (let vote = 0; vote < 200; vote++) queue.push(frame("vote", 1));
    let turns = 1;
    while (queue.shift()?.urgency === "vote") turns++;
    expect(turns).toBe(votesInRowMax + 1);
  });

  test("drops the bulk that was just given where only votes are before it", () => {
    const queue = new PeerQueue(limits);
    for (let vote = 0; vote < 6; vote++) queue.push(frame("vote", 1, vote));
    expect(queue.push(frame("bulk", 1))).toBe(1);
    expect(queue.push(frame("vote", 1, 9))).toBe(1);
    expect(queue.dropped).toEqual({ vote: 1, bulk: 1 });
    expect(queue.shift()?.payload[0]).toBe(1);
    queue.clear();
    expect([queue.frames, queue.bytes]).toEqual([0, 0]);
  });
});
