/** A signing key is replaced while readings come in: an agent's process, a gateway's process, receipts of both keys. */

import { existsSync, readFileSync } from "node:fs";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AgentProcess } from "../support/agent-process.ts";
import { verifiedChain } from "../support/stream-chain.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";

describe("from a key file to the next", () => {
  let site: TestSite;
  let agent: AgentProcess;

  beforeAll(async () => {
    site = await TestSite.start();
    agent = await AgentProcess.enrol(site, { device: "box-1" });
  }, 300_000);
  afterAll(async () => {
    await agent.close();
    await site.close();
  });

  const finals = () => agent.events.filter(({ event }) => event === "final");
  const phase = async () => (await agent.status())?.rotation?.phase;

  test("the same incarnation goes on, and the old key may go once the new one has a receipt", async () => {
    agent.start();
    await agent.measureUntil(() => finals().some(({ kind }) => kind === "bundle"));
    const said = await agent.cli(
      "rotate-key",
      "--data",
      agent.dir,
      "--to",
      `file:${agent.file("b.key")}`,
    );
    const next = /the next key is ([0-9a-f]{64})/.exec(said)?.[1];
    await agent.measureUntil(async () => (await phase()) === "done");
    const after = finals().length;
    await agent.measureUntil(() => finals().length > after + 3);
    await agent.stop();

    const policy = unwrap(parseTrustPolicy(utf8(readFileSync(agent.file("trust.json"), "utf8"))));
    const incarnation = finals()[0]?.incarnation ?? "";
    const chain = await verifiedChain(site, policy, agent, incarnation);
    const kids = [...new Set(chain.map(({ kid }) => kid))];
    expect(kids).toHaveLength(2);
    expect(kids[1]).toBe(next);
    const turn = chain.findIndex(({ kid }) => kid === next);
    expect(chain.slice(turn).every(({ kid }) => kid === next)).toBe(true);
    const readings = chain
      .filter(({ kind }) => kind === "bundle")
      .reduce((n, { count }) => n + count, 0);
    expect(readings).toBeGreaterThan(5);
    expect(existsSync(agent.file("signing.key"))).toBe(true);
    expect(agent.log.filter((event) => event.startsWith("rotation."))).toEqual([
      "rotation.asking",
      "rotation.switched",
      "rotation.done",
    ]);
  }, 300_000);
});
