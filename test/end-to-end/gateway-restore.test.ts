/** The README's backup and restore, step by step: a live backup, the operator's commands, the next start. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestSite } from "../support/test-site.ts";

let site: TestSite;
beforeEach(async () => {
  site = await TestSite.start();
});
afterEach(async () => site.close());

/** What `sqlite3 FILE ".backup COPY"` does, while the gateway writes. */
async function backUp(name: string): Promise<string> {
  const copy = join(site.dir, `${name}.backup`);
  const live = openDatabase(join(site.dir, name), { readonly: true });
  await live.backup(copy);
  live.close();
  return copy;
}

function putBack(name: string, copy: string): void {
  const file = join(site.dir, name);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(file + suffix, { force: true });
  execFileSync("cp", [copy, file]);
}

describe("a gateway whose files come out of a backup", () => {
  test("opens the next incarnation of its lane, marked or not, and what devices hold comes again", async () => {
    const device = await site.online("meter-1");
    const stream = device.stream();
    const start = stream.start();
    await device.send(start);
    await device.until(start, "final");
    const copy = await backUp("lane.db");
    const later = stream.bundle(5);
    await device.send(later);
    await device.until(later, "final");
    await expect(site.cli("restore")).rejects.toThrow("DATA_DIR_IN_USE");

    await site.stop();
    putBack("lane.db", copy);
    await site.launch();
    expect(await laneOf(site)).toMatchObject({ incarnations: 2, openedBecause: "behind-ledger" });
    await device.connect(site.mqttPort);
    await device.send(later);
    expect((await device.until(later, "final")).kind).toBe("final");

    await site.stop();
    await site.cli("restore");
    expect(existsSync(join(site.dir, "lane.db.restored"))).toBe(true);
    await site.launch();
    expect(await laneOf(site)).toMatchObject({ incarnations: 3, openedBecause: "restored" });
    expect(existsSync(join(site.dir, "lane.db.restored"))).toBe(false);
  });

  test("opens its channel anew where the ledger is old, and keeps the old one aside", async () => {
    const trust = join(site.dir, "trust.json");
    const before = JSON.parse(readFileSync(trust, "utf8")) as { channelId: string };
    await site.enrol("meter-1");
    await site.stop();
    await site.cli("restore", "--ledger");
    await site.launch();
    const after = JSON.parse(readFileSync(trust, "utf8")) as {
      channelId: string;
      reopened: boolean;
    };
    expect(after.reopened).toBe(true);
    expect(after.channelId).not.toBe(before.channelId);
    expect(await laneOf(site)).toMatchObject({ incarnations: 2, openedBecause: "restored" });
    const answer = JSON.parse(await site.cli("devices", "answer", "meter-1")) as { trust: string };
    expect(answer.trust).toBe(readFileSync(trust, "utf8"));
  });
});

async function laneOf({ http }: TestSite): Promise<unknown> {
  const status = (await (await fetch(`${http}/status.json`)).json()) as { lane: unknown };
  return status.lane;
}
