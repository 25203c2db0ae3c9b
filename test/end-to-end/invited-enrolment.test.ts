/** Enrolment with a one-time code, between the two real programs: nobody approves, and both sides prove it. */

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DeviceRegistry } from "@tamga/gateway/registry/device-registry";
import { present } from "@tamga/ledger-core/base/assert";
import { encodeEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createDeviceKeys } from "../support/device-keys.ts";
import { TestSite } from "../support/test-site.ts";
import { name } from "../support/wire-samples.ts";

const agentProgram = fileURLToPath(new URL("../../agent/src/main.ts", import.meta.url));
const run = promisify(execFile);
let site: TestSite;
const cleanups: (() => unknown)[] = [];
beforeAll(async () => {
  site = await TestSite.start();
});
afterAll(() => site.close());
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function freshBox(): string {
  const box = mkdtempSync(join(tmpdir(), "tamga-invited-"));
  cleanups.push(() => rmSync(box, { recursive: true }));
  return box;
}

/** The agent as a technician starts it, with the code in a file of its box. */
async function enrol(device: string, code: string, { box = freshBox(), gateway = site.http } = {}) {
  const codeFile = join(box, "code");
  writeFileSync(codeFile, code);
  const asking = ["enrol", "--data", box, "--device", device, "--gateway", gateway];
  const { stderr } = await run(process.execPath, [
    agentProgram,
    ...asking,
    "--code-file",
    codeFile,
  ]);
  return { box, said: stderr };
}
const invite = async (...args: readonly string[]) =>
  (await site.cli("devices", "invite", ...args)).trim();

/** Passes everything on to the gateway but what `change` makes of the answer. */
async function manInTheMiddle(change: (text: string) => string): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    const { url = "/", method = "GET", headers } = incoming;
    const passed = request(new URL(url, site.http), {
      method,
      headers: { ...headers, host: new URL(site.http).host },
    });
    passed.on("response", (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += String(chunk);
      });
      response.on("end", () => {
        const changed = method === "GET" ? change(text) : text;
        const { "content-length": _, ...kept } = response.headers;
        outgoing.writeHead(response.statusCode ?? 502, kept).end(changed);
      });
    });
    incoming.pipe(passed);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

test("a code makes a device, once; the same key may come again with it", async () => {
  const code = await invite();
  expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/);
  // As people type it.
  const { box, said } = await enrol(
    "meter-1",
    ` ${code.toLowerCase().replaceAll("-", " ").replaceAll("0", "o")}\n`,
  );
  expect(said).toContain("the site proved that it knows the one-time code");
  expect(readFileSync(join(box, "device.json"), "utf8")).toContain("meter-1");
  const files = ["registry.db", "registry.db-wal"].map((file) =>
    readFileSync(join(site.dir, file)),
  );
  for (const bytes of files)
    for (const text of [code, code.replaceAll("-", "")]) expect(bytes.includes(text)).toBe(false);
  expect((await enrol("meter-1", code, { box })).said).toContain("enrolled as meter-1");
  await expect(enrol("meter-2", code)).rejects.toThrow("INVITATION_USED");
  expect(await site.cli("devices", "invitations")).toMatch(
    /any new device\tused by key [0-9a-f]{64}/,
  );
});

test("a code adds no key to a device that there is, and goes before whoever asked uninvited", async () => {
  await enrol("meter-3", await invite());
  await expect(enrol("meter-3", await invite())).rejects.toThrow("DEVICE_EXISTS");
  const intruder = await createDeviceKeys(name("meter-4"));
  const headers = { "content-type": "application/json" };
  const body = encodeEnrolmentRequest(intruder.request);
  expect((await fetch(`${site.http}/enrol`, { method: "POST", headers, body })).status).toBe(202);
  await enrol("meter-4", await invite("meter-4"));
  const listed = await site.cli("devices", "list");
  expect(listed.split("\n").filter((line) => line.startsWith("meter-4\t"))).toHaveLength(1);
  expect(listed).toMatch(/^meter-4\tapproved/m);
});

test("a code that is wrong, for another name, taken back or expired is refused by its own code", async () => {
  const code = await invite("meter-5");
  await expect(enrol("meter-6", code)).rejects.toThrow("INVITATION_OTHER_DEVICE");
  const wrong = code.replace(/^./, (digit) => (digit === "7" ? "8" : "7"));
  await expect(enrol("meter-5", wrong)).rejects.toThrow("INVITATION_WRONG");
  await expect(enrol("meter-5", "no code at all")).rejects.toThrow("INVITATION_MALFORMED");
  const [open = ""] = (await site.cli("devices", "invitations", "--json"))
    .split("\n")
    .filter((line) => line.includes('"meter-5"'));
  await site.cli("devices", "invitations", "--drop", JSON.parse(open).id);
  await expect(enrol("meter-5", code)).rejects.toThrow("INVITATION_WRONG");
  await expect(site.cli("devices", "invitations", "--drop", "00")).rejects.toThrow(
    "INVITATION_UNKNOWN",
  );
  await expect(invite("--valid", "99d")).rejects.toThrow("USAGE_TIME");
});

test("nobody between can answer in the site's place, nor use what he overhears for a key of his own", async () => {
  const change = (text: string) => text.replace(/"trust":\s*"/, (head) => `${head} `);
  const gateway = await manInTheMiddle(change);
  const box = freshBox();
  const code = await invite();
  await expect(enrol("meter-7", code, { box, gateway })).rejects.toThrow(
    "ENROLMENT_ANSWER_UNPROVEN",
  );
  // Nothing was taken; straight to the site the same key goes on.
  expect((await enrol("meter-7", code, { box })).said).toContain("enrolled as meter-7");
  const own = await createDeviceKeys(name("meter-8"));
  const overheard = `${"00".repeat(8)}.${"00".repeat(32)}`;
  const answer = await fetch(`${site.http}/enrol`, {
    method: "POST",
    headers: { "content-type": "application/json", "tamga-invitation": overheard },
    body: encodeEnrolmentRequest(own.request),
  });
  expect([answer.status, await answer.json()]).toMatchObject([403, { code: "INVITATION_WRONG" }]);
});

test("a code that has expired is refused, and makes room", async () => {
  const code = await invite("meter-9");
  const registry = new DeviceRegistry(join(site.dir, "registry.db"));
  try {
    const { id } = present(
      registry.invitations.list().find(({ device }) => device === "meter-9"),
      "the code",
    );
    const database = new (await import("better-sqlite3")).default(join(site.dir, "registry.db"));
    database.prepare("UPDATE invitation SET until = 1 WHERE hex(id) = upper(?)").run(id);
    database.close();
    await expect(enrol("meter-9", code)).rejects.toThrow("INVITATION_EXPIRED");
    await invite();
    expect(registry.invitations.list().some((one) => one.id === id)).toBe(false);
  } finally {
    registry.close();
  }
});
