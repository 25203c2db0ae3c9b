/** Agents over changes of their consortium's members: one that is there, and one that was away. */

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReadingEvent } from "@tamga/agent/agent-event";
import { present } from "@tamga/ledger-core/base/assert";
import { judgeReceiptFile } from "@tamga/ledger-core/verify-commands";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { GatewayConsortium } from "../support/gateway-consortium.ts";
import { RunningAgent } from "../support/running-agent.ts";
import { soon } from "../support/soon.ts";

const four = ["a", "b", "c", "d"];
let consortium: GatewayConsortium;
const agents: RunningAgent[] = [];

beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), "tamga-agent-epochs-"));
  consortium = await GatewayConsortium.create(directory, [...four, "e"]);
  for (const name of four) consortium.configure(name, four);
  await consortium.open(four);
  for (const name of four) await consortium.start(name);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.close();
  await consortium.close();
});

async function enrol(device: string): Promise<RunningAgent> {
  const { mqttPort } = consortium.addressOf("a");
  const approve = (request: string, out: string) =>
    consortium.devices("a", "approve", "--request", request, "--out", out);
  const agent = await RunningAgent.enrol(consortium.path(device), device, { approve, mqttPort });
  agents.push(agent);
  return agent;
}

/** A reading from the meter to the receipt that the agent verified. */
async function measured(agent: RunningAgent): Promise<ReadingEvent> {
  const before = agent.finalBundles().length;
  await vi.waitFor(() => expect(agent.hasLine).toBe(true), soon);
  agent.measure();
  await vi.waitFor(() => expect(agent.finalBundles().length).toBe(before + 1), soon);
  return present(agent.finalBundles().at(-1), "a final bundle");
}

/** The receipt as the gateway gives it, judged by what the agent's own directory holds. */
async function judged(agent: RunningAgent, event: ReadingEvent) {
  const { incarnation, sequence } = event;
  const { http } = consortium.addressOf("a");
  const url = `${http}/receipts/${agent.device}/${incarnation}/${sequence}`;
  const file = consortium.path("receipt");
  writeFileSync(file, new Uint8Array(await (await fetch(url)).arrayBuffer()));
  const trust = join(agent.directory, "trust.json");
  const epochs = join(agent.directory, "epochs.tamga");
  const alone = judgeReceiptFile(file, { trust, lang: "en" });
  const { valid, lines } = judgeReceiptFile(file, { trust, epochs, lang: "en" });
  return { valid, alone: alone.valid, text: lines.join("\n") };
}

/** One proposes, these approve, and the last of them hands it in. */
async function change(proposal: readonly string[], approvers: readonly string[]): Promise<void> {
  const file = consortium.path(`change-${proposal.join("").replaceAll(/\W/g, "")}`);
  const [first = "", ...others] = approvers;
  await consortium.run(first, "propose", "validators", ...proposal, "--to", file);
  // The new members say that they are ready, then those who have to approve sign.
  for (const name of [...others, ...others, first])
    await consortium.run(name, "approve", file).catch((error: unknown) => {
      expect(error).toMatchObject({
        code: expect.stringMatching(/^(PROPOSAL_NOTHING_TO_SIGN|ORGANISATION_UNKNOWN)$/),
      });
    });
  // The same proposal again has the same answer: a connection that was kept open may break under the first.
  await vi.waitFor(() => consortium.run(first, "submit", file), soon);
}

const epochOf = (agent: RunningAgent) => agent.status().uplink.epoch;

it("verifies final receipts of validators that came later, on the line and after it was away", async () => {
  const here = await enrol("meter-here");
  const away = await enrol("meter-away");
  await here.start();
  await away.start();
  const early = await measured(here);
  await measured(away);
  await away.stop();
  expect(epochOf(here)).toBe(0);
  expect(await judged(here, early)).toMatchObject({ valid: true, alone: true });

  const channel = consortium.path("channel.tamga");
  await consortium.run("e", "join", "--out", consortium.path("e.json"));
  await consortium.run("e", "join", "--take", channel, "--follow");
  await consortium.start("e");
  await change(["--admit", consortium.path("e.json")], ["a", "b", "c", "d", "e"]);
  await vi.waitFor(() => expect(epochOf(here)).toBe(1), soon);
  const admitted = await judged(here, await measured(here));
  expect(admitted).toMatchObject({ valid: true, text: expect.stringContaining("of 5 organ") });

  await change(["--remove", "b"], ["a", "c", "d", "e"]);
  await vi.waitFor(() => expect(epochOf(here)).toBe(2), soon);
  await consortium.stop("b");
  // Without the fourth of the four, the fifth's seal is one of the three that it takes.
  await consortium.stop("d");
  const removed = await judged(here, await measured(here));
  expect(removed).toMatchObject({ valid: true, alone: false });
  await consortium.start("d");

  await change(["--remove", "c"], ["a", "d", "e"]);
  await vi.waitFor(() => expect(epochOf(here)).toBe(3), soon);
  await consortium.stop("c");
  await away.start();
  const late = await measured(away);
  expect(epochOf(away)).toBe(3);
  expect(await judged(away, late)).toMatchObject({ valid: true, alone: false });
  // What was sealed before any change still verifies, and nothing was refused on the way.
  expect(await judged(here, early)).toMatchObject({ valid: true });
  for (const agent of [here, away])
    expect(agent.status().uplink).toMatchObject({ alarms: [], counts: { refusedDownlink: 0 } });
}, 400_000);
