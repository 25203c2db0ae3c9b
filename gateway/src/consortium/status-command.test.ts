/** What operators of four organisations see of their channel: running, with one gone, stopped. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GatewayConsortium } from "../../../test/support/gateway-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { sitePaths } from "../site/site.ts";
import { doubtVotes } from "./doubt-votes.ts";

const names = ["a", "b", "c", "d"];
let consortium: GatewayConsortium;

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-status-"));
  consortium = await GatewayConsortium.create(directory, names);
});
afterEach(() => consortium.close());

const openFour = async () => {
  await consortium.open(names);
  for (const name of names) await consortium.start(name);
};

it("says who is reachable and how far, also once one is gone, and what is left on a stopped disk", async () => {
  await openFour();
  // Each gateway opens its lane: four transactions, four leaves beside the first.
  await vi.waitFor(async () => {
    expect(await consortium.json("a", "status")).toMatchObject({
      running: true,
      consortium: "test",
      channel: "herd",
      epoch: 0,
      size: 5,
      sealedSize: 5,
      pendingTransactions: 0,
      amnesia: false,
      halted: null,
      trust: "3 of 4 organisations",
      quorum: { needed: 3, reachable: 4, isThere: true },
    });
  }, soon);
  const report = await consortium.json("a", "status");
  expect(report).toMatchObject({
    finalHeight: expect.any(Number),
    finalAt: expect.stringMatching(/^20\d\d-.*Z$/),
    validators: [
      { name: "a", organisation: "org-a", isSelf: true, isReachable: true, link: "this node" },
      { name: "b", isSelf: false, isReachable: true, heardMs: expect.any(Number) },
      {
        name: "c",
        link: expect.stringMatching(/^(dialled 127\.0\.0\.1:\d+|accepted 127\.0\.0\.1)$/),
      },
      { name: "d", publicKey: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ],
  });
  const { out } = await consortium.run("a", "status");
  expect(out).toContain("the gateway runs");
  expect(out).toContain("quorum: there, 4 of 4 validators reachable, 3 needed");
  expect(out).toMatch(/ {2}b of org-b {2}[0-9a-f ]{19} {2}heard \d/);

  await consortium.stop("c");
  await vi.waitFor(async () => {
    expect(await consortium.json("a", "status")).toMatchObject({
      validators: [{}, {}, { name: "c", link: "none" }, {}],
    });
  }, soon);

  await consortium.stop("a");
  const stopped = await consortium.run("a", "status");
  expect(stopped.out).toContain("the gateway does not run: this is what its databases hold");
  expect(await consortium.json("a", "status")).toMatchObject({
    running: false,
    size: 5,
    sealedSize: 5,
    sealedAt: expect.any(String),
    view: null,
    amnesia: false,
    quorum: { needed: 3, reachable: null, isThere: null },
    validators: [{ name: "a", isSelf: true, isReachable: null }, {}, {}, {}],
  });
});

it("says when there is no quorum, and that a restored validator signs nothing", async () => {
  await consortium.open(names);
  await consortium.start("a");
  const { out } = await consortium.run("a", "status");
  expect(out).toContain("NO QUORUM: 1 of 4 validators reachable, 3 needed; nothing becomes final");
  expect(out).toMatch(/ {2}b of org-b .* NEVER HEARD {2}no link/);
  await consortium.stop("a");
  doubtVotes(sitePaths(consortium.directoryOf("a")));
  expect(await consortium.json("a", "status")).toMatchObject({ running: false, amnesia: true });
  await consortium.start("a");
  const doubting = await consortium.run("a", "status");
  expect(doubting.out).toContain("THIS VALIDATOR SIGNS NOTHING");
  expect(doubting.out).toContain("NO QUORUM: 0 of 4 validators reachable");
});

it("refuses where there is no ledger, and takes no other site's answer for its own", async () => {
  await expect(consortium.run("a", "status")).rejects.toMatchObject({ code: "LEDGER_MISSING" });
  const said: unknown[] = [
    { gateway: "elsewhere", consensus: {} },
    { gateway: "a", consensus: {} },
  ];
  const server = createServer((_request, response) => response.end(JSON.stringify(said.shift())));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const paths = sitePaths(consortium.directoryOf("a"));
  writeFileSync(paths.address, JSON.stringify({ http: `http://127.0.0.1:${port}`, mqttPort: 1 }));
  await expect(consortium.run("a", "status")).rejects.toMatchObject({ code: "LEDGER_MISSING" });
  await expect(consortium.run("a", "status")).rejects.toMatchObject({
    code: "GATEWAY_OTHER_VERSION",
  });
  await new Promise((resolve) => server.close(resolve));
});

it("lists members, since when, and who approves what", async () => {
  await consortium.open(names);
  await consortium.start("a");
  const rule = { role: "admin", needed: 3, byDefault: true };
  expect(await consortium.json("a", "members")).toMatchObject({
    epoch: 0,
    organisations: names.map((name) => ({ name: `org-${name}`, validators: 1 })),
    validators: names.map((name) => ({ name, role: "validator", sinceEpoch: 0 })),
    policy: {
      sequence: "0",
      rules: [
        { governed: "policy", ...rule },
        { governed: "validators", ...rule },
      ],
    },
    pending: null,
  });
  const { out } = await consortium.run("a", "members");
  expect(out).toMatch(/ {2}b of org-b {2}[0-9a-f ]{19} {2}since epoch 0/);
  expect(out).toContain(
    "  validators: 3 of 4 (org-a, org-b, org-c, org-d), by CA or administrator",
  );
});
