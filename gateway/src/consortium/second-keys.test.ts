/** Four organisations, two of which cosign with ML-DSA-44 beside Ed25519, over real links. */

import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { loadOrCreateSecondKey } from "@tamga/ledger-core/ledger/second-key";
import { judgeCheckpointFile } from "@tamga/ledger-core/verify-commands";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { readGatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";

const names = ["a", "b", "c", "d"];
let consortium: GatewayConsortium;
const run = (name: string, ...args: string[]) => consortium.run(name, ...args);
const filesOf = (name: string) =>
  pathsOf(readGatewayConfig({ data: consortium.directoryOf(name) }));

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-second-"));
  consortium = await GatewayConsortium.create(directory, names);
  for (const name of ["a", "b"]) {
    const { err } = await run(name, "join", "--ml-dsa", "--out", consortium.path("member"));
    expect(err).toContain("its ML-DSA-44 key, a file that can be copied, begins with ");
  }
  await consortium.open(names);
});
afterEach(() => consortium.close());

const logs = z.looseObject({
  logs: z.array(z.looseObject({ kind: z.string(), prefix: z.string() })),
});

/** The newest checkpoint of a gateway, as a file. */
async function checkpoint(name: string): Promise<string> {
  const { http } = consortium.addressOf(name);
  const list = logs.parse(await (await fetch(`${http}/tlog/`)).json()).logs;
  const { prefix } = present(
    list.find(({ kind }) => kind === "channel"),
    "log of the channel",
  );
  const file = consortium.path("checkpoint");
  writeFileSync(file, await (await fetch(`${http}${prefix}/checkpoint`)).text());
  return file;
}

/** What the verifier says of the newest checkpoint, by the channel's own trust policy. */
async function said(name: string): Promise<string> {
  const { trust } = filesOf("c");
  return judgeCheckpointFile(await checkpoint(name), { trust, lang: "en" }).lines.join("\n");
}

const sealed = (name: string, size: number) =>
  vi.waitFor(async () => {
    expect(await consortium.json(name, "status")).toMatchObject({ size, sealedSize: size });
  }, soon);

it("seals with both lines of those that have both, and with one of those that do not", async () => {
  // With three of four there is no choice whose signatures make the quorum.
  for (const name of ["a", "b", "c"]) await consortium.start(name);
  await sealed("c", 4);
  const both = await said("c");
  expect(both).toContain("VALID:");
  expect(both).toContain("Also cosigned with ML-DSA-44 by 2 of 4 validators: ");
  // Two lines of 3.3 kB each: no receipt of 4 kB has room for one.
  const { size } = statSync(consortium.path("checkpoint"));
  expect([size > 6_500, size < 8_000]).toEqual([true, true]);

  // Without its key a validator counts for Ed25519; with another one it does not start.
  await consortium.stop("a");
  const { secondKey } = filesOf("a");
  rmSync(secondKey);
  await consortium.start("a");
  await consortium.orderOne("b");
  await sealed("c", 5);
  expect(await said("c")).toContain("Also cosigned with ML-DSA-44 by 1 of 4 validators: b");
  await consortium.stop("a");
  loadOrCreateSecondKey(secondKey);
  await expect(consortium.start("a")).rejects.toMatchObject({ code: "ML_DSA_KEY_MISMATCH" });
}, 200_000);

it("takes no second key, and no other one, once the channel is made", async () => {
  const channel = consortium.path("channel.tamga");
  await expect(
    run("c", "join", "--ml-dsa", "--out", consortium.path("member")),
  ).rejects.toMatchObject({ code: "ML_DSA_TOO_LATE" });
  const { secondKey } = filesOf("b");
  rmSync(secondKey);
  await expect(run("b", "join", "--take", channel)).rejects.toMatchObject({
    code: "CHANNEL_NOT_OURS",
  });
  loadOrCreateSecondKey(secondKey);
  await expect(run("b", "join", "--take", channel)).rejects.toMatchObject({
    code: "CHANNEL_NOT_OURS",
  });
});
