/** An emulated ISO 11784 ear-tag stick reader and the herd that it is held to. */

import type { Emission, EmulatedDevice } from "./p1-meter.ts";
import { seededRandom } from "./seeded-random.ts";

/** `default`: `LA 999 000000000001`; `s2000`: `LA 00000 0 999 000000000001` (Allflex RS320 manual). */
export const lineFormats = ["default", "s2000"] as const;
export type LineFormat = (typeof lineFormats)[number];

export type StickReaderOptions = {
  readonly seed: number;
  /** Animals in the herd; each read picks one. */
  readonly herdSize: number;
  readonly format: LineFormat;
  readonly firstSequence: number;
};

/** ISO 11784 keeps country code 999 for test transponders: no animal bears one of these. */
export const testCountryCode = "999";

export class EmulatedStickReader implements EmulatedDevice {
  readonly #format: LineFormat;
  readonly #random: () => number;
  readonly #herd: readonly string[];
  #sequence: number;

  constructor(options: StickReaderOptions) {
    this.#format = options.format;
    this.#random = seededRandom(options.seed);
    const first = Math.floor(this.#random() * 1e9);
    this.#herd = Array.from({ length: options.herdSize }, (_, index) =>
      (first + index).toString().padStart(12, "0"),
    );
    this.#sequence = options.firstSequence;
  }

  next(): Emission {
    const animal = this.#herd[Math.floor(this.#random() * this.#herd.length)] ?? "000000000000";
    const prefix = this.#format === "s2000" ? "LA 00000 0" : "LA";
    const bytes = new TextEncoder().encode(`${prefix} ${testCountryCode} ${animal}\r\n`);
    return { sequence: this.#sequence++, bytes };
  }
}
