/** A signing key is replaced while readings come in: an agent's process, a gateway's process, receipts of both keys. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { afterEach, describe, expect, test } from "vitest";
import { requirePart } from "../real-parts.ts";
import { AgentProcess } from "../support/agent-process.ts";
import { createSoftHsm } from "../support/softhsm.ts";
import { soon } from "../support/soon.ts";
import type { ChainLink } from "../support/stream-chain.ts";
import { verifiedChain } from "../support/stream-chain.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";

const testMsMax = 600_000;
const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
}, testMsMax);

async function startSite(more = ""): Promise<TestSite> {
  const config = `ledger = { order_every = "100ms", order_every_max = "100ms" }\n${more}`;
  const site = await TestSite.start({ config });
  closing.push(() => site.close());
  return site;
}

async function enrol(
  site: TestSite,
  options: Omit<Parameters<typeof AgentProcess.enrol>[1], "device"> = {},
): Promise<AgentProcess> {
  const agent = await AgentProcess.enrol(site, { device: "box-1", ...options });
  closing.push(() => agent.close());
  return agent;
}

const finals = (agent: AgentProcess) => agent.events.filter(({ event }) => event === "final");
const rotationOf = async (agent: AgentProcess) => (await agent.status())?.rotation;

/** Until that many more bundles have a receipt which the agent verified. */
async function bundlesMore(agent: AgentProcess, count: number): Promise<void> {
  const bundles = () => finals(agent).filter(({ kind }) => kind === "bundle").length;
  const before = bundles();
  await agent.measureUntil(() => bundles() >= before + count);
}

/** @returns the next key's thumbprint. */
async function rotate(
  agent: AgentProcess,
  to: string,
  ...more: readonly string[]
): Promise<string> {
  const said = await agent.cli("rotate-key", "--data", agent.dir, "--to", to, ...more);
  return present(/the next key is ([0-9a-f]{64})/.exec(said)?.[1], "thumbprint");
}

const isDone = async (agent: AgentProcess) => (await rotationOf(agent))?.phase === "done";

/** Whose key made each statement of each incarnation of the meter's stream, oldest first; each chain is unbroken. */
async function chains(
  site: TestSite,
  agent: AgentProcess,
): Promise<readonly (readonly ChainLink[])[]> {
  const policy = unwrap(parseTrustPolicy(utf8(readFileSync(agent.file("trust.json"), "utf8"))));
  // In the order in which they were read, whichever was delivered first.
  const incarnations = new Set(
    agent.events.flatMap(({ stream, incarnation }) => (stream === "main" ? [incarnation] : [])),
  );
  const found: (readonly ChainLink[])[] = [];
  for (const incarnation of incarnations) {
    const ends = finals(agent)
      .filter((one) => one.incarnation === incarnation)
      .map(({ sequence, count }) => Number(sequence) + count);
    const upTo = BigInt(Math.max(0, ...ends));
    found.push(await verifiedChain(site, policy, { device: agent.device, incarnation, upTo }));
  }
  return found;
}

/** Each key where it begins to sign, over all incarnations. */
function turns(found: readonly (readonly ChainLink[])[]): readonly string[] {
  const kids = found.flat().map(({ kid }) => kid);
  return kids.filter((kid, at) => kid !== kids[at - 1]);
}

test.each([
  ["of the same kind", []],
  ["of SM2", ["--key-algorithm", "sm2-sm3"]],
])(
  "from a key file to the next, %s: the same incarnation goes on",
  {
    timeout: testMsMax,
  },
  async (_, more) => {
    const site = await startSite();
    const agent = await enrol(site);
    agent.start();
    await bundlesMore(agent, 1);
    const next = await rotate(agent, `file:${agent.file("b.key")}`, ...more);
    await agent.measureUntil(() => isDone(agent));
    await bundlesMore(agent, 3);
    const { warnings } = present(await agent.status(), "status");
    expect(warnings.join("\n")).toContain(`signing.key, which may be removed`);
    await agent.stop();
    const found = await chains(site, agent);
    expect(found).toHaveLength(1);
    expect(turns(found)).toEqual([expect.not.stringMatching(next), next]);
    expect(agent.log.filter((event) => event.startsWith("rotation."))).toEqual([
      "rotation.asking",
      "rotation.switched",
      "rotation.done",
    ]);
    // The old one is there, for whoever wants to be sure; without it the agent starts.
    expect(existsSync(agent.file("signing.key"))).toBe(true);
    writeFileSync(agent.file("signing.key"), "", { mode: 0o600 });
    agent.start();
    await bundlesMore(agent, 1);
    expect(turns(await chains(site, agent))).toHaveLength(2);
    // Both keys were stated to the ledger.
    await expect
      .poll(
        async () => (await site.cli("devices", "list")).match(/\tin the ledger$/gm)?.length,
        soon,
      )
      .toBe(2);
    const one = (await site.status()).devices.filter(({ device }) => device === "box-1");
    expect(one).toHaveLength(1);
  },
);

