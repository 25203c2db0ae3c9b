/** All tables of one `lane.db` behind one connection. */

import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { BodyStore } from "./body-store.ts";
import { createSqliteBodyStore } from "./body-store.ts";
import { DeviceRows } from "./device-rows.ts";
import { LaneRows } from "./lane-rows.ts";
import { Quarantine } from "./quarantine.ts";
import { ResultRows } from "./result-rows.ts";
import { StatementRows } from "./statement-rows.ts";
import { StreamRows } from "./stream-rows.ts";

export type LaneTables = {
  readonly db: Database;
  readonly lanes: LaneRows;
  readonly devices: DeviceRows;
  readonly streams: StreamRows;
  readonly statements: StatementRows;
  readonly results: ResultRows;
  readonly quarantine: Quarantine;
  readonly bodies: BodyStore;
};

/** @param bodies another body store than the one in the same file. */
export function openTables(db: Database, bodies?: BodyStore): LaneTables {
  return {
    db,
    lanes: new LaneRows(db),
    devices: new DeviceRows(db),
    streams: new StreamRows(db),
    statements: new StatementRows(db),
    results: new ResultRows(db),
    quarantine: new Quarantine(db),
    bodies: bodies ?? createSqliteBodyStore(db),
  };
}
