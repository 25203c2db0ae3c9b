/** An emulated DSMR P1 meter: a house whose registers grow with the time it is given. */

import { seededRandom } from "./seeded-random.ts";
import type { TelegramName } from "./telegrams.ts";
import { renderTelegram } from "./telegrams.ts";

/** One thing that an emulated device puts on its line. `sequence` grows by one, without gaps. */
export type Emission = { readonly sequence: number; readonly bytes: Uint8Array };

/** A device as a pure generator: the same seed and the same times give the same bytes. */
export interface EmulatedDevice {
  /** @param at milliseconds since 1970, never less than at the last call. */
  next(at: number): Emission;
}

export type P1MeterOptions = {
  readonly telegram: TelegramName;
  readonly seed: number;
  /** Wire sequence of the first telegram; a restarted emulator goes on where it was. */
  readonly firstSequence: number;
};

export class EmulatedP1Meter implements EmulatedDevice {
  readonly #telegram: TelegramName;
  readonly #serial: string;
  readonly #random: () => number;
  #sequence: number;
  #at: number | undefined;
  #imported: [number, number];
  #gas: number;
  #power = 500;

  constructor(options: P1MeterOptions) {
    this.#telegram = options.telegram;
    this.#serial = `EMULATED-${options.seed.toString().padStart(8, "0")}`;
    this.#random = seededRandom(options.seed);
    this.#sequence = options.firstSequence;
    this.#imported = [Math.floor(this.#random() * 5e6), Math.floor(this.#random() * 5e6)];
    this.#gas = Math.floor(this.#random() * 3e6);
  }

  next(at: number): Emission {
    const hours = (at - (this.#at ?? at)) / 3_600_000;
    this.#at = at;
    // A load that wanders between stand-by and an electric stove.
    this.#power = Math.min(9_000, Math.max(80, this.#power + (this.#random() - 0.5) * 200));
    this.#imported[0] += this.#power * hours;
    this.#gas += this.#random() * 400 * hours;
    const sequence = this.#sequence++;
    const bytes = renderTelegram(this.#telegram, {
      sequence,
      time: p1Time(at),
      gasTime: p1Time(Math.floor(at / 300_000) * 300_000),
      serial: this.#serial,
      imported: this.#imported,
      exported: [0, 0],
      power: this.#power,
      gas: this.#gas,
      volts: 228 + this.#random() * 6,
    });
    return { sequence, bytes };
  }
}

/** `YYMMDDhhmmssW`: Central European standard time all the year, as a meter without summer time. */
function p1Time(at: number): string {
  const local = new Date(at + 3_600_000).toISOString();
  return `${local.replace(/\D/g, "").slice(2, 14)}W`;
}
