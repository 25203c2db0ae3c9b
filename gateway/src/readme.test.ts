/** Holds the tables of the README to the code. */

import { readFileSync } from "node:fs";
import { exitCodes } from "@tamga/ledger-core/daemon/exit-code";
import { expect, test } from "vitest";
import * as limits from "./limits.ts";
import { createMetrics } from "./metrics.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const cells = [...readme.matchAll(/^\| `([^`]+)` \| ([^|]+?) \|/gm)];

test("metrics: every one and no other", async () => {
  const metrics = createMetrics();
  metrics.watch({
    connections: () => 0,
    bytesInFlight: () => 0,
    attestations: () => undefined,
    now: () => 0,
    verifyPending: () => 0,
    channels: () => [],
  });
  const named = cells
    .map(([, name = ""]) => name.replace(/\{.*/, ""))
    .filter((name) => name.startsWith("tamga_gateway_"));
  const known = (await metrics.registry.getMetricsAsJSON()).map(({ name }) => name);
  expect(named.sort()).toEqual(known.sort());
});

test("limits that it names have the values that it gives", () => {
  const known = new Map(Object.entries<number>({ ...limits }));
  const named = cells.filter(([, name = ""]) => /Max$/.test(name));
  expect(named.length).toBeGreaterThan(8);
  for (const [, name = "", value] of named) expect(known.get(name), name).toBe(Number(value));
});

test("exit statuses", () => {
  const paragraph = /Exit statuses: ([\s\S]*?)\n\n/.exec(readme)?.[1] ?? "";
  const named = [...(paragraph.split("systemd")[0]?.matchAll(/(?:^|; |;\n)(\d+) /g) ?? [])];
  expect(named.map(([, code]) => Number(code))).toEqual(Object.values(exitCodes));
});
