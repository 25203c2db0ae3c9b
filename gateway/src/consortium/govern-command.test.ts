/** Four organisations admit a fifth while they order, let one go, and change who approves what. */

import { copyFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { judgeCheckpointFile, judgeEpochsFile } from "@tamga/ledger-core/verify-commands";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { z } from "zod";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { readAddress } from "../site/address.ts";
import { sitePaths } from "../site/site.ts";

const four = ["a", "b", "c", "d"];
let consortium: GatewayConsortium;
let file: string;
const code = (expected: string) => expect.objectContaining({ code: expected });

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-govern-"));
  consortium = await GatewayConsortium.create(directory, [...four, "e"]);
  file = consortium.path("change");
  // The four are told of no way to the fifth: it dials them.
  for (const name of four) consortium.configure(name, four);
  await consortium.open(four);
});
afterEach(() => consortium.close());

const startFour = async () => {
  for (const name of four) await consortium.start(name);
  await sealed("a", 5);
};
const sealed = (name: string, size: number, more: object = {}) =>
  vi.waitFor(async () => {
    expect(await consortium.json(name, "status")).toMatchObject({
      size,
      sealedSize: size,
      ...more,
    });
  }, soon);
const run = (name: string, ...args: string[]) => consortium.run(name, ...args);
const approve = (name: string) => run(name, "approve", file);

it("admits a fifth organisation and lets one go, while the channel runs", async () => {
  await startFour();
  await run("e", "join", "--out", consortium.path("e.json"));
  const channel = consortium.path("channel.tamga");
  await expect(run("e", "join", "--take", channel)).rejects.toThrow(code("CHANNEL_NOT_OURS"));
  await run("e", "join", "--take", channel, "--follow");
  await consortium.start("e");

  const proposed = await run(
    "a",
    "propose",
    "validators",
    "--admit",
    consortium.path("e.json"),
    "--to",
    file,
  );
  expect(proposed.out).toMatch(/ {2}e of org-e .* JOINS\n/);
  expect(proposed.out).toContain("ready: a; 1 of 4 needed");
  await expect(run("a", "submit", file)).rejects.toThrow(code("READINESS_TOO_FEW"));
  await approve("b");
  // A stranger to the channel says that it is ready, and nothing more.
  expect((await approve("e")).out).toContain("ready: a, b, e; 3 of 4 needed");
  await expect(approve("e")).rejects.toThrow(code("PROPOSAL_NOTHING_TO_SIGN"));
  const signed = await approve("c");
  expect(signed.out).toContain("signed by org-c");
  expect(signed.out).toContain("1 of 3 organisations approve: hand it to org-a, org-b, org-d");
  await expect(approve("e")).rejects.toThrow(code("ORGANISATION_UNKNOWN"));
  await expect(run("a", "submit", file)).rejects.toThrow(code("APPROVALS_TOO_FEW"));
  await approve("d");
  expect((await approve("d")).out).toContain("2 of 3 organisations approve");
  expect((await approve("b")).out).toContain("complete: tamga-gateway ledger submit");
  expect((await run("a", "submit", file)).out).toContain("final and sealed: leaf 5 ");
  // The fifth's own lane is the seventh leaf: it orders with the others.
  await sealed("e", 7, { epoch: 1, quorum: { needed: 4, reachable: 5, isThere: true } });
  await sealed("a", 7, { epoch: 1, trust: "4 of 5 organisations" });
  expect(await consortium.json("a", "members")).toMatchObject({
    epoch: 1,
    validators: [...four.map((name) => ({ name, sinceEpoch: 0 })), { name: "e", sinceEpoch: 1 }],
    pending: null,
  });
  expect((await run("a", "show", file)).out).toContain("it is ordered");
  expect((await run("b", "submit", file)).out).toContain("leaf 5 ");

  const removal = consortium.path("removal");
  await run("e", "propose", "validators", "--remove", "b", "--to", removal);
  for (const name of ["c", "a", "d", "e"]) await run(name, "approve", removal);
  await run("c", "submit", removal);
  await sealed("e", 8, { epoch: 2, quorum: { needed: 3, reachable: 4, isThere: true } });
  await vi.waitFor(async () => {
    const status = await consortium.run("b", "status");
    expect(status.out).toContain("no link");
  }, soon);

  // Without the first of the four, the fifth's seal is one of the three that it takes.
  await consortium.stop("a");
  const policy = consortium.path("policy");
  await run("c", "propose", "policy", "--rule", "anchor=2", "--to", policy);
  for (const name of ["d", "e"]) await run(name, "approve", policy);
  await run("e", "submit", policy);
  await sealed("c", 9, { epoch: 2, quorum: { needed: 3 } });
  await consortium.start("a");
  await sealed("a", 9, { epoch: 2, quorum: { reachable: 4 } });
  await verifyAll();
}, 400_000);

