/** Heads of streams as a command reads them beside the agent: the same as the agent's own. */

import { randomBytes } from "node:crypto";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { StreamHead } from "@tamga/ledger-core/wire/attestation-evidence";
import { afterEach, expect, it } from "vitest";
import { checkpointOf, streamHeadsOf } from "./outbox-heads.ts";
import { OutboxTestBed } from "./outbox-test-bed.ts";

let bed: OutboxTestBed;
afterEach(() => bed.remove());

const plain = ({ stream, incarnation, next, last }: StreamHead) => [
  ...[stream, toHex(incarnation), next],
  toHex(last ?? new Uint8Array()),
];

it("say where the next statement begins, whatever waits in the journal, and survive what is freed", async () => {
  bed = await OutboxTestBed.create();
  await bed.start();
  await bed.bundle(5);
  await bed.journal([new Uint8Array(randomBytes(40))]).durable;
  const heads = streamHeadsOf(bed.database);
  expect(heads).toMatchObject([{ stream: "main", next: 6n }]);
  expect(heads.map(plain)).toEqual(bed.outbox.heads().map(plain));
  expect(checkpointOf(bed.database)).toBeUndefined();

  const ids = bed.outbox.nextToSend({ room: 100 }).map(({ id }) => id);
  const checkpoint = { size: 7n, root: nodeCrypto.sha256(new Uint8Array([1])) };
  await bed.outbox.markFinal(ids, checkpoint);
  expect(checkpointOf(bed.database)).toEqual(checkpoint);
  // What is final gives its space to what comes: its place in the stream stays known.
  bed.crash({ quota: 1_024 * 1_024 });
  const { database } = bed;
  database.exec("INSERT INTO settled SELECT run, first, count FROM statement WHERE state = 2");
  database.exec("DELETE FROM body; DELETE FROM statement");
  expect(streamHeadsOf(database)).toMatchObject([{ stream: "main", next: 6n }]);
});
