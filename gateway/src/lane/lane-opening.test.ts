/** When a gateway goes on with its lane, and when it must not. */

import { u64 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { describe, expect, it } from "vitest";
import type { LaneInFile } from "./lane-opening.ts";
import { chooseOpening } from "./lane-opening.ts";

const channelId = nodeCrypto.sha256(new TextEncoder().encode("channel"));
const rootAt = (size: bigint) => nodeCrypto.sha256(u64(size));
const laneA = new Uint8Array(16).fill(1);
const laneB = new Uint8Array(16).fill(2);
const headOf = (incarnation: Uint8Array, size: bigint) => ({
  incarnation,
  head: { size, root: rootAt(size) },
});
const file: LaneInFile = {
  incarnation: laneA,
  channelId,
  size: 10n,
  rootAt,
  predecessor: undefined,
  wasOrdered: true,
};
const found = { file, lastOrdered: headOf(laneA, 7n), channelId, restored: false };

describe("a lane goes on", () => {
  it.each([
    ["with all that was ordered in it", found],
    ["with exactly what was ordered", { ...found, lastOrdered: headOf(laneA, 10n) }],
    [
      "before anything was ordered",
      { ...found, file: { ...file, wasOrdered: false }, lastOrdered: undefined },
    ],
    [
      "as the successor that the ledger has not seen yet",
      { ...found, file: { ...file, incarnation: laneB, predecessor: headOf(laneA, 7n) } },
    ],
  ])("%s", (_, given) => {
    expect(chooseOpening(given)).toEqual({ action: "continue" });
  });
});

describe("the next incarnation is opened", () => {
  it.each([
    ["first", false, { ...found, file: undefined, lastOrdered: undefined }],
    ["file-lost", true, { ...found, file: undefined }],
    ["restored", true, { ...found, restored: true }],
    ["behind-ledger", true, { ...found, lastOrdered: headOf(laneA, 11n) }],
    [
      "differs-from-ledger",
      true,
      { ...found, lastOrdered: { incarnation: laneA, head: { size: 7n, root: rootAt(8n) } } },
    ],
    ["differs-from-ledger", true, { ...found, lastOrdered: headOf(laneB, 7n) }],
    [
      "differs-from-ledger",
      true,
      { ...found, file: { ...file, incarnation: laneB, predecessor: headOf(laneA, 6n) } },
    ],
    ["other-channel", false, { ...found, channelId: rootAt(99n) }],
    ["unknown-to-ledger", false, { ...found, lastOrdered: undefined }],
  ])("%s (asks devices for all: %s)", (reason, needsAll, given) => {
    const predecessor = given.lastOrdered;
    expect(chooseOpening(given)).toEqual({ action: "open", reason, needsAll, predecessor });
  });
});
