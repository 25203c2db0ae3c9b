/**
 * A process of its own that fills the outbox of an enrolled agent with the agent's own code:
 * `outbox-fill-child.ts DATA_DIR READINGS`.
 */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { outboxMigrations } from "@tamga/agent/outbox/outbox-schema";
import { SqliteOutbox } from "@tamga/agent/outbox/sqlite-outbox";
import { openFileSigner } from "@tamga/agent/signer/file-signer";
import { assert } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { bootId, SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { name } from "../support/wire-samples.ts";
import { meterReading } from "./presigned.ts";

/** As the agent's defaults. */
const config = {
  quota: 2 * 1_024 ** 3,
  whenFull: "stop",
  maxCount: 512,
  maxBytes: 768 * 1_024,
  journalAfterMs: 100,
} as const;
const closingMax = 8;

async function main(directory: string, readings: number): Promise<void> {
  const signer = await openFileSigner({ path: join(directory, "signing.key"), create: false });
  const database = openDatabase(join(directory, "outbox.db"), { migrations: outboxMigrations });
  const fresh = (length: number) => new Uint8Array(randomBytes(length));
  const outbox = new SqliteOutbox({
    database,
    config,
    address: { channel: name("readings"), device: name("meter-1") },
    signer,
    clock: new SystemClock(),
    crypto: nodeCrypto,
    randomBytes: fresh,
    onStatement: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  const { run, started } = await outbox.openRun({
    stream: name("p1"),
    protocol: "dsmr-p1",
    emulated: true,
    incarnation: fresh(16),
    bootId: bootId(),
    agentVersion: "0.1.0",
  });
  await started;
  const closing: Promise<void>[] = [];
  let at = 1_750_000_000_000;
  for (let left = readings; left > 0; left -= config.maxCount) {
    const count = Math.min(left, config.maxCount);
    const items = Array.from({ length: count }, () => {
      at += 1_000;
      const receiveTime = unixMillis(at);
      const energy = BigInt(at) / 500_000n;
      return {
        bytes: meterReading({ at: receiveTime, energy, stream: { name: run.stream } }),
        receiveTime,
      };
    });
    const { range } = outbox.journal(run, items);
    closing.push(outbox.closeBundle(run, range.first + BigInt(range.count)));
    if (closing.length >= closingMax) await closing.shift();
  }
  await Promise.all(closing);
  const { statements, intake } = outbox.status();
  assert(intake === "open", "all readings found room");
  process.stdout.write(`${JSON.stringify({ pending: statements.pending })}\n`);
  outbox.close();
  database.close();
}

await main(process.argv[2] ?? "", Number(process.argv[3]));
