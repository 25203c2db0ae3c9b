import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { toHex } from "../base/bytes.ts";
import { bootId, clockQuality, deadline, SystemClock, timerMsMax } from "./system-clock.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-clock-"));
afterAll(() => rmSync(directory, { recursive: true }));
const clock = new SystemClock();

describe("SystemClock", () => {
  it("sleeps, and never shorter than asked by more than a timer's rounding", async () => {
    const before = clock.monotonic();
    await clock.sleep(20, { signal: new AbortController().signal });
    expect(clock.monotonic() - before).toBeGreaterThanOrEqual(19);
  });

  it("rejects with the signal's own reason, before and while it sleeps", async () => {
    const reason = new Error("enough");
    await expect(clock.sleep(1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const sleeping = clock.sleep(1e12, { signal: controller.signal });
    controller.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
  });

  it("does not fire at once where the delay is longer than a timer holds", async () => {
    const controller = new AbortController();
    let woke = false;
    const long = clock.sleep(timerMsMax + 1, { signal: controller.signal }).then(
      () => {
        woke = true;
      },
      () => undefined,
    );
    await clock.sleep(20, { signal: controller.signal });
    expect(woke).toBe(false);
    controller.abort();
    await long;
  });

  it("gives whole milliseconds and chance below one", () => {
    expect(Number.isSafeInteger(clock.now())).toBe(true);
    expect(Number.isSafeInteger(clock.monotonic())).toBe(true);
    expect(clock.random()).toBeLessThan(1);
  });
});

describe("deadline", () => {
  it("aborts with a TimeoutError", async () => {
    const signal = deadline(5);
    await expect(clock.sleep(60_000, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it("clamps what a timer cannot hold", () => {
    expect(deadline(1e15).aborted).toBe(false);
  });
});

describe("bootId", () => {
  it("is 16 bytes and the same at every call", () => {
    expect(bootId()).toHaveLength(16);
    expect(bootId()).toEqual(bootId());
  });

  it("reads the kernel's text, and falls back to chance where there is none", () => {
    const file = join(directory, "boot_id");
    writeFileSync(file, "fe4d4d68-4207-45ec-bd58-b4e6f7a00e68\n");
    expect(toHex(bootId(file))).toBe("fe4d4d68420745ecbd58b4e6f7a00e68");
    writeFileSync(file, "short\n");
    expect(bootId(file)).toHaveLength(16);
    expect(bootId(join(directory, "absent"))).toEqual(bootId(file));
  });
});

describe("clockQuality", () => {
  const now = Date.now();
  const trace = join(directory, "synchronized");
  const touch = (at: number) => {
    writeFileSync(trace, "");
    utimesSync(trace, at / 1000, at / 1000);
  };

  it("says unsynchronised before 2024 and where the clock is behind its own traces", () => {
    expect(clockQuality("auto", 0, [])).toBe("unsynchronised");
    touch(now + 3_600_000);
    expect(clockQuality("auto", now, [trace])).toBe("unsynchronised");
  });

  it("says ntp only for a fresh trace of this boot", () => {
    touch(now);
    expect(clockQuality("auto", now, [trace])).toBe("ntp");
    touch(now - 400 * 24 * 3_600_000);
    expect(clockQuality("auto", now, [trace])).toBe("rtc");
    expect(clockQuality("auto", now, [join(directory, "absent")])).toBe("rtc");
  });

  it("takes the operator's word", () => {
    expect(clockQuality("gnss", 0)).toBe("gnss");
    expect(clockQuality("unsynchronised")).toBe("unsynchronised");
  });
});
