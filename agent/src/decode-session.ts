/** Decodes one line whose protocol is given or has yet to show: drivers side by side, one wins. */

import { createDriver } from "./create-driver.ts";
import type { DecodeSummary } from "./decode-format.ts";
import type { DecodedFrame, Driver, DriverOutput, ProtocolId } from "./driver.ts";

/** The driver that gives the first valid frame is kept; the others are forgotten. */
export class DecodeSession {
  #candidates: readonly Candidate[];

  /** @param protocols one, or all that may be on the line; of two at once the earlier wins. */
  constructor(protocols: readonly ProtocolId[]) {
    this.#candidates = protocols.map((protocol) => new Candidate(createDriver(protocol)));
  }

  /** @returns the valid frames that these bytes complete. */
  push(chunk: Uint8Array): readonly DecodedFrame[] {
    const frames: DecodedFrame[] = [];
    // In slices, so that which driver is first does not hang on how the bytes were cut.
    for (let start = 0; start < chunk.length; start += sliceBytes) {
      const slice = chunk.subarray(start, start + sliceBytes);
      frames.push(...this.#each((driver) => driver.push(slice)));
    }
    return frames;
  }

  /** The line has ended, or was lost; more bytes may follow after a reconnect. */
  end(): readonly DecodedFrame[] {
    return this.#each((driver) => driver.end());
  }

  /** Where no driver has won, that of the driver that could make most of the bytes. */
  summary(): DecodeSummary {
    const [best] = this.#candidates.toSorted((a, b) => a.discardedBytes - b.discardedBytes);
    return {
      frames: best?.frames ?? 0,
      rejected: Object.fromEntries(best?.rejected ?? []),
      discardedBytes: best?.discardedBytes ?? 0,
    };
  }

  #each(feed: (driver: Driver) => DriverOutput): readonly DecodedFrame[] {
    for (const candidate of this.#candidates) {
      const frames = candidate.count(feed(candidate.driver));
      if (frames.length === 0) continue;
      this.#candidates = [candidate];
      return frames;
    }
    return [];
  }
}

const sliceBytes = 64;

class Candidate {
  readonly driver: Driver;
  readonly rejected = new Map<string, number>();
  frames = 0;
  discardedBytes = 0;

  constructor(driver: Driver) {
    this.driver = driver;
  }

  count(output: DriverOutput): readonly DecodedFrame[] {
    this.frames += output.frames.length;
    this.discardedBytes += output.discardedBytes;
    for (const { code } of output.rejections)
      this.rejected.set(code, (this.rejected.get(code) ?? 0) + 1);
    return output.frames;
  }
}