/** Epochs and newest checkpoint as an auditor has them: the trust policy of the opening, and two files. */
async function verifyAll(): Promise<void> {
  const epochs = consortium.path("epochs.tamga");
  expect((await run("e", "epochs", "--to", epochs)).out).toContain("3 sets of validators");
  const { trust } = sitePaths(consortium.directoryOf("a"));
  const verdict = judgeEpochsFile(epochs, { trust, lang: "en" });
  expect(verdict.valid).toBe(true);
  expect(verdict.lines.join("\n")).toContain("- e (org-e)");
  const note = consortium.path("checkpoint");
  writeFileSync(note, await checkpointOf("e"));
  expect(judgeCheckpointFile(note, { trust, lang: "en", epochs }).lines.join()).toContain("VALID:");
  expect(judgeCheckpointFile(note, { trust, lang: "en" })).toMatchObject({ valid: false });
}

async function checkpointOf(name: string): Promise<string> {
  const { http } = present(readAddress(sitePaths(consortium.directoryOf(name)).address), "address");
  const list: unknown = await (await fetch(`${http}/tlog/`)).json();
  const log = z.looseObject({ kind: z.string(), prefix: z.string() });
  const { logs } = z.looseObject({ logs: z.array(log) }).parse(list);
  const { prefix } = present(
    logs.find(({ kind }) => kind === "channel"),
    "log of the channel",
  );
  return (await fetch(`${http}${prefix}/checkpoint`)).text();
}

it("changes the policy by those who have to approve it, and then revokes by it", async () => {
  await startFour();
  const propose = (...args: string[]) => run("a", "propose", "policy", ...args, "--to", file);
  await expect(propose("--rule", "device=9")).rejects.toThrow(code("POLICY_UNATTAINABLE"));
  expect(existsSync(file)).toBe(false);
  for (const rule of ["device", "device=0", "device=2:king", "meat=2", "device=2:ca:no name"])
    await expect(propose("--rule", rule), rule).rejects.toThrow(code("USAGE_RULE"));
  await propose("--rule", "device=2:ca");
  await expect(propose("--rule", "device=2:ca")).rejects.toThrow(code("PROPOSAL_EXISTS"));
  const stale = consortium.path("stale");
  copyFileSync(file, stale);
  expect((await run("b", "show", file)).out).toContain("device: 2 of all organisations, by their");
  await approve("b");
  await approve("c");
  await run("d", "submit", file);
  await sealed("a", 6);
  await expect(run("b", "approve", stale)).rejects.toThrow(code("POLICY_NOT_NEXT"));
  expect(await consortium.json("b", "members")).toMatchObject({
    policy: {
      sequence: "1",
      rules: [{ governed: "device", role: "ca", needed: 2, byDefault: false }, {}, {}],
    },
  });

  const revocation = consortium.path("revocation");
  const key = "ab".repeat(32);
  const args = ["--device", "meter-1", "--key", key, "--to", revocation, "--reason"];
  await expect(run("a", "propose", "revoke", ...args, "bored")).rejects.toThrow(
    code("USAGE_REVOKE"),
  );
  await run("a", "propose", "revoke", ...args, "compromised");
  await expect(run("a", "submit", revocation)).rejects.toThrow(code("APPROVALS_TOO_FEW"));
  const approved = await run("b", "approve", revocation);
  expect(approved.out).toContain(`key ${key} of meter-1 is compromised since`);
  await run("a", "submit", revocation);
  await sealed("d", 7);
  await run("a", "propose", "policy", "--without", "device", "--to", consortium.path("back"));
});

it("refuses what no channel would take, and another channel's proposals, before anything is signed", async () => {
  await consortium.start("a");
  const propose = (...args: string[]) => run("a", "propose", "validators", ...args, "--to", file);
  await expect(propose()).rejects.toThrow(code("USAGE_MEMBERS"));
  await expect(propose("--remove", "x")).rejects.toThrow(code("MEMBER_UNKNOWN"));
  await expect(propose("--remove", ...four)).rejects.toThrow(code("MEMBERS_WRONG"));
  await expect(propose("--admit", consortium.path("b.json"))).rejects.toThrow(
    code("CONSORTIUM_NAME_TWICE"),
  );
  expect(existsSync(file)).toBe(false);
  await propose("--remove", "d");
  const text = readFileSync(file, "utf8");
  const otherDigit = (digit: string) => (digit === "0" ? "1" : "0");
  const wrong: readonly (readonly [string, string])[] = [
    ["PROPOSAL_INVALID", "{"],
    ["PROPOSAL_INVALID", text.replace('"epoch": 1', '"epoch": 0')],
    ["PROPOSAL_OTHER_VERSION", text.replace('"version": 1', '"version": 2')],
    ["EPOCH_NOT_NEXT", text.replace('"epoch": 1', '"epoch": 2')],
    ["READINESS_WRONG", text.replace('"name": "b"', '"name": "x"')],
    ["PROPOSAL_OTHER_CHANNEL", text.replace(/(?<="channelId": ")./, otherDigit)],
    ["PROPOSAL_INVALID", " ".repeat(12_000_000)],
  ];
  for (const [expected, changed] of wrong) {
    writeFileSync(file, changed);
    await expect(approve("a"), expected).rejects.toThrow(code(expected));
    expect(readFileSync(file, "utf8")).toBe(changed);
  }
});