describe.runIf(requirePart("softhsm2"))("from a key in a token to the next", () => {
  test("with the gateway away, an operator in between, and kill -9 at each step", {
    timeout: testMsMax,
  }, async () => {
    const hsm = createSoftHsm();
    closing.push(() => hsm.remove());
    hsm.addToken("box");
    hsm.addToken("new");
    const site = await startSite();
    const agent = await enrol(site, {
      key: hsm.keyUri("box", "key-1"),
      outbox: 'at_rest = "aes-256-gcm"',
    });
    agent.start();
    await bundlesMore(agent, 1);
    await site.stop();
    const next = await rotate(agent, hsm.keyUri("new", "key-2"));
    const logged = (event: string) => () => agent.log.includes(event);
    await agent.measureUntil(logged("rotation.asking"));
    await agent.stop("SIGKILL");
    agent.start();
    // Weeks are as good as seconds: readings come in, and nobody answers.
    const before = agent.measured;
    await agent.measureUntil(async () => {
      const pending = (await agent.status())?.outbox.statements.pending ?? 0;
      return agent.measured > before + 10 && pending > 5;
    });
    expect(await rotationOf(agent)).toMatchObject({ phase: "asking" });
    await agent.stop("SIGKILL");

    await site.launch();
    agent.configure(hsm.keyUri("box", "key-1"));
    agent.start();
    await agent.measureUntil(async () => (await rotationOf(agent))?.trouble === "WAITING");
    const listed = await site.cli("devices", "list");
    expect(listed).toContain(`box-1\trotating\tnext key: ${next}`);
    await expect(site.cli("devices", "approve", "box-1", "--key", "0".repeat(64))).rejects.toThrow(
      "ENROLMENT_OTHER_KEY",
    );
    await site.cli("devices", "approve", "box-1", "--key", next);
    await agent.stop("SIGKILL");
    agent.start();
    await agent.measureUntil(logged("rotation.switched"));
    await agent.stop("SIGKILL");
    agent.start();
    await agent.measureUntil(() => isDone(agent));
    await agent.stop("SIGKILL");
    agent.start();
    await agent.measureUntil(() => isDone(agent));
    await bundlesMore(agent, 2);
    await agent.stop();
    const found = await chains(site, agent);
    expect(found.length).toBeGreaterThanOrEqual(4);
    expect(turns(found)).toEqual([expect.not.stringMatching(next), next]);
    expect(new Set(found.flat().map(({ keyKind }) => keyKind))).toEqual(new Set(["pkcs11"]));
    const said = await agent.cli("doctor", "--data", agent.dir, "--seconds", "1").catch(String);
    // What encrypts the readings was not made anew.
    expect(said).toContain("Keep the old one's token");
  });
});

test("a revoked device gets no other key, and an operator may drop a request", {
  timeout: testMsMax,
}, async () => {
  const site = await startSite('[enrolment]\nrotation = "operator"\n');
  const agent = await enrol(site);
  agent.start();
  await rotate(agent, `file:${agent.file("b.key")}`);
  await agent.measureUntil(async () => (await rotationOf(agent))?.trouble === "WAITING");
  await site.cli("devices", "drop", "box-1");
  await agent.measureUntil(async () => (await rotationOf(agent))?.trouble === "ROTATION_DROPPED");
  // The wish again is another request.
  await rotate(agent, `file:${agent.file("b.key")}`);
  await agent.measureUntil(async () => (await rotationOf(agent))?.trouble === "WAITING");
  await site.cli("devices", "revoke", "box-1", "--reason", "compromised");
  await expect(site.cli("devices", "approve", "box-1")).rejects.toThrow("DEVICE_REVOKED");
  await expect.poll(async () => (await agent.status())?.uplink.gateway, soon).toBeUndefined();
  expect(await rotationOf(agent)).toMatchObject({ phase: "asking" });
  expect(
    (await site.cli("devices", "list")).split("\n").filter((line) => line.includes("\tkey:")),
  ).toHaveLength(1);
});

