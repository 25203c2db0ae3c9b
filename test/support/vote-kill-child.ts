/**
 * What the kill test kills: writes votes as fast as it can, several channels a commit, and writes a line
 * for each commit that returned: `V channel view digest` for a vote, `F channel view` for a floor.
 */

import { randomInt } from "node:crypto";
import { writeSync } from "node:fs";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import type { VoteStoreWrite } from "@tamga/ledger-core/ledger/vote-store";
import { blockVote, blockWrite, digestOf, sampleBlock } from "./consensus-samples.ts";

const directory = present(process.argv[2], "directory");
const channels = ["a", "b", "c"].map(digestOf);
const store = SqliteVoteStore.open(join(directory, "votes.db"), nodeCrypto);
let view = 0;
for (const channel of channels) {
  if (!store.has(channel)) store.begin(channel, { amnesia: false });
  const { rows, floor } = store.load(channel);
  view = Math.max(view, floor.view, ...rows.map((row) => row.view));
}
for (;;) {
  view++;
  const final = view - randomInt(2, 6);
  const block = sampleBlock({ view }, [new Uint8Array(randomInt(1, 20_000))]);
  const notarized = { ...blockVote("", view), digest: block.digest };
  const writes: readonly VoteStoreWrite[] = [
    ...(final > 0 ? [{ type: "final", floor: { epoch: 0, view: final } } as const] : []),
    { type: "vote", row: { epoch: 0, view, notarized } },
    blockWrite(block),
  ];
  store.write(channels.map((channel) => ({ channel, writes })));
  const lines = channels.map((channel) => {
    const name = toHex(channel);
    const said = `V ${name} ${view} ${toHex(block.digest)}\n`;
    return final > 0 ? `${said}F ${name} ${final}\n` : said;
  });
  writeSync(1, lines.join(""));
}
