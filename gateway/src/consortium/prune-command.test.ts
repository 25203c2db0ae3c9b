/** What a pruned node still gives, how it goes on, and what it refuses to forget. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { SqliteChannel } from "@tamga/ledger-core/ledger/sqlite-channel";
import { verifyDatabase } from "@tamga/ledger-core/ledger/sqlite-snapshots";
import { verifyInclusion } from "@tamga/ledger-core/log/inclusion-proof";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { sitePaths } from "../site/site.ts";

const names = ["a", "b", "c", "d"];
const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const code = (expected: string) => expect.objectContaining({ code: expected });
let consortium: GatewayConsortium;

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-prune-"));
  consortium = await GatewayConsortium.create(directory, names);
  await consortium.open(names);
});
afterEach(() => consortium.close());

const sealed = (name: string, size: number) =>
  vi.waitFor(async () => {
    expect(await consortium.json(name, "status")).toMatchObject({ size, sealedSize: size });
  }, soon);
const run = (...args: string[]) => consortium.run("a", ...args);
const heightOf = async () =>
  z.looseObject({ finalHeight: z.int() }).parse(await consortium.json("a", "status")).finalHeight;

/** Of every leaf, its entry proved under the root; and the database holds as a whole. */
function provenLeaves(): number {
  const db = openDatabase(sitePaths(consortium.directoryOf("a")).ledger);
  try {
    const channel = SqliteChannel.open(db, nodeCrypto);
    verifyDatabase(channel, nodeCrypto);
    const { log } = channel;
    for (let index = 0; index < log.size; index++) {
      const claim = {
        leafIndex: BigInt(index),
        treeSize: BigInt(log.size),
        leafHash: hasher.leaf(present(log.entry(index), "entry")),
        path: log.inclusion(index, log.size),
      };
      expect(verifyInclusion(hasher, { ...claim, root: log.root() }).ok).toBe(true);
    }
    return log.size;
  } finally {
    db.close();
  }
}

it("forgets blocks and no proof, and orders on with the others", async () => {
  for (const name of names.slice(0, 3)) await consortium.start(name);
  await sealed("a", 4);
  await consortium.orderOne("a");
  await sealed("a", 5);
  await expect(run("prune", "--below", "1")).rejects.toThrow(code("DATA_DIR_IN_USE"));
  await consortium.stop("a");
  const height = await heightOf();
  await expect(run("prune", "--below", "0")).rejects.toThrow(code("USAGE_HEIGHT"));
  await expect(run("prune", "--below", String(height + 1))).rejects.toThrow(
    code("PRUNE_BEYOND_SEAL"),
  );
  // The newest block may be an empty one beyond the seal; the second has leaves, which are sealed.
  expect((await run("prune", "--below", "2")).out).toContain("blocks 1 to 1 are forgotten");
  expect((await run("prune", "--below", "1")).out).toContain("nothing to forget");
  expect(provenLeaves()).toBe(5);
  const stick = consortium.path("stick");
  await expect(run("export", "--to", stick, "--from", "1")).rejects.toThrow(code("EXPORT_PRUNED"));
  expect((await run("export", "--to", stick)).out).toContain(`blocks 2 to ${height}`);
  await consortium.start("a");
  await consortium.start("d");
  await sealed("a", 6);
  await sealed("d", 6);
  await consortium.stop("a");
  expect(provenLeaves()).toBe(6);
});
