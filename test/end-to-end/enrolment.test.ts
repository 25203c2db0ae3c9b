/** Enrolment over HTTP against a real gateway: what an operator approves is what he was shown. */

import { encodeEnrolmentRequest } from "@tamga/ledger-core/wire/enrolment";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createDeviceKeys } from "../support/device-keys.ts";
import { TestSite } from "../support/test-site.ts";
import { name } from "../support/wire-samples.ts";

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.start();
});
afterAll(() => site.close());

function enrol(body: string, type = "application/json"): Promise<Response> {
  return fetch(`${site.http}/enrol`, { method: "POST", headers: { "content-type": type }, body });
}

it("keeps the key that was shown first, and approves no other", async () => {
  const honest = await createDeviceKeys(name("meter-1"));
  const intruder = await createDeviceKeys(name("meter-1"));
  expect((await enrol(encodeEnrolmentRequest(honest.request))).status).toBe(202);
  const [line = ""] = (await site.cli("devices", "list", "--json")).split("\n");
  const shown = JSON.parse(line);
  expect(shown).toMatchObject({
    device: "meter-1",
    state: "pending",
    kid: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  const replaced = await enrol(encodeEnrolmentRequest(intruder.request));
  expect(await replaced.json()).toMatchObject({ code: "ENROLMENT_OTHER_KEY" });
  const wrong = site.cli("devices", "approve", "meter-1", "--key", "0".repeat(64));
  await expect(wrong).rejects.toThrow("ENROLMENT_OTHER_KEY");
  await site.cli("devices", "approve", "meter-1", "--key", shown.kid);
  expect((await fetch(`${site.http}/enrol/meter-1`)).status).toBe(200);
});

it("lets an operator drop a request", async () => {
  const keys = await createDeviceKeys(name("meter-2"));
  expect((await enrol(encodeEnrolmentRequest(keys.request))).status).toBe(202);
  await site.cli("devices", "drop", "meter-2");
  expect((await fetch(`${site.http}/enrol/meter-2`)).status).toBe(404);
  await expect(site.cli("devices", "drop", "meter-2")).rejects.toThrow("DEVICE_UNKNOWN");
});

it("takes nothing that a page of another origin could send without asking", async () => {
  const keys = await createDeviceKeys(name("meter-3"));
  const body = encodeEnrolmentRequest(keys.request);
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    expect((await enrol(body, type)).status).toBe(415);
  }
  expect((await fetch(`${site.http}/enrol/meter-3`)).status).toBe(404);
});
