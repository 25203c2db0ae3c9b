/** When a lost peer is dialled again: ever later, up to a limit, and soon after a nudge. */

import { describe, expect, test } from "vitest";
import { ManualClock } from "../daemon/manual-clock.ts";
import { PeerDialler } from "./dialler.ts";
import { peerLimits } from "./limits.ts";

const { redialMsMin, redialMsMax, outsideMsMax, keepAliveMs } = peerLimits;
const address = { kind: "address", address: { host: "127.0.0.1", port: 1 } } as const;

/** A dialler in virtual time, and when it dialled. Every wait is its longest. */
class Dialling implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly times: number[] = [];
  failures = 0;
  answers = false;
  isLinked = false;
  isOutside = false;
  readonly dialler: PeerDialler;
  readonly #end = new AbortController();
  readonly #run: Promise<unknown>;

  constructor(chance = 1) {
    this.clock = new ManualClock(0, () => chance);
    this.dialler = new PeerDialler({
      clock: this.clock,
      limits: peerLimits,
      targets: () => (this.isLinked ? [] : [address]),
      hasLink: () => this.isLinked,
      isOutside: () => this.isOutside,
      dial: () => {
        this.times.push(this.clock.monotonic());
        this.isLinked = this.answers;
        return Promise.resolve(this.answers);
      },
      failed: () => {
        this.failures++;
      },
    });
    this.#run = this.dialler.run({ signal: this.#end.signal }).catch(() => undefined);
  }

  /** It has dialled once, and waits. */
  async begun(): Promise<this> {
    await this.clock.advance(0);
    return this;
  }

  get waits(): readonly number[] {
    return this.times.slice(1).map((time, at) => time - (this.times[at] ?? 0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#run;
  }
}

describe("a peer that does not answer", () => {
  test("is dialled after twice as long each time, up to redialMsMax, and each round is counted", async () => {
    await using one = await new Dialling().begun();
    await one.clock.advance(10 * redialMsMax);
    const { waits } = one;
    expect(waits[0]).toBe(2 * redialMsMin);
    for (const [at, wait] of waits.entries())
      expect(wait).toBe(Math.min(redialMsMax, redialMsMin * 2 ** (at + 1)));
    expect(waits.at(-1)).toBe(redialMsMax);
    expect(waits.filter((wait) => wait === redialMsMax).length).toBeGreaterThan(3);
    expect(one.failures).toBe(one.times.length);
  });

  test("is dialled after half of that at least, whatever chance says", async () => {
    await using one = await new Dialling(0).begun();
    await one.clock.advance(10 * redialMsMax);
    expect(one.waits.at(-1)).toBe(redialMsMax / 2);
    expect(Math.min(...one.waits)).toBeGreaterThanOrEqual(redialMsMin);
  });

  test("is dialled every outsideMsMax at least while this node waits to be admitted", async () => {
    await using one = await new Dialling().begun();
    one.isOutside = true;
    await one.clock.advance(10 * outsideMsMax);
    expect(Math.max(...one.waits)).toBe(outsideMsMax);
    one.isOutside = false;
    await one.clock.advance(5 * redialMsMax);
    expect(one.waits.at(-1)).toBe(redialMsMax);
  });

  test("is dialled before its time after a nudge, and never sooner than redialMsMin", async () => {
    await using one = await new Dialling().begun();
    await one.clock.advance(10 * redialMsMax);
    const known = one.times.length;
    for (let nudge = 0; nudge < 100; nudge++) {
      one.dialler.nudge();
      await one.clock.advance(redialMsMin / 10);
    }
    const nudged = one.times.length - known;
    expect(nudged).toBeGreaterThan(1);
    expect(nudged).toBeLessThanOrEqual(11);
    for (const wait of one.waits) expect(wait).toBeGreaterThanOrEqual(redialMsMin);
  });
});

describe("a peer that is lost", () => {
  /** After many failures: linked for so long, then gone again. @returns the wait that follows. */
  async function waitAfterLink(ms: number): Promise<number | undefined> {
    await using one = await new Dialling().begun();
    await one.clock.advance(5 * redialMsMax);
    one.answers = true;
    while (!one.isLinked) await one.clock.advance(1_000);
    await one.clock.advance(ms);
    one.answers = false;
    one.isLinked = false;
    const known = one.times.length;
    const lostAt = one.clock.monotonic();
    one.dialler.nudge();
    await one.clock.advance(0);
    await one.clock.advance(2 * redialMsMax);
    const next = one.times[known];
    return next === undefined ? undefined : next - lostAt;
  }

  test("is dialled at once where the link had lasted, and as late as before where it had not", async () => {
    expect(await waitAfterLink(keepAliveMs + redialMsMax)).toBe(redialMsMin);
    expect(await waitAfterLink(keepAliveMs - 1_000)).toBe(redialMsMax);
  });
});
