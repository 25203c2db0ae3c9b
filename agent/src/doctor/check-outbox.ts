/** Looks at the outbox's file and its disk. */

import { existsSync, statfsSync, statSync } from "node:fs";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import type { AgentConfig } from "../config.ts";
import { deviceFile } from "../identity/device-files.ts";
import { checkOutboxCovers } from "../outbox/coverage.ts";
import { outboxMigrations } from "../outbox/outbox-schema.ts";
import type { Finding } from "./finding.ts";
import { fail, ok, warn } from "./finding.ts";

/** Whether the disk can hold what the quota allows. */
export function checkDisk(config: AgentConfig): Finding {
  const { bavail, bsize } = statfsSync(config.data_dir);
  const free = bavail * bsize;
  const file = deviceFile(config.data_dir, "outbox");
  const used = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const mebibytes = Math.floor(free / 1_024 ** 2);
  if (free < freeBytesMin)
    return fail("disk", `Only ${mebibytes} MiB are free in ${config.data_dir}: free some.`);
  if (free + used < config.outbox.quota) {
    return warn(
      "disk",
      `${mebibytes} MiB are free, less than outbox.quota allows to fill: lower the quota or free ` +
        "some; a full disk is treated as a full outbox.",
    );
  }
  return ok("disk", `${mebibytes} MiB are free in ${config.data_dir}.`);
}

/** Whether the file is whole and every sequence is in one place; not while the agent writes. */
export function checkOutbox(config: AgentConfig): Finding {
  const file = deviceFile(config.data_dir, "outbox");
  if (!existsSync(file)) return ok("outbox", "There is none yet; the first run makes it.");
  const database = openDatabase(file, { readonly: true, migrations: outboxMigrations });
  try {
    const verdict = String(database.pragma("quick_check(1)", { simple: true }));
    if (verdict !== "ok") {
      return fail(
        "outbox",
        `${file} is damaged: keep it with its -wal for rescue, and start without it.`,
      );
    }
    const covered = checkOutboxCovers(database);
    if (!covered.ok) {
      const { sequence, times } = covered.fault;
      return fail(
        "outbox",
        `Sequence ${sequence} of a stream is in ${times} places instead of one: keep the file and ` +
          "report this as a bug.",
      );
    }
    const { runs, inStatements, inJournal } = covered.value;
    return ok(
      "outbox",
      `It is whole: ${runs} runs, ${inStatements} sequences in statements, ${inJournal} in the journal.`,
    );
  } finally {
    database.close();
  }
}

const freeBytesMin = 32 * 1_024 ** 2;
