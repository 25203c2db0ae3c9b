/** The logs of a running gateway, read by their tiles: both roots are rebuilt, and both checkpoints are signed. */

import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { verifyLaneNote } from "@tamga/ledger-core/receipt/lane-note";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { verifySealedNote } from "@tamga/ledger-core/receipt/verify-seal";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { TestSite } from "../support/test-site.ts";
import { fetchLog } from "../support/tile-client.ts";
import { unwrap } from "../support/unwrap.ts";

const listSchema = z.strictObject({
  logs: z.array(
    z.strictObject({
      kind: z.string(),
      channel: z.string(),
      origin: z.string(),
      prefix: z.string(),
    }),
  ),
});

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.start();
});
afterAll(async () => site.close());

test("the channel's log and the lane are rebuilt from tiles, with nothing but statements in them", async () => {
  const device = await site.online("meter-1");
  const stream = device.stream();
  const made = [stream.start(), ...Array.from({ length: 300 }, () => stream.bundle(1))];
  await Promise.all(made.map((one) => device.send(one)));
  for (const one of made) expect((await device.until(one, "final")).kind).toBe("final");

  const listed = listSchema.parse(await (await fetch(`${site.http}/tlog/`)).json());
  const prefixOf = (kind: string) =>
    `${site.http}${
      present(
        listed.logs.find((log) => log.kind === kind),
        kind,
      ).prefix
    }`;

  const channel = await fetchLog(prefixOf("channel"));
  expect(channel.rebuilt).toBe(channel.root);
  const seal = unwrap(verifySealedNote(nodeCrypto, device.policy, channel.note));
  expect(seal.head.size).toBe(BigInt(channel.size));
  const types = channel.entries.map((entry) => unwrap(parseStatement(entry)).header.type);
  expect(types.slice(0, 2)).toEqual(["channel-open", "lane-open"]);
  expect(new Set(types.slice(2))).toEqual(new Set(["device-key", "lane-head"]));
  expect(types.filter((type) => type === "device-key")).toHaveLength(1);

  const lane = await fetchLog(prefixOf("lane"));
  expect(lane.size).toBeGreaterThan(made.length);
  expect(lane.rebuilt).toBe(lane.root);
  const last = present(made.at(-1), "last bundle");
  const file = await site.receipt(device.name, stream.incarnation, last.range.first);
  const receipt = unwrap(verifyReceipt(nodeCrypto, device.policy, unwrap(parseReceipt(file))));
  const { key } = receipt.gateway;
  const head = unwrap(verifyLaneNote(nodeCrypto, { origin: lane.origin, key }, utf8(lane.note)));
  expect([head.origin, head.size]).toEqual([receipt.lane.origin, BigInt(lane.size)]);
  for (const entry of lane.entries.slice(1)) {
    const { type } = unwrap(parseStatement(entry)).header;
    expect(["start", "bundle"]).toContain(type);
  }
  expect(lane.entries.some((entry) => entry.equals(last.statement))).toBe(true);
});
