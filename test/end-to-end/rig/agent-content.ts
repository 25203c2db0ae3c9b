/** Reads an agent's outbox from its file: which sequences are where. */

import { join } from "node:path";
import { toHex } from "@tamga/ledger-core/base/bytes";
import type { OutboxContent, OutboxPlace } from "./account-types.ts";
import type { Owner } from "./lane-content.ts";
import { withDatabase } from "./lane-content.ts";

const states: readonly OutboxPlace[] = ["pending", "provisional", "final", "rejected"];

type Row = { readonly run: number; readonly first: number; readonly count: number };

export function readOutbox(agentDir: string, owner: Owner): OutboxContent {
  return withDatabase(join(agentDir, "outbox.db"), owner, (db) => {
    const runs = db
      .prepare<[], { id: number; incarnation: Uint8Array; next: number }>(
        "SELECT id, incarnation, next FROM run ORDER BY id",
      )
      .all();
    const names = new Map(runs.map(({ id, incarnation }) => [id, toHex(incarnation)]));
    const spans = (sql: string, place: (row: Row & { readonly state: number }) => OutboxPlace) =>
      db
        .prepare<[], Row & { readonly state: number }>(sql)
        .all()
        .map((row) => ({
          incarnation: names.get(row.run) ?? "",
          from: row.first,
          to: row.first + row.count,
          place: place(row),
        }));
    return {
      runs: runs.map(({ incarnation, next }) => ({ incarnation: toHex(incarnation), next })),
      spans: [
        ...spans(
          "SELECT run, sequence AS first, 1 AS count, 0 AS state FROM journal",
          () => "journal",
        ),
        ...spans(
          "SELECT run, first, count, state FROM statement WHERE kind <> 3 OR state >= 2",
          ({ state }) => states[state] ?? "pending",
        ),
        // `statementKinds` of the outbox: 3 is a heartbeat; state 2 and above are final and rejected.
        ...spans(
          "SELECT run, first, count, state FROM statement WHERE kind = 3 AND state < 2",
          () => "heartbeat",
        ),
        ...spans("SELECT run, first, count, 0 AS state FROM gap", () => "gap"),
        ...spans("SELECT run, first, count, 0 AS state FROM settled", () => "settled"),
      ],
    };
  });
}
