/** How long a test waits for what should come within a moment. */

/** For `vi.waitFor`, whose own patience of a second a busy machine can use up; `expect.poll` has the same. */
export const soon = { timeout: 60_000, interval: 10 } as const;

/** Milliseconds for one answer of a real process or peer. */
export const answerMsMax = 60_000;
