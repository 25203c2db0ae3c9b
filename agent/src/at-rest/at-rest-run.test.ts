/** The agent as a process, with a key in SoftHSM2 and an outbox that is encrypted: what lies on its disk. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { requirePart } from "../../../test/real-parts.ts";
import { answerRequest } from "../../../test/support/answer-request.ts";
import type { SoftHsm } from "../../../test/support/softhsm.ts";
import { createSoftHsm } from "../../../test/support/softhsm.ts";
import { soon } from "../../../test/support/soon.ts";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { checkOutboxCovers } from "../outbox/coverage.ts";
import { sealingNames } from "./rest-cipher.ts";

const main = new URL("../main.ts", import.meta.url).pathname;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function start(...parameters: readonly string[]) {
  const child = spawn(process.execPath, [main, ...parameters], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  cleanups.push(() => child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    output.stdout += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    output.stderr += String(chunk);
  });
  return { child, output, ended: once(child, "close").then(([code]) => Number(code)) };
}

/** What the readings say, as a reader would find it: the tag's bits in the stick's own line. */
const tag = "LA 999 000000012345";

async function stickReader(): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    const timer = setInterval(() => socket.write(`${tag}\r\n`), 20);
    socket.on("close", () => clearInterval(timer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  return `tcp://127.0.0.1:${address.port}`;
}

describe.runIf(requirePart("softhsm2"))("an agent whose outbox is encrypted", () => {
  let hsm: SoftHsm;
  beforeAll(() => {
    hsm = createSoftHsm();
    hsm.addToken("site");
  });
  afterAll(() => hsm.remove());

  async function enrol(...keyOptions: readonly string[]): Promise<string> {
    const dataDir = mkdtempSync(join(tmpdir(), "tamga-at-rest-"));
    cleanups.push(() => rmSync(dataDir, { recursive: true }));
    const [request, answer] = [join(dataDir, "request.json"), join(dataDir, "answer.json")];
    const site = new SyntheticChannel();
    const data = ["enrol", "--data", dataDir, ...keyOptions];
    const asked = start(...data, "--device", "box-1", "--out", request);
    expect([await asked.ended, asked.output.stderr]).toEqual([0, expect.anything()]);
    writeFileSync(
      answer,
      answerRequest(site, readFileSync(request, "utf8"), ["mqtts://localhost:1"]),
    );
    const taken = start(...data, "--answer", answer);
    expect([await taken.ended, taken.output.stderr]).toEqual([0, expect.anything()]);
    return dataDir;
  }

  function configure(dataDir: string, link: string, part: { key?: string; atRest: string }): void {
    const lines = [
      ...['device = "box-1"', `channel = "${new SyntheticChannel().policy.channel}"`],
      `key = "${part.key ?? hsm.keyUri("site", "box-1")}"`,
      ...["[[stream]]", 'name = "stick"', `link = "${link}"`, 'protocol = "iso11784-stick"'],
      ...['max_age = "50ms"', "emulated = true"],
      ...["[outbox]", `at_rest = "${part.atRest}"`, 'journal_after = "5ms"', "[http]", "port = 0"],
    ];
    writeFileSync(join(dataDir, "agent.toml"), lines.join("\n"));
  }

  /** Runs until readings were journaled and bundled, then kills it. */
  async function runAndKill(dataDir: string): Promise<void> {
    const running = start("run", "--data", dataDir, "--events");
    const stored = () => running.output.stdout.split('"event":"read"').length;
    await vi.waitFor(() => expect(stored(), running.output.stderr).toBeGreaterThan(20), soon);
    running.child.kill("SIGKILL");
    await running.ended;
  }

  /** Rows as they are in the file; a kill may leave journal rows, and there are bodies always. */
  function stored(dataDir: string) {
    const database = openDatabase(join(dataDir, "outbox.db"), { readonly: true });
    const count = (sql: string) => Number(database.prepare(sql).pluck().get());
    const covered = checkOutboxCovers(database);
    const counts = {
      isCovered: covered.ok,
      plainRows: count("SELECT count(*) FROM journal WHERE sealed = 0"),
      plain: count("SELECT count(*) FROM body WHERE encoding < 16"),
      sealed: count("SELECT count(*) FROM body WHERE encoding >= 16"),
    };
    database.close();
    return counts;
  }

  test.each(sealingNames)(
    "with %s is killed, goes on, and shows only what was stored in the clear",
    async (atRest) => {
      const dataDir = await enrol("--key", hsm.keyUri("site", "box-1"));
      const link = await stickReader();
      configure(dataDir, link, { atRest });
      await runAndKill(dataDir);
      expect(stored(dataDir)).toMatchObject({ isCovered: true, plainRows: 0, plain: 0 });
      const { sealed } = stored(dataDir);
      expect(sealed).toBeGreaterThan(0);

      // What is left of the killed run is bundled now, in the clear where that is configured.
      configure(dataDir, link, { atRest: "off" });
      await runAndKill(dataDir);
      expect(stored(dataDir)).toMatchObject({ isCovered: true, sealed });
      expect(stored(dataDir).plain).toBeGreaterThan(0);

      const key = join(dataDir, "outbox.key");
      expect(existsSync(key)).toBe(true);
      renameSync(key, `${key}.away`);
      const refused = start("run", "--data", dataDir);
      expect(await refused.ended).toBe(78);
      expect(refused.output.stderr).toContain("KEY_AT_REST_MISSING");
    },
  );

  test("is refused with a key in a file, which would protect nothing", async () => {
    const dataDir = await enrol();
    const signingKey = `file:${join(dataDir, "signing.key")}`;
    configure(dataDir, "tcp://127.0.0.1:1", { key: signingKey, atRest: "aes-256-gcm" });
    const refused = start("run", "--data", dataDir);
    expect([await refused.ended, refused.output.stderr]).toEqual([
      78,
      expect.stringContaining("KEY_AT_REST_NO_TOKEN"),
    ]);
  });
});
