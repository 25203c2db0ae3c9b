/** A channel of one gateway that stops, at start or while it runs: the other goes on, and everybody is told. */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GatewayConsortium } from "../../test/support/gateway-consortium.ts";
import { soon } from "../../test/support/soon.ts";
import { askGateway } from "./ask-gateway.ts";
import { readGatewayConfig } from "./config.ts";
import { readProposal } from "./consortium/proposal-file.ts";
import { pathsOf } from "./site/site.ts";

let site: GatewayConsortium;
beforeEach(async () => {
  site = await GatewayConsortium.create(mkdtempSync(join(tmpdir(), "tamga-stops-")), ["a"]);
  site.configure("a", [], { power: ["meter-*"] });
});
afterEach(() => site.close());

const powerFile = () => {
  const source = { data: site.directoryOf("a"), forChannel: { name: "power" } };
  return pathsOf(readGatewayConfig(source)).ledger;
};
const ask = async (path: string): Promise<unknown> =>
  (await askGateway(readGatewayConfig({ data: site.directoryOf("a") }), path)).json();
const channels = (power: object) => ({
  channels: [
    { channel: "herd", state: "running" },
    { channel: "power", ...power },
  ],
});

async function isAlone(code: string): Promise<void> {
  await vi.waitFor(
    async () =>
      expect(await ask("/status.json")).toMatchObject(channels({ state: "stopped", code })),
    soon,
  );
  await expect(ask("/healthz")).rejects.toThrow();
  expect(await site.json("a", "status", "--channel", "herd")).toMatchObject({ halted: null });
  await site.orderOne("a", "herd");
}

it("is not made by a mere start, and begins with a channel file, also of one member", async () => {
  await site.start("a");
  await isAlone("CHANNEL_FILE_MISSING");
  await site.stop("a");
  await site.open(["a"], "power");
  await site.start("a");
  expect(await ask("/status.json")).toMatchObject(channels({ state: "running" }));
  expect(await ask("/healthz")).toEqual({ status: "ok", reasons: [] });
  await site.orderOne("a", "power");
  expect(await site.json("a", "status", "--channel", "power")).toMatchObject({
    channel: "power",
    validators: [{ name: "a", organisation: "org-a" }],
  });
  await expect(site.run("a", "status")).rejects.toMatchObject({ code: "CHANNEL_AMBIGUOUS" });
  await expect(site.run("a", "members", "--channel", "milk")).rejects.toMatchObject({
    code: "CHANNEL_UNKNOWN",
  });
});

it("stops at a start where its database is an old copy, and says so to whoever asks", async () => {
  await site.open(["a"], "power");
  await site.start("a");
  await site.stop("a");
  const file = powerFile();
  copyFileSync(file, `${file}.old`);
  await site.start("a");
  await site.orderOne("a", "power");
  await site.stop("a");
  for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
  copyFileSync(`${file}.old`, file);
  await site.start("a");
  await isAlone("LEDGER_ROLLED_BACK");
  expect(await site.json("a", "status", "--channel", "power")).toMatchObject({
    running: true,
    halted: "LEDGER_ROLLED_BACK",
  });
});

it("stops while it runs where its database is found damaged", async () => {
  await site.open(["a"], "power");
  await site.start("a");
  const file = site.path("proposal");
  const key = ["--device", "meter-1", "--key", "ab".repeat(32), "--reason", "retired"];
  await site.run("a", "propose", "revoke", ...key, "--to", file, "--channel", "power");
  const proposal = readProposal(file);
  if (proposal.stage !== "signed") throw new Error("a revocation is signed at once");
  const db = openDatabase(powerFile());
  db.unsafeMode(true);
  db.pragma("writable_schema = ON");
  // Past the end of the file: whatever is read next is no page of this database.
  db.exec("UPDATE sqlite_schema SET rootpage = 1000000 + rootpage WHERE rootpage > 0");
  // So that the gateway's own connection reads it anew.
  db.pragma("schema_version = 1000000");
  db.close();
  const config = readGatewayConfig({ data: site.directoryOf("a") });
  const submitted = askGateway(config, "/ledger/transactions", {
    method: "POST",
    body: encodeTransaction(proposal.transaction),
    contentType: "application/cbor",
  });
  await expect(submitted).rejects.toThrow();
  await isAlone("DATABASE_CORRUPT");
});

it("ends the process where none is left", async () => {
  await site.open(["a"], "power");
  await site.start("a");
  await site.stop("a");
  const home = pathsOf(readGatewayConfig({ data: site.directoryOf("a") })).ledger;
  for (const file of [powerFile(), home]) {
    for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
    writeFileSync(file, new Uint8Array(8_192).fill(0xff));
  }
  await expect(site.start("a")).rejects.toMatchObject({ code: "DATABASE_CORRUPT" });
});
