import { describe, expect, test } from "vitest";
import { monotonicMillis } from "../base/time.ts";
import { Fetching } from "./fetching.ts";
import type { Fetch } from "./message.ts";

const wants: readonly Fetch[] = [{ type: "fetch-heights", from: 1 }];
const of = (self: number | undefined, size: number) => ({ self, size });

/** Asks as often as it may; says whom, and how long it waits for the answer. */
function rounds(fetching: Fetching, { likely = 2, self = 0, size = 4, count = 6 }) {
  const asked: (readonly [to: number | undefined, waitMs: number])[] = [];
  let now = 1_000;
  for (let round = 0; round < count; round++) {
    const question = fetching.ask(
      monotonicMillis(now),
      { key: "k", wants, likely },
      of(self, size),
    );
    asked.push([question?.to, (fetching.at ?? now) - now]);
    now = Math.ceil(fetching.at ?? now);
  }
  return asked;
}

describe("Fetching", () => {
  test("asks the likeliest peer first, then each of the others in turn, never itself", () => {
    const asked = rounds(new Fetching(100), { likely: 2 });
    expect(asked.map(([to]) => to)).toEqual([2, 3, 1, 1, 2, 3]);
  });

  test("waits longer each time, up to sixteen times as long", () => {
    const asked = rounds(new Fetching(100), { count: 14 });
    const waits = asked.map(([, waitMs]) => waitMs);
    expect(waits.slice(0, 3)).toEqual([100, 150, 225]);
    expect(Math.max(...waits)).toBe(1_600);
    expect(waits.at(-1)).toBe(1_600);
  });

  test("asks nothing while an answer is waited for", () => {
    const fetching = new Fetching(100);
    const ask = (now: number, key = "k") =>
      fetching.ask(monotonicMillis(now), { key, wants, likely: 2 }, of(0, 4));
    expect(ask(0)).toEqual({ to: 2, wants });
    expect(ask(99)).toBeUndefined();
    expect(ask(100)).toEqual({ to: 3, wants });
  });

  test("asks at once for something else, and begins anew", () => {
    const fetching = new Fetching(100);
    rounds(fetching, { count: 3 });
    const question = fetching.ask(
      monotonicMillis(1_300),
      { key: "other", wants, likely: 1 },
      of(0, 4),
    );
    expect(question?.to).toBe(1);
    expect(fetching.at).toBe(1_400);
    fetching.stop();
    expect(fetching.at).toBeUndefined();
    expect(rounds(fetching, { count: 2 }).map(([to]) => to)).toEqual([2, 3]);
  });

  test("skips itself, and asks nobody where there is nobody else", () => {
    expect(rounds(new Fetching(100), { likely: 3, self: 3, count: 1 })[0]?.[0]).toBe(0);
    expect(rounds(new Fetching(100), { likely: 0, self: 0, size: 1, count: 1 })[0]?.[0]).toBe(
      undefined,
    );
    const follower = new Fetching(100).ask(
      monotonicMillis(0),
      { key: "k", wants, likely: 0 },
      of(undefined, 1),
    );
    expect(follower?.to).toBe(0);
  });
});
