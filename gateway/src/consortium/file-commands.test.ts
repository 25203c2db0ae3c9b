/** Final blocks by file between gateways: out of a running one, into a stopped one, and what is refused. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judgeEpochsFile } from "@tamga/ledger-core/verify-commands";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { sitePaths } from "../site/site.ts";

const names = ["a", "b", "c", "d"];
const three = names.slice(0, 3);
let consortium: GatewayConsortium;
let stick: string;

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-files-"));
  consortium = await GatewayConsortium.create(directory, names);
  stick = consortium.path("stick");
  await consortium.open(names);
});
afterEach(() => consortium.close());

const startThree = async () => {
  for (const name of three) await consortium.start(name);
  await vi.waitFor(async () => {
    expect(await consortium.json("a", "status")).toMatchObject({ size: 4, sealedSize: 4 });
  }, soon);
};
const heightOf = async (name: string) =>
  z.looseObject({ finalHeight: z.int() }).parse(await consortium.json(name, "status")).finalHeight;

it("carries blocks from a running gateway to one that nobody reaches", async () => {
  await startThree();
  const height = await heightOf("a");
  const exported = await consortium.run("a", "export", "--to", stick);
  expect(exported.out).toContain("blocks 1 to ");
  const epochs = consortium.path("epochs.tamga");
  expect((await consortium.run("a", "epochs", "--to", epochs)).out).toContain("one set of");
  const { trust } = sitePaths(consortium.directoryOf("a"));
  expect(judgeEpochsFile(epochs, { trust, lang: "en" })).toMatchObject({ valid: true });
  const imported = await consortium.run("d", "import", stick);
  expect(imported.err).toContain("block 0 is the newest here; the file begins at 1");
  expect(imported.out).toMatch(/^took blocks 1 to \d+: each certificate, each header/);
  expect(imported.out).toContain("the log has 4 leaves, 4 of them sealed");
  expect(await heightOf("d")).toBeGreaterThanOrEqual(height);
  // Its votes might have been lost with its ledger: it asks before it signs.
  expect(await consortium.json("d", "status")).toMatchObject({ running: false, amnesia: true });
  const again = await consortium.run("d", "import", stick);
  expect(again.out).toMatch(/^nothing new/);
  await consortium.start("d");
  await vi.waitFor(async () => {
    expect(await consortium.json("d", "status")).toMatchObject({
      amnesia: false,
      size: 5,
      sealedSize: 5,
      quorum: { reachable: 4 },
    });
  }, soon);
});

it("refuses each thing that is wrong by its code, and changes nothing", async () => {
  await startThree();
  await consortium.orderOne("a");
  const code = (expected: string) => expect.objectContaining({ code: expected });
  await consortium.run("a", "export", "--to", stick);
  const exportAgain = (...more: string[]) => consortium.run("a", "export", "--to", ...more);
  await expect(exportAgain(stick)).rejects.toThrow(code("EXPORT_EXISTS"));
  const other = consortium.path("other");
  await expect(exportAgain(other, "--from", "0")).rejects.toThrow(code("USAGE_HEIGHT"));
  await expect(exportAgain(other, "--from", "9999")).rejects.toThrow(code("EXPORT_EMPTY"));
  await expect(exportAgain(join(other, "below"))).rejects.toThrow(code("FILE_UNWRITABLE"));
  expect(existsSync(other)).toBe(false);

  await expect(consortium.run("b", "import", stick)).rejects.toThrow(code("DATA_DIR_IN_USE"));
  await exportAgain(other, "--from", "2");
  await expect(consortium.run("d", "import", other)).rejects.toThrow(code("EXPORT_REFUSED"));
  const whole = readFileSync(stick);
  const middle = Math.floor(whole.length / 2);
  whole[middle] = (whole[middle] ?? 0) ^ 1;
  writeFileSync(stick, whole);
  await expect(consortium.run("d", "import", stick)).rejects.toThrow(
    expect.objectContaining({
      code: "EXPORT_MALFORMED",
      message: expect.stringMatching(/damaged in what begins at byte \d+\./),
    }),
  );
  await expect(consortium.run("d", "import", `${stick}.none`)).rejects.toThrow(
    code("FILE_UNREADABLE"),
  );
  expect(await heightOf("d")).toBe(0);
  rmSync(sitePaths(consortium.directoryOf("d")).channel);
  await expect(consortium.run("d", "import", other)).rejects.toThrow(code("CHANNEL_FILE_MISSING"));
});

it("takes no other channel's blocks, and makes no ledger for them", async () => {
  await startThree();
  await consortium.run("a", "export", "--to", stick);
  await consortium.run("d", "init", "--out", stick.concat(".channel"), "--member", ...members());
  const channel = stick.concat(".channel");
  await consortium.run("d", "join", "--take", channel);
  await expect(consortium.run("d", "import", stick)).rejects.toMatchObject({
    code: "EXPORT_OTHER_CHANNEL",
  });
  expect(existsSync(sitePaths(consortium.directoryOf("d")).ledger)).toBe(false);
});

const members = () => names.map((name) => consortium.path(`${name}.json`));
