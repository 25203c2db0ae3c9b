import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseDigest } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { unwrap } from "../../../test/support/unwrap.ts";
import { sitePaths } from "../site/site.ts";
import { doubtVotes } from "./doubt-votes.ts";
import { addLedgerCommand } from "./ledger-command.ts";
import { encodeMember, memberFileBytesMax, parseMember } from "./member-file.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-consortium-"));
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

const file = (name: string) => join(directory, name);

/** A node's directory with its configuration. */
function node(name: string, organisation: string, channel = "herd"): string {
  const data = file(name);
  const config = `${data}.toml`;
  writeFileSync(
    config,
    `consortium = "test"\nchannel = "${channel}"\norganisation = "${organisation}"\ngateway = "${name}"\ndata_dir = "${data}"\n`,
  );
  return config;
}

async function ledger(config: string, ...args: string[]): Promise<void> {
  const program = new Command().exitOverride();
  addLedgerCommand(program, () => ({ config }));
  await program.parseAsync(["ledger", ...args], { from: "user" });
}

async function memberOf(config: string, name: string): Promise<string> {
  const out = file(`${name}.json`);
  await ledger(config, "join", "--out", out, "--address", "127.0.0.1:8490");
  return out;
}

test("four members make one channel, and each takes only a file that names its own keys", async () => {
  const configs = ["a", "b", "c", "d"].map((name) => node(name, `org-${name}`));
  const members: string[] = [];
  for (const [at, config] of configs.entries()) members.push(await memberOf(config, `m${at}`));
  const channel = file("channel.tamga");
  await ledger(configs[0] ?? "", "init", "--out", channel, "--member", ...members);
  for (const config of configs) await ledger(config, "join", "--take", channel);
  const trusts = ["a", "b", "c", "d"].map((name) =>
    readFileSync(sitePaths(file(name)).trust, "utf8"),
  );
  expect(new Set(trusts).size).toBe(1);
  expect(JSON.parse(trusts[0] ?? "")).toMatchObject({ quorum: 3, channel: "herd" });
  const stranger = node("e", "org-e");
  await expect(ledger(stranger, "join", "--take", channel)).rejects.toMatchObject({
    code: "CHANNEL_NOT_OURS",
  });
  expect(existsSync(sitePaths(file("e")).channel)).toBe(false);
  // The same names with other keys: an impostor's directory.
  rmSync(file("b"), { recursive: true });
  await expect(ledger(configs[1] ?? "", "join", "--take", channel)).rejects.toMatchObject({
    code: "CHANNEL_NOT_OURS",
  });
});

test("refuses members that cannot be one consortium", async () => {
  const a = node("a", "org-a");
  const own = await memberOf(a, "a");
  const init = (...members: string[]) =>
    ledger(a, "init", "--out", file("channel.tamga"), "--member", ...members);
  const other = await memberOf(node("b", "org-b", "another"), "b");
  await expect(init(own, other)).rejects.toMatchObject({ code: "CONSORTIUM_MEMBERS_DIFFER" });
  await expect(init(own, own)).rejects.toMatchObject({ code: "CONSORTIUM_NAME_TWICE" });
  const sameOrganisation = await memberOf(node("c", "org-a"), "c");
  await expect(init(own, sameOrganisation)).rejects.toMatchObject({ code: "CONSORTIUM_CA_TWICE" });
  const stranger = await memberOf(node("d", "org-d"), "d");
  await expect(init(stranger)).rejects.toMatchObject({ code: "CONSORTIUM_WITHOUT_US" });
  await expect(init(own, file("nothing.json"))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  expect(existsSync(file("channel.tamga"))).toBe(false);
});

test("does not replace a ledger that is there", async () => {
  const a = node("a", "org-a");
  const own = await memberOf(a, "a");
  await ledger(a, "init", "--out", file("channel.tamga"), "--member", own);
  writeFileSync(sitePaths(file("a")).ledger, "");
  await expect(ledger(a, "join", "--take", file("channel.tamga"))).rejects.toMatchObject({
    code: "LEDGER_EXISTS",
  });
});

test("reads a member file strictly", async () => {
  const text = readFileSync(await memberOf(node("a", "org-a"), "a"), "utf8");
  expect(encodeMember(parseMember(text, "a.json"))).toBe(text);
  const json: Record<string, unknown> = JSON.parse(text);
  const wrong: readonly unknown[] = [
    { ...json, extra: 1 },
    { ...json, version: 2 },
    { ...json, node: "no name" },
    { ...json, validatorKey: "AAAA" },
    { ...json, addresses: Array.from({ length: 9 }, () => "a:1") },
    [],
  ];
  for (const value of wrong)
    expect(() => parseMember(JSON.stringify(value), "a.json")).toThrow(/no member file/);
  expect(() => parseMember("{", "a.json")).toThrow("it is not JSON");
  expect(() => parseMember(" ".repeat(memberFileBytesMax + 1), "a.json")).toThrow("too long");
});

test("a restore makes a validator of several doubt its votes, also where they are gone", async () => {
  const configs = ["a", "b", "c", "d"].map((name) => node(name, `org-${name}`));
  const members: string[] = [];
  for (const [at, config] of configs.entries()) members.push(await memberOf(config, `m${at}`));
  const channel = file("channel.tamga");
  const [first = ""] = configs;
  await ledger(first, "init", "--out", channel, "--member", ...members);
  const paths = sitePaths(file("a"));
  expect(doubtVotes(paths)).toBeUndefined();
  await ledger(first, "join", "--take", channel);
  const trust: { channelId: string } = JSON.parse(readFileSync(paths.trust, "utf8"));
  const id = unwrap(parseDigest(new Uint8Array(Buffer.from(trust.channelId, "hex"))));
  const isDoubted = () => {
    const votes = SqliteVoteStore.open(paths.votes, nodeCrypto);
    const { amnesia } = votes.load(id);
    votes.close();
    return amnesia;
  };
  expect(doubtVotes(paths)).toBe(3);
  expect(isDoubted()).toBe(true);
  rmSync(paths.votes);
  const votes = SqliteVoteStore.open(paths.votes, nodeCrypto);
  votes.begin(id, { amnesia: false });
  votes.close();
  expect(isDoubted()).toBe(false);
  expect(doubtVotes(paths)).toBe(3);
  expect(isDoubted()).toBe(true);
  writeFileSync(paths.channel, "");
  expect(() => doubtVotes(paths)).toThrow(/put it back from a backup/);
});
