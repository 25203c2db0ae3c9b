import { describe, expect, it } from "vitest";
import { ManualClock } from "./manual-clock.ts";

const signal = new AbortController().signal;

describe("ManualClock", () => {
  it("wakes sleepers in the order of their times, and only those that are due", async () => {
    const clock = new ManualClock(1000);
    const woken: string[] = [];
    const note = (name: string, ms: number) =>
      clock.sleep(ms, { signal }).then(() => woken.push(`${name}@${clock.now()}`));
    const all = [note("late", 30), note("early", 10)];
    const never = note("never", 31);
    await clock.advance(30);
    await Promise.all(all);
    expect(woken).toEqual(["early@1010", "late@1030"]);
    expect(clock.sleeperCount).toBe(1);
    await clock.advance(1);
    await never;
    expect(clock.monotonic()).toBe(31);
  });

  it("rejects with the signal's reason and forgets the sleeper", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const sleeping = clock.sleep(10, { signal: controller.signal });
    controller.abort("stop");
    await expect(sleeping).rejects.toBe("stop");
    expect(clock.sleeperCount).toBe(0);
    await expect(clock.sleep(1, { signal: controller.signal })).rejects.toBe("stop");
  });

  it("steps the wall clock without moving the monotonic one", () => {
    const clock = new ManualClock(5000);
    clock.stepTo(0);
    expect(clock.now()).toBe(0);
    expect(clock.monotonic()).toBe(0);
    expect(clock.random()).toBe(0.5);
  });
});
