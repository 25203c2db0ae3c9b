/**
 * What the kill test kills: journals, signs, sends and settles as fast as it can, and writes a line
 * for each promise that was kept: `J incarnation sequence digest`, `S incarnation first digest`.
 */

import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { assert, present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { WhenFull } from "./outbox.ts";
import { whenFullPolicies } from "./outbox.ts";
import { OutboxTestBed } from "./outbox-test-bed.ts";

const [directory, policy, quota] = process.argv.slice(2);
const whenFull: WhenFull | undefined = whenFullPolicies.find((known) => known === policy);
assert(whenFull !== undefined, "a policy");
const bed = await OutboxTestBed.create(
  { quota: Number(quota), whenFull, maxCount: 16 },
  { directory: present(directory, "directory") },
);
const say = (line: string) => writeSync(1, `${line}\n`);
const digest = (bytes: Uint8Array) => toHex(nodeCrypto.sha256(bytes)).slice(0, 16);
const run = await bed.start();
const incarnation = toHex(run.incarnation);

for (let round = 0; ; round++) {
  const contents = Array.from({ length: 1 + (round % 40) }, () => randomBytes(500));
  const { range, durable } = bed.journal(contents);
  const journaled = durable.then((kept) => {
    for (const [i, bytes] of contents.slice(0, kept).entries()) {
      say(`J ${incarnation} ${range.first + BigInt(i)} ${digest(bytes)}`);
    }
  });
  // Most readings are promised by the journal's commit alone, before their bundle is closed.
  const upTo = round % 4 === 0 ? range.first + BigInt(range.count) : 0n;
  const closed = bed.outbox.closeBundle(run, upTo);
  if (round % 7 === 0) await bed.outbox.heartbeat(run, { clock: "rtc" });
  // Not every round waits, so that a kill also meets work that is half done.
  if (round % 2 === 1) await Promise.all([journaled, closed]);
  const sent = bed.outbox.nextToSend({ room: 4 });
  for (const { id, incarnation: of, range: at, bytes } of sent) {
    say(`S ${toHex(of)} ${at.first} ${digest(bytes)}`);
    bed.outbox.acknowledged(id);
  }
  const ids = sent.map(({ id }) => id);
  await bed.outbox.markProvisional(ids);
  const root = nodeCrypto.sha256(new Uint8Array());
  if (round % 2 === 0) await bed.outbox.markFinal(ids.slice(1), { size: BigInt(round), root });
}
