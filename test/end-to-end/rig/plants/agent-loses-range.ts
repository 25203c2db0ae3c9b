/** Planted defect, for `--import` into an agent: three readings in a thousand never reach the journal. */

import { OutboxStore } from "@tamga/agent/outbox/outbox-store";

const oneIn = 1_000;
const lost = 3;
let seen = 0;
const insert = OutboxStore.prototype.insertJournal;

OutboxStore.prototype.insertJournal = function insertMost(this: OutboxStore, run, row) {
  if (seen++ % oneIn >= oneIn - lost) return;
  insert.call(this, run, row);
};
