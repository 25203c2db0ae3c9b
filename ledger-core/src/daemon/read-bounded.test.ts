/** Files of others, of whatever length. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readBounded } from "./read-bounded.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-read-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each([0, 1, 65_536, 65_537, 200_000])(
  "gives a file of %i bytes whole up to its limit",
  (length) => {
    const file = join(directory, "given");
    const bytes = Uint8Array.from({ length }, (_, at) => at % 251);
    writeFileSync(file, bytes);
    expect(readBounded(file, length)).toEqual(bytes);
    // One byte more than may be: whoever asked sees that it is too long, and no more of it is held.
    if (length > 10) expect(readBounded(file, 10)).toEqual(bytes.subarray(0, 11));
  },
);

test("says which file cannot be read, and why", () => {
  const file = join(directory, "missing");
  expect(() => readBounded(file, 10)).toThrow(
    expect.objectContaining({
      code: "FILE_UNREADABLE",
      message: expect.stringContaining("ENOENT"),
    }),
  );
});
