import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { afterEach, beforeEach, expect, test } from "vitest";
import { answerRequest } from "../../test/support/answer-request.ts";
import { SyntheticChannel } from "../../test/support/synthetic-channel.ts";
import { checkAnswer, defaultKey, makeRequest, writeEnrolment } from "./enrol.ts";
import { outboxMigrations } from "./outbox/outbox-schema.ts";

let dataDir = "";
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "tamga-enrol-"));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const { signal } = new AbortController();
const keys = () => ({ dataDir, key: defaultKey(dataDir), profile: "development" as const });

async function answerOf(site: SyntheticChannel) {
  const device = parseIdentifier("box-1");
  if (!device.ok) throw new Error(device.fault.code);
  const { text: request } = await makeRequest(device.value, keys(), { signal });
  return checkAnswer(answerRequest(site, request, ["mqtts://gw:1"]), keys(), { signal });
}

function checkpointSize(): unknown {
  const database = openDatabase(join(dataDir, "outbox.db"), { migrations: outboxMigrations });
  const size = database.prepare("SELECT checkpoint_size FROM meta").pluck().get();
  database.close();
  return size;
}

test("a configuration that is there is left alone", async () => {
  writeFileSync(join(dataDir, "agent.toml"), "# mine\n");
  const { written } = writeEnrolment(await answerOf(new SyntheticChannel()), keys());
  expect(written).toBe(false);
  expect(readFileSync(join(dataDir, "agent.toml"), "utf8")).toBe("# mine\n");
});

test("a channel that was opened anew has no past; the same channel keeps it", async () => {
  const site = new SyntheticChannel();
  writeEnrolment(await answerOf(site), keys());
  const database = openDatabase(join(dataDir, "outbox.db"), { migrations: outboxMigrations });
  const root = nodeCrypto.sha256(utf8("root"));
  database.prepare("UPDATE meta SET checkpoint_size = 7, checkpoint_root = ?").run(root);
  database.close();
  writeEnrolment(await answerOf(site), keys());
  expect(checkpointSize()).toBe(7);

  const trust = join(dataDir, "trust.json");
  const other = nodeCrypto.sha256(utf8("another channel-open"));
  const text = readFileSync(trust, "utf8");
  writeFileSync(
    trust,
    text.replace(/(?<="channelId": ")[0-9a-f]+/, Buffer.from(other).toString("hex")),
  );
  writeEnrolment(await answerOf(site), keys());
  expect(checkpointSize()).toBeNull();
});

test("nothing is taken over while the agent runs", async () => {
  const checked = await answerOf(new SyntheticChannel());
  const lock = lockDataDir(dataDir);
  expect(() => writeEnrolment(checked, keys())).toThrow("in use by another process");
  lock.release();
});
