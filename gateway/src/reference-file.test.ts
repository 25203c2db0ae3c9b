/** Files of reference values: what they say, by which digest, and what is wrong by its key. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { referenceListMax } from "./limits.ts";
import { readReferenceFile } from "./reference-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-references-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function read(text: string) {
  const file = join(directory, "references.toml");
  writeFileSync(file, text);
  return readReferenceFile(file);
}
const [a, b] = ["a".repeat(64), "b".repeat(64)];
const list = (count: number) => JSON.stringify(new Array(count).fill(a));

test("says what is allowed, and has the digest of the file", () => {
  const text = [
    'max_age = "10m"',
    'agent_versions = ["0.1.0"]',
    `pcr_digests = ["${b}"]`,
    `events = ["${a}"]`,
    "[pcrs]",
    `0 = ["${a}", "${b}"]`,
    `23 = ["${a}"]`,
  ].join("\n");
  expect(read(text)).toEqual({
    digest: nodeCrypto.sha256(utf8(text)),
    pcrs: new Map([
      [0, new Set([a, b])],
      [23, new Set([a])],
    ]),
    pcrDigests: new Set([b]),
    events: new Set([a]),
    agentVersions: new Set(["0.1.0"]),
    ageMax: 600,
  });
  expect(read('max_age = "1h"')).toMatchObject({ pcrs: new Map(), ageMax: 3_600 });
});

test.each([
  ["", /max_age: must be a duration/],
  ['max_age = "1h"\npcrss = 1', /pcrss is no known key/],
  [`max_age = "1h"\n[pcrs]\n24 = ["${a}"]`, /pcrs/],
  ['max_age = "1h"\n[pcrs]\n0 = []', /pcrs\.0/],
  ['max_age = "1h"\nevents = ["AA"]', /64 lower-case hexadecimal digits/],
])("refuses %j", (text, message) => {
  expect(() => read(text)).toThrow(message);
});

test("keeps to its limit", () => {
  const events = (count: number) => read(`max_age = "1h"\nevents = ${list(count)}`);
  expect(events(referenceListMax).events?.size).toBe(1);
  expect(() => events(referenceListMax + 1)).toThrow(/events/);
});
