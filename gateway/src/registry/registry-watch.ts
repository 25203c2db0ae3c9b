/**
 * Follows what the `devices` commands write beside the running gateway, so that a revocation takes effect
 * within a second; between two looks it answers from memory.
 */

import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { BoundedCache } from "../lane/bounded-cache.ts";
import { devicesCachedMax, registryLookMs } from "../limits.ts";
import type { DeviceRegistry } from "./device-registry.ts";
import type { DeviceKey } from "./key-row.ts";

export type RegistryWatchOptions = {
  readonly registry: Pick<DeviceRegistry, "version" | "keysOf">;
  /** Another process has changed the registry: who is on the line is judged anew. */
  readonly changed: () => void;
  readonly clock: Pick<Clock, "sleep">;
};

export class RegistryWatch {
  readonly #options: RegistryWatchOptions;
  readonly #keys = new BoundedCache<readonly DeviceKey[]>(devicesCachedMax);
  #version: number;

  constructor(options: RegistryWatchOptions) {
    this.#options = options;
    this.#version = options.registry.version();
  }

  /** The keys that a device may sign with now; none where it is unknown or revoked. */
  keysOf(device: Identifier): readonly DeviceKey[] {
    const known = this.#keys.get(device);
    if (known !== undefined) return known;
    const keys = this.#options.registry.keysOf(device).filter((key) => key.revoked === undefined);
    this.#keys.set(device, keys);
    return keys;
  }

  maySign(device: Identifier): boolean {
    return this.keysOf(device).length > 0;
  }

  /** This process has changed the registry itself: SQLite's version does not show that. */
  forget(): void {
    this.#keys.clear();
  }

  /** Looks once a second until the signal aborts. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      this.look();
      await this.#options.clock.sleep(registryLookMs, { signal });
    }
  }

  /** Looks now. */
  look(): void {
    const version = this.#options.registry.version();
    if (version === this.#version) return;
    this.#version = version;
    this.#keys.clear();
    this.#options.changed();
  }
}
