/** Four organisations lose two disks for ever; three of their CA keys begin the channel anew, and it orders again. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { SqliteChannel } from "@tamga/ledger-core/ledger/sqlite-channel";
import { verifyDatabase } from "@tamga/ledger-core/ledger/sqlite-snapshots";
import { judgeCheckpointFile, judgeEpochsFile } from "@tamga/ledger-core/verify-commands";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { readAddress } from "../site/address.ts";
import { sitePaths } from "../site/site.ts";
import { acknowledgement } from "./recover-command.ts";

const four = ["a", "b", "c", "d"];
let consortium: GatewayConsortium;
let file: string;
const code = (expected: string) => expect.objectContaining({ code: expected });

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-recover-"));
  consortium = await GatewayConsortium.create(directory, four);
  file = consortium.path("recovery");
  for (const name of four) consortium.configure(name, four);
  await consortium.open(four);
});
afterEach(() => consortium.close());

const run = (name: string, ...args: string[]) => consortium.run(name, ...args);
const sealed = (name: string, size: number, more: object = {}) =>
  vi.waitFor(async () => {
    expect(await consortium.json(name, "status")).toMatchObject({
      size,
      sealedSize: size,
      ...more,
    });
  }, soon);

/** The newest checkpoint as the gateway serves it, in a file. */
async function checkpointOf(name: string, to: string): Promise<string> {
  const address = present(readAddress(sitePaths(consortium.directoryOf(name)).address), "address");
  const logs = await (await fetch(`${address.http}/tlog/`)).json();
  const { logs: all } = z
    .object({ logs: z.array(z.object({ kind: z.string(), prefix: z.string() })) })
    .parse(logs);
  const { prefix } = present(
    all.find(({ kind }) => kind === "channel"),
    "the channel's log",
  );
  const note = await (await fetch(`${address.http}${prefix}/checkpoint`)).text();
  writeFileSync(consortium.path(to), note);
  return consortium.path(to);
}

/** All but the CA, which its organisation keeps elsewhere. */
function loseDisk(name: string): void {
  const directory = consortium.directoryOf(name);
  for (const entry of readdirSync(directory))
    if (entry !== "site-ca" && entry !== "gateway.toml")
      rmSync(join(directory, entry), { recursive: true });
}

it("begins anew where it was sealed last, and verifies from the first trust policy", async () => {
  for (const name of four) await consortium.start(name);
  await sealed("a", 5);
  const trust = consortium.path("trust-first.json");
  writeFileSync(trust, readFileSync(sitePaths(consortium.directoryOf("a")).trust));
  const before = await checkpointOf("a", "before.note");
  const change = ["--remove", "c", "d", "--to", file];
  await vi.waitFor(async () => {
    expect(await consortium.json("a", "status")).toMatchObject({ quorum: { isThere: true } });
  }, soon);
  await expect(run("a", "propose", "recovery", ...change)).rejects.toThrow(
    code("RECOVERY_QUORUM_ANSWERS"),
  );
  for (const name of ["c", "d"]) {
    await consortium.stop(name);
    loseDisk(name);
  }
  await run("a", "export", "--to", consortium.path("lost.export"));

  // A new node of the third organisation: its CA was kept, its validator's key was not.
  await run("c", "join", "--out", consortium.path("c-new.json"));
  await run("c", "join", "--take", consortium.path("channel.tamga"), "--follow");
  await run("c", "import", consortium.path("lost.export"));
  await vi.waitFor(async () => {
    expect(await consortium.json("a", "status")).toMatchObject({ quorum: { isThere: false } });
  }, soon);
  const admit = ["--admit", consortium.path("c-new.json")];
  const proposed = await run("a", "propose", "recovery", ...change, ...admit);
  expect(proposed.out).toContain("1 of 3 needed");
  await run("b", "approve", file);
  await consortium.stop("a");
  await consortium.stop("b");
  await expect(run("a", "recover", file)).rejects.toThrow(code("RECOVERY_SIGNERS_TOO_FEW"));
  expect(await consortium.json("c", "approve", file)).toMatchObject({
    isComplete: true,
    compared: true,
    signedBy: ["org-a", "org-b", "org-c"],
  });

  for (const name of ["a", "b", "c"])
    expect(await consortium.json(name, "recover", file)).toMatchObject({ isDoubted: false });
  for (const name of ["a", "b", "c"]) {
    consortium.configure(name, ["a", "b", "c"]);
    await consortium.start(name);
  }
  // Five leaves, the recovery, and the three lanes that are opened anew.
  await sealed("a", 9, { epoch: 0, reopened: true, quorum: { needed: 2 } });
  await consortium.orderOne("b");
  await sealed("c", 10);

  const after = await checkpointOf("b", "after.note");
  const epochs = consortium.path("epochs.tamga");
  await run("a", "epochs", "--to", epochs);
  const options = { trust, epochs, lang: "en" } as const;
  const judged = judgeEpochsFile(epochs, options);
  expect(judged.lines.join("\n")).toContain("3 of 4 organisations (3 needed): org-a, org-b, org-c");
  expect(judgeCheckpointFile(before, { trust, lang: "en" })).toMatchObject({ valid: true });
  expect(judgeCheckpointFile(before, options)).toMatchObject({ valid: true });
  expect(judgeCheckpointFile(after, options)).toMatchObject({ valid: true });
  expect(judgeCheckpointFile(after, { trust, lang: "en" }).object).toMatchObject({
    code: "SEAL_OTHER_LOG",
  });

  await consortium.stop("a");
  const db = openDatabase(sitePaths(consortium.directoryOf("a")).ledger);
  verifyDatabase(SqliteChannel.open(db, nodeCrypto), nodeCrypto);
  db.close();
  expect(await consortium.json("a", "recover", file)).toMatchObject({ keptAside: null });
});

it("asks for the words where no gateway runs", async () => {
  for (const name of four) await consortium.start(name);
  await sealed("a", 5);
  for (const name of four) await consortium.stop(name);
  const change = ["--remove", "c", "d", "--to", file];
  await expect(run("a", "propose", "recovery", ...change)).rejects.toThrow(
    code("RECOVERY_QUORUM_UNKNOWN"),
  );
  await run("a", "propose", "recovery", ...change, "--acknowledge", acknowledgement);
  expect(await consortium.json("a", "show", file)).toMatchObject({ isComplete: false, needed: 3 });
  await expect(run("a", "submit", file)).rejects.toThrow(code("RECOVERY_NOT_SUBMITTED"));
});
