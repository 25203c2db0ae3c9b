/** Enrolment as a transaction, between real processes: approved while the gateway is down, killed on the way, stated once. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createDeviceKeys } from "../support/device-keys.ts";
import { TestSite } from "../support/test-site.ts";
import { name } from "../support/wire-samples.ts";

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.start();
}, 120_000);
afterAll(() => site.close());

const waiting = { timeout: 120_000, interval: 200 };
async function devices(): Promise<
  readonly { readonly device: string; readonly ordered?: boolean }[]
> {
  const lines = (await site.cli("devices", "list", "--json")).trim().split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}
const isOrdered = (device: string) =>
  vi.waitFor(
    async () =>
      expect(await devices()).toContainEqual(expect.objectContaining({ device, ordered: true })),
    waiting,
  );
async function entries(): Promise<number> {
  const ledger: unknown = (await site.status())["ledger"];
  return Number(Reflect.get(Object(ledger), "size"));
}

test("a device that is enrolled is in the ledger, with nothing read yet", async () => {
  const before = await entries();
  await site.enrol("meter-1");
  await isOrdered("meter-1");
  expect(await entries()).toBe(before + 1);
  expect(await site.cli("devices", "list")).toMatch(/^meter-1\t.*\tin the ledger$/m);
}, 300_000);

test("one that was approved while the gateway was down is, after its start, through a kill -9", async () => {
  await site.stop();
  const keys = await createDeviceKeys(name("meter-2"));
  const request = join(site.dir, "request.json");
  writeFileSync(request, encodeEnrolmentRequest(keys.request));
  await site.cli(
    "devices",
    "approve",
    "--request",
    request,
    "--out",
    join(site.dir, "answer.json"),
  );
  expect(await devices()).toContainEqual(
    expect.objectContaining({ device: "meter-2", ordered: false }),
  );
  expect(await site.cli("devices", "list")).toMatch(/^meter-2\t.*\tnot in the ledger yet$/m);
  await site.launch();
  await site.stop("SIGKILL");
  await site.launch();
  await isOrdered("meter-2");
  const size = await entries();
  await site.restart();
  await isOrdered("meter-2");
  // Nothing is stated twice: what else comes into an idle ledger is nothing.
  expect(await entries()).toBe(size);
}, 300_000);
