/** SM3 inside a bundle, the whole way: an agent, a gateway's process, and receipts that verify offline. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReadingEvent } from "@tamga/agent/agent-event";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import type { Receipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeReceipt, parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RunningAgent } from "../support/running-agent.ts";
import { soon } from "../support/soon.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";

const verifier = fileURLToPath(new URL("../../ledger-core/src/verify.ts", import.meta.url));

describe.each(["ES256", "SM2-SM3"] as const)(
  "an agent that bundles with SM3 and signs with %s",
  (algorithm) => {
    let site: TestSite;
    let agent: RunningAgent;
    let trust: string;
    let policy: TrustPolicy;

    beforeAll(async () => {
      site = await TestSite.start();
      trust = join(site.dir, "trust.json");
      policy = unwrap(parseTrustPolicy(utf8(readFileSync(trust, "utf8"))));
      agent = await enrol(site, "box-1", algorithm);
    });
    afterAll(async () => {
      await agent.close();
      await site.close();
    });

    /** Telegrams until the agent has verified a final receipt of a bundle of its present run. */
    async function measured(earlierRun?: string): Promise<ReadingEvent> {
      const found = () =>
        agent.finalBundles().find(({ incarnation }) => incarnation !== earlierRun);
      await vi.waitFor(() => {
        agent.measure();
        expect(found()).toBeDefined();
      }, soon);
      return present(found(), "a final bundle");
    }

    async function receiptOf({ incarnation, sequence }: ReadingEvent): Promise<Receipt> {
      const run = present(fromHex(incarnation), "incarnation");
      return unwrap(parseReceipt(await site.receipt(name("box-1"), run, BigInt(sequence))));
    }

    function verify(receipt: Receipt) {
      const file = join(site.dir, "a.receipt");
      writeFileSync(file, encodeReceipt(receipt));
      const parameters = [verifier, "receipt", file, "--trust", trust];
      const { status, stdout } = spawnSync(process.execPath, parameters, { encoding: "utf8" });
      return { status, stdout };
    }

    test("has final receipts, of one reading and of the whole, that verify offline", async () => {
      const event = await measured();
      const receipt = await receiptOf(event);
      const { header } = unwrap(parseStatement(receipt.statement));
      expect(header).toMatchObject({ type: "sm3-bundle", algorithm });
      const one = verify(receipt);
      expect([one.status, one.stdout]).toEqual([0, expect.stringMatching(/^VALID: reading 1 of/)]);
      expect(one.stdout).toContain("Hashed with SM3 inside the bundle");
      const { disclosed, ...whole } = receipt;
      expect(verify(whole)).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(/^VALID: a bundle/),
      });
      const { reading, claims } = unwrap(verifyReceipt(nobleCrypto, policy, receipt));
      expect(reading?.reading.source.protocol).toBe("dsmr-p1");
      expect(claims).toMatchObject({ kind: "bundle", hash: "sm3" });

      const salt = present(disclosed, "a reading").salt;
      const forged = {
        ...receipt,
        disclosed: { ...present(disclosed, "a reading"), salt: salt.with(0, (salt[0] ?? 0) ^ 1) },
      };
      expect(verify(forged)).toMatchObject({
        status: 1,
        stdout: expect.stringContaining("RECEIPT_READING_NOT_IN_BUNDLE"),
      });
    });

    test("goes back to SHA-256 in the same outbox, and both kinds stay provable", async () => {
      const before = await measured();
      await agent.stop();
      const file = join(agent.directory, "agent.toml");
      writeFileSync(file, readFileSync(file, "utf8").replace('hash = "sm3"', ""));
      await agent.start();
      const after = await measured(before.incarnation);
      const types = [];
      for (const event of [before, after]) {
        const receipt = await receiptOf(event);
        types.push(unwrap(parseStatement(receipt.statement)).header.type);
        expect(verify(receipt).status).toBe(0);
      }
      expect(types).toEqual(["sm3-bundle", "bundle"]);
    });
  },
);

describe("a gateway of before SM3", () => {
  let site: TestSite;
  let agent: RunningAgent;

  beforeAll(async () => {
    const older = fileURLToPath(new URL("../support/older-release.mjs", import.meta.url));
    site = await TestSite.start({ nodeArguments: ["--import", older] });
    agent = await enrol(site, "box-1");
  });
  afterAll(async () => {
    await agent.close();
    await site.close();
  });

  const rejected = () => agent.events.filter(({ event }) => event === "rejected");

  test("refuses such a bundle by name, which frees the outbox, and goes on to take the others", async () => {
    await vi.waitFor(() => {
      agent.measure();
      expect(rejected().length).toBeGreaterThan(2);
    }, soon);
    for (const { kind, code } of rejected())
      expect([kind, code]).toEqual(["bundle", "STATEMENT_TYPE_UNKNOWN"]);
    // The start of its stream is of a kind that every release knows; nothing else is there but what was refused.
    await vi.waitFor(() => {
      const { pending, provisional, final, rejected: freed } = agent.status().outbox.statements;
      // Two final proofs in a row may name one statement, and each says so.
      const told = new Set(rejected().map(({ sequence }) => sequence));
      expect([pending, provisional, final, freed]).toEqual([0, 0, 1, told.size]);
    }, soon);
  });
});

/** An agent with SM3 in its configuration, enrolled at this site and running. */
async function enrol(
  site: TestSite,
  device: string,
  algorithm: Algorithm = "ES256",
): Promise<RunningAgent> {
  const trust = readFileSync(join(site.dir, "trust.json"), "utf8");
  const agent = await RunningAgent.enrol(join(site.dir, device), device, {
    approve: (request, out) => site.cli("devices", "approve", "--request", request, "--out", out),
    mqttPort: site.mqttPort,
    channel: unwrap(parseTrustPolicy(utf8(trust))).channel,
    bundle: 'hash = "sm3"',
    algorithm,
  });
  await agent.start();
  return agent;
}
