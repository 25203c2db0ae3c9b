/** Dials one peer until there is a link: its addresses, then relays, with back-off spread by chance. */

import type { Clock } from "../daemon/system-clock.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { PeerLimits } from "./limits.ts";

/** `host` may be a name, which is resolved anew at each attempt. */
export type PeerAddress = { readonly host: string; readonly port: number };

export type DialTarget =
  | { readonly kind: "address"; readonly address: PeerAddress }
  | { readonly kind: "relay"; readonly via: Identifier };

export type PeerDiallerOptions = {
  readonly clock: Clock;
  readonly limits: PeerLimits;
  /** What would make things better now, best first: nothing where there is a good link. */
  readonly targets: () => readonly DialTarget[];
  /** Whether this node waits to be admitted: nobody can tell it when it is. */
  readonly isOutside?: () => boolean;
  /** Whether there is a link at all: then only a better one is looked for, at leisure. */
  readonly hasLink: () => boolean;
  /** Resolves with whether it became a link. */
  readonly dial: (
    target: DialTarget,
    options: { readonly signal: AbortSignal },
  ) => Promise<boolean>;
  /** A round of attempts brought nothing. */
  readonly failed: () => void;
};

export class PeerDialler {
  readonly #options: PeerDiallerOptions;
  #woken = new AbortController();

  constructor(options: PeerDiallerOptions) {
    this.#options = options;
  }

  /** A link was lost, or a relay came up: look again, after the first step of the back-off. */
  nudge(): void {
    this.#woken.abort();
  }

  /** Dials until the signal aborts, with whose reason it then rejects. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<never> {
    const { clock, limits, hasLink, failed, isOutside } = this.#options;
    let attempt = 0;
    let linkedAt: number | undefined;
    for (;;) {
      signal.throwIfAborted();
      const targets = this.#options.targets();
      const hadLink = hasLink();
      if (targets.length > 0 && (await this.#round(targets, signal))) {
        linkedAt = clock.monotonic();
      } else if (targets.length > 0 && !hadLink) failed();
      if (hasLink()) {
        linkedAt ??= clock.monotonic();
        await this.#rest(limits.redialMsMax, signal);
        if (hasLink()) continue;
      }
      // A link that did not last is no reason to begin anew with short waits.
      const lasted = linkedAt !== undefined && clock.monotonic() - linkedAt >= limits.keepAliveMs;
      linkedAt = undefined;
      attempt = lasted ? 0 : attempt + 1;
      const mostMs = isOutside?.() === true ? limits.outsideMsMax : limits.redialMsMax;
      const step = Math.min(mostMs, limits.redialMsMin * 2 ** Math.min(attempt, 20));
      // Half is certain and half is chance: a consortium that lost its network does not return at once.
      const waitMs = step / 2 + (step / 2) * clock.random();
      const firstMs = Math.min(waitMs, limits.redialMsMin);
      await clock.sleep(firstMs, { signal });
      await this.#rest(waitMs - firstMs, signal);
    }
  }

  async #round(targets: readonly DialTarget[], signal: AbortSignal): Promise<boolean> {
    for (const target of targets) if (await this.#options.dial(target, { signal })) return true;
    return false;
  }

  /** Waits until time is up or somebody nudges. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const woken = this.#woken.signal;
    try {
      if (ms > 0) await this.#options.clock.sleep(ms, { signal: AbortSignal.any([signal, woken]) });
    } catch (reason) {
      if (signal.aborted) throw signal.reason;
      if (!woken.aborted) throw reason;
    } finally {
      if (woken.aborted) this.#woken = new AbortController();
    }
  }
}
