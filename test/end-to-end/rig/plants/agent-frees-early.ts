/** Planted defect, for `--import` into an agent: a PUBACK counts as a final receipt. */

import { SqliteOutbox } from "@tamga/agent/outbox/sqlite-outbox";

const acknowledge = SqliteOutbox.prototype.acknowledged;

SqliteOutbox.prototype.acknowledged = function free(this: SqliteOutbox, id) {
  acknowledge.call(this, id);
  const checkpoint = this.checkpoint();
  if (checkpoint !== undefined) this.markFinal([id], checkpoint).catch(() => undefined);
};