test("by files, where no gateway is in reach: the next key signs before anything is delivered", {
  timeout: testMsMax,
}, async () => {
  const site = await startSite('[enrolment]\nrotation = "operator"\n');
  const agent = await enrol(site);
  const nobodysPort = 1;
  agent.configure(undefined, nobodysPort);
  agent.start();
  await agent.measureUntil(async () => ((await agent.status())?.outbox.backlog ?? 0) > 3);
  const [request, answer] = [agent.file("rotation-request"), agent.file("rotation-answer")];
  const rotateKey = (...more: readonly string[]) =>
    agent.cli("rotate-key", "--data", agent.dir, ...more);
  const said = await rotateKey("--to", `file:${agent.file("b.key")}`, "--out", request);
  const next = present(/the next key is ([0-9a-f]{64})/.exec(said)?.[1], "thumbprint");
  const approve = (...more: readonly string[]) =>
    site.cli("devices", "approve", "--request", request, "--out", answer, ...more);
  await expect(approve("--key", "0".repeat(64))).rejects.toThrow("ENROLMENT_OTHER_KEY");
  await approve("--key", next);
  const text = readFileSync(answer, "utf8");
  // The same request has the same answer.
  await approve();
  expect(readFileSync(answer, "utf8")).toBe(text);
  writeFileSync(answer, text.replace('"box-1"', '"box-2"'));
  await expect(rotateKey("--answer", answer)).rejects.toThrow("ROTATION_ANSWER_BAD");
  writeFileSync(answer, text);
  await rotateKey("--answer", answer);
  await agent.measureUntil(() => agent.log.includes("rotation.switched"));
  const before = agent.measured;
  await agent.measureUntil(() => agent.measured > before + 10);
  expect(await rotationOf(agent)).toMatchObject({ phase: "proving" });
  await agent.stop();
  agent.configure();
  agent.start();
  await agent.measureUntil(() => isDone(agent));
  await bundlesMore(agent, 1);
  await agent.stop();
  const found = await chains(site, agent);
  expect(turns(found)).toEqual([expect.not.stringMatching(next), next]);
  // Both in the incarnation in which nobody was in reach.
  expect(turns(found.slice(0, 1))).toHaveLength(2);
  await expect(rotateKey("--answer", answer)).rejects.toThrow("ROTATION_OTHER_ANSWER");
});

const tpmParts = ["swtpm", "swtpm-tools"] as const;

describe.runIf(tpmParts.every((part) => requirePart(part)))("from a TPM's key to the next", () => {
  test("the gateway knows that the next one is in that TPM, and asks no operator", {
    timeout: testMsMax,
  }, async () => {
    const swtpm = await Swtpm.make();
    closing.push(() => swtpm.remove());
    const root = `${swtpm.work}/root.pem`;
    const maker = `${swtpm.work}/maker.pem`;
    writeFileSync(root, present(swtpm.makerCertificates[0], "root"));
    writeFileSync(maker, present(swtpm.makerCertificates[1], "issuer"));
    const site = await startSite(`[enrolment]\ntpm_roots = ["${root}"]\n`);
    const key = (handle: string) => `tpm:${handle}${swtpm.keyUriQuery}`;
    const agent = await enrol(site, {
      key: key("0x81020001"),
      enrol: ["--tpm-certificates", maker],
    });
    agent.start();
    await bundlesMore(agent, 1);
    // A file is no key of this TPM, and so nothing that goes by itself.
    await rotate(agent, `file:${agent.file("b.key")}`);
    await agent.measureUntil(async () => (await rotationOf(agent))?.trouble === "WAITING");
    const next = await rotate(agent, key("0x81020002"));
    await agent.measureUntil(() => isDone(agent));
    await bundlesMore(agent, 1);
    await agent.stop();
    expect(turns(await chains(site, agent))).toEqual([expect.not.stringMatching(next), next]);
    expect(await site.cli("devices", "list")).not.toContain("rotating");
  });
});
