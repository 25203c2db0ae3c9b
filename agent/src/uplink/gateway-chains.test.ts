import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GatewayChains } from "./gateway-chains.ts";
import { gatewayChainsMax } from "./limits.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-chains-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const file = () => join(directory, "gateway-chains.json");

function gateway(text: string): Identifier {
  const parsed = parseIdentifier(text);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value;
}

test("what was kept is there again after a restart, the newest of each gateway", () => {
  const chains = new GatewayChains(file());
  chains.keep(gateway("gw-1"), [Uint8Array.of(1)]);
  chains.keep(gateway("gw-1"), [Uint8Array.of(2), Uint8Array.of(3)]);
  const again = new GatewayChains(file());
  expect(again.list()).toEqual([["gw-1", [Uint8Array.of(2), Uint8Array.of(3)]]]);
});

test("a known chain is not written again", () => {
  const chains = new GatewayChains(file());
  chains.keep(gateway("gw-1"), [Uint8Array.of(1)]);
  rmSync(file());
  chains.keep(gateway("gw-1"), [Uint8Array.of(1)]);
  expect(() => readFileSync(file())).toThrow("ENOENT");
});

test("no more gateways than the limit are kept", () => {
  const chains = new GatewayChains(file());
  for (let i = 0; i <= gatewayChainsMax; i++) chains.keep(gateway(`gw-${i}`), [Uint8Array.of(i)]);
  expect(chains.list().length).toBe(gatewayChainsMax);
  expect(new GatewayChains(file()).list().length).toBe(gatewayChainsMax);
});

test.each(["", "[]", '{"gw": 1}', '{"gw": ["no base64!"]}', '{"bad name": ["AA=="]}'])(
  "a file that is not ours is forgotten: %s",
  (text) => {
    writeFileSync(file(), text);
    expect(new GatewayChains(file()).list()).toEqual([]);
  },
);
