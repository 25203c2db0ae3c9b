/** Planted defect, for `--import` into a gateway: a bundle in ten stands in the lane twice. */

import { SqliteLog } from "@tamga/ledger-core/ledger/sqlite-log";
import { parseStatement } from "@tamga/ledger-core/wire/statement";

const one = 10;
let seen = 0;
const append = SqliteLog.prototype.append;

SqliteLog.prototype.append = function appendMore(this: SqliteLog, entries: readonly Uint8Array[]) {
  const last = entries.at(-1);
  const parsed = last === undefined ? undefined : parseStatement(last);
  const isBundle = parsed?.ok === true && parsed.value.header.type === "bundle";
  const again = last !== undefined && isBundle && seen++ % one === one - 1;
  return append.call(this, again ? [...entries, last] : entries);
};
