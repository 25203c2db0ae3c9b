/** A device whose key is SM2, the whole way: enrolled, through a gateway's process, to receipts that verify offline. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReadingEvent } from "@tamga/agent/agent-event";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import type { Receipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeReceipt, parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { encodeSign1, parseSign1 } from "@tamga/ledger-core/wire/cose";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RunningAgent } from "../support/running-agent.ts";
import { soon } from "../support/soon.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";
import { name } from "../support/wire-samples.ts";

const verifier = fileURLToPath(new URL("../../ledger-core/src/verify.ts", import.meta.url));

describe("an agent that signs with SM2", () => {
  let site: TestSite;
  let agent: RunningAgent;
  let trust: string;

  beforeAll(async () => {
    site = await TestSite.start();
    trust = join(site.dir, "trust.json");
    const policy = unwrap(parseTrustPolicy(utf8(readFileSync(trust, "utf8"))));
    agent = await RunningAgent.enrol(join(site.dir, "box-1"), "box-1", {
      approve: (request, out) => site.cli("devices", "approve", "--request", request, "--out", out),
      mqttPort: site.mqttPort,
      channel: policy.channel,
      bundle: 'hash = "sm3"',
      algorithm: "SM2-SM3",
    });
    await agent.start();
  });
  afterAll(async () => {
    await agent.close();
    await site.close();
  });

  /** Telegrams until the agent has verified a final receipt of a bundle of its present run. */
  async function measured(earlierRun?: string): Promise<ReadingEvent> {
    const found = () => agent.finalBundles().find(({ incarnation }) => incarnation !== earlierRun);
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

  test("has final receipts that verify offline, natively and in portable JavaScript", async () => {
    const receipt = await receiptOf(await measured());
    expect(unwrap(parseStatement(receipt.statement)).header).toMatchObject({
      algorithm: "SM2-SM3",
      type: "sm3-bundle",
    });
    const [leaf] = receipt.deviceChain;
    expect(unwrap(parseCertificate(present(leaf, "the device's certificate")))).toMatchObject({
      algorithm: "ES256",
      publicKey: { algorithm: "SM2-SM3" },
    });
    const judged = verify(receipt);
    expect([judged.status, judged.stdout]).toEqual([0, expect.stringMatching(/^VALID: reading 1/)]);
    const policy = unwrap(parseTrustPolicy(utf8(readFileSync(trust, "utf8"))));
    expect(unwrap(verifyReceipt(nobleCrypto, policy, receipt)).signer.keyKind).toBe("file");

    const part = unwrap(parseSign1(receipt.statement));
    const signature = part.signature.with(40, (part.signature[40] ?? 0) ^ 1);
    const forged = verify({ ...receipt, statement: encodeSign1({ ...part, signature }) });
    expect(forged.status).toBe(1);
  });

  test("goes on after both were started again: key and certificate are read back", async () => {
    const before = await measured();
    await agent.stop();
    const earlierPort = site.mqttPort;
    await site.restart("SIGKILL");
    const file = join(agent.directory, "agent.toml");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace(`:${earlierPort}"`, `:${site.mqttPort}"`));
    await agent.start();
    const after = await measured(before.incarnation);
    for (const event of [before, after]) {
      const receipt = await receiptOf(event);
      expect(unwrap(parseStatement(receipt.statement)).header.algorithm).toBe("SM2-SM3");
      expect(verify(receipt).status).toBe(0);
    }
  });
});
