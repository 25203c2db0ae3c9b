/** The check of a whole database as a command, and a member that begins from a snapshot over real links. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { sitePaths } from "../site/site.ts";

const names = ["a", "b", "c", "d"];
const code = (expected: string) => expect.objectContaining({ code: expected });
let consortium: GatewayConsortium;

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-verify-ledger-"));
  consortium = await GatewayConsortium.create(directory, names);
  await consortium.open(names);
});
afterEach(() => consortium.close());

const statusOf = async (name: string) =>
  z
    .looseObject({ finalHeight: z.int(), view: z.int().nullable(), size: z.int() })
    .parse(await consortium.json(name, "status"));
/** Of a running gateway. */
const viewOf = async (name: string) => z.int().parse((await statusOf(name)).view);
const sealed = (name: string, size: number) =>
  vi.waitFor(async () => {
    expect(await consortium.json(name, "status")).toMatchObject({ size, sealedSize: size });
  }, soon);
const meddle = (name: string, sql: string) => {
  const db = openDatabase(sitePaths(consortium.directoryOf(name)).ledger);
  db.exec(sql);
  db.close();
};

it("says what was checked and what was not, while the gateway runs and after pruning", async () => {
  await expect(consortium.run("a", "verify")).rejects.toThrow(code("LEDGER_MISSING"));
  for (const name of names.slice(0, 3)) await consortium.start(name);
  await sealed("a", 4);
  await orderOne("a");
  await sealed("a", 5);
  const whole = await consortium.json("a", "verify");
  expect(whole).toMatchObject({ valid: true, judgedFrom: 1, blocks: { from: 1 }, prunedBelow: 1 });
  expect((await consortium.run("a", "verify")).out).not.toContain("NOT CHECKED");
  await consortium.stop("a");
  const { finalHeight } = await statusOf("a");
  await consortium.run("a", "prune", "--below", "2");
  expect(await consortium.json("a", "verify")).toEqual({
    ...{ valid: true, leaves: 5, judgedFrom: 5, prunedBelow: 2 },
    blocks: { from: finalHeight, to: finalHeight },
  });
  expect((await consortium.run("a", "verify")).out).toContain("NOT CHECKED: blocks below 2");
  meddle("a", "UPDATE channel_log_entry SET bytes = x'00' WHERE idx = 2");
  await expect(consortium.run("a", "verify", "--json")).rejects.toThrow(code("DATABASE_CORRUPT"));
});

it("holds for a member that comes late, takes a snapshot from those that pruned, and then votes", async () => {
  const three = names.slice(0, 3);
  for (const name of three) await consortium.start(name);
  await sealed("a", 4);
  for (const size of [5, 6]) {
    await orderOne("a");
    for (const name of three) await sealed(name, size);
  }
  for (const name of three) {
    await consortium.stop(name);
    await consortium.run(name, "prune", "--below", "2");
  }
  for (const name of names) await consortium.start(name);
  // Its own lane is the seventh leaf.
  await sealed("d", 7);
  const finalAt = await vi.waitFor(async () => {
    const status = await consortium.json("d", "status");
    expect(status).toMatchObject({ amnesia: false });
    return viewOf("a");
  }, soon);
  // It abstains in the views in which it may have voted before: the others leave those without it.
  while ((await viewOf("a")) <= finalAt + 2) await orderOne("a");
  await consortium.stop("c");
  await orderOne("a");
  await sealed("d", (await statusOf("a")).size);
  await consortium.stop("d");
  expect(await consortium.json("d", "verify")).toMatchObject({ valid: true });
  const checked = z.object({ prunedBelow: z.int() }).loose();
  expect(checked.parse(await consortium.json("d", "verify")).prunedBelow).toBeGreaterThan(1);
});

let orders = 0;
/** Another revocation each time. */
async function orderOne(name: string): Promise<void> {
  const file = consortium.path(`revocation-${++orders}`);
  const key = orders.toString(16).padStart(64, "0");
  const says = ["--device", "meter-1", "--key", key, "--reason", "retired"];
  await consortium.run(name, "propose", "revoke", ...says, "--to", file);
  await consortium.run(name, "submit", file);
}
