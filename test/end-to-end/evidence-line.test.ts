/** Evidence over the line: an agent's process with an emulated TPM, a gateway's process, and what its receipt proves. */

import type { ChildProcess } from "node:child_process";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { openEvidence } from "@tamga/ledger-core/wire/evidence-statement";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requirePart } from "../real-parts.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TestSite } from "../support/test-site.ts";
import { unwrap } from "../support/unwrap.ts";

const agentProgram = fileURLToPath(new URL("../../agent/src/main.ts", import.meta.url));
const run = promisify(execFile);
const parts = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;

const verifier = fileURLToPath(new URL("../../ledger-core/src/verify.ts", import.meta.url));
const waiting = { timeout: 120_000, interval: 500 };

type Place = { readonly lane: number; readonly leaf: string };
type Event = Place & {
  readonly askedAt: string | null;
  readonly evidence: Place | null;
  readonly bracket: { readonly streams?: readonly { readonly stream: string }[] } | null;
};
type Stated = { readonly incarnation: string; readonly sequence: string };

describe.runIf(parts.every((part) => requirePart(part)))("evidence over the line", () => {
  let swtpm: Swtpm;
  let site: TestSite;
  let box: string;
  const children: ChildProcess[] = [];
  const agent = (...parameters: readonly string[]) =>
    run(process.execPath, [agentProgram, ...parameters]);
  const file = (name: string) => join(box, name);

  beforeAll(async () => {
    swtpm = await Swtpm.make();
    box = swtpm.work;
    const root = file("root.pem");
    writeFileSync(root, present(swtpm.makerCertificates[0], "the maker's root"));
    writeFileSync(file("maker.pem"), present(swtpm.makerCertificates[1], "its issuer"));
    const config = `ledger = { order_every = "100ms", order_every_max = "100ms" }
[enrolment]
tpm_roots = ["${root}"]
`;
    site = await TestSite.start({ config });
    const key = `tpm:0x81020001${swtpm.keyUriQuery}`;
    const asking = ["--data", box, "--device", "box-1", "--key", key];
    const maker = ["--tpm-certificates", file("maker.pem")];
    await agent("enrol", ...asking, ...maker, "--out", file("request.json"));
    const answer = ["--request", file("request.json"), "--out", file("answer.json")];
    await site.cli("devices", "approve", ...answer);
    await agent("enrol", "--data", box, "--key", key, "--answer", file("answer.json"));
    appendFileSync(
      file("agent.toml"),
      `\n[attestation]\npcrs = [0, 7, 16]\n[http]\nport = 0\n[uplink]\ngateways = ["mqtts://127.0.0.1:${site.mqttPort}"]\n`,
    );
  }, 600_000);
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await site.close();
    await swtpm.remove();
  });

  const attestationNow = async () =>
    (await site.status()).devices.find(({ device }) => device === "box-1")?.["attestation"];

  /** The port is a new one after a start. */
  async function restart(): Promise<void> {
    const before = `:${site.mqttPort}"`;
    await site.restart();
    const config = readFileSync(file("agent.toml"), "utf8");
    writeFileSync(file("agent.toml"), config.replace(before, `:${site.mqttPort}"`));
  }

  /** Runs the agent until its evidence has a final receipt that it verified itself. */
  async function stateOnce(): Promise<Stated> {
    const child = spawn(process.execPath, [agentProgram, "run", "--data", box, "--events"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    for await (const line of createInterface({ input: present(child.stdout, "events") })) {
      const event: Stated & { event: string; kind: string } = JSON.parse(line);
      if (event.event !== "final" || event.kind !== "evidence") continue;
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
      return event;
    }
    throw new Error("the agent ended before its evidence was final");
  }

  /** The evidence, out of a receipt that verifies offline. */
  async function evidenceOf({ incarnation, sequence }: Stated) {
    const device = unwrap(parseIdentifier("box-1"));
    const id = present(fromHex(incarnation), "incarnation");
    const receipt = unwrap(parseReceipt(await site.receipt(device, id, BigInt(sequence))));
    const policy = unwrap(parseTrustPolicy(utf8(readFileSync(file("trust.json"), "utf8"))));
    const { claims, statement, final } = unwrap(verifyReceipt(nodeCrypto, policy, receipt));
    if (claims.kind !== "evidence") throw new Error(claims.kind);
    expect(final?.notAfter).toBeGreaterThan(0);
    return { bytes: claims.evidence, evidence: unwrap(openEvidence(statement, claims)) };
  }

  test("is stated at each start, and the receipt's copy is appraised as a file's is", async () => {
    const first = await evidenceOf(await stateOnce());
    writeFileSync(file("first"), first.bytes);
    writeFileSync(file("values.toml"), await site.cli("attest", "values", file("first")));
    const appraise = (name: string) =>
      site.cli("attest", "appraise", file(name), "--reference", file("values.toml"), "--json");
    expect(JSON.parse(await appraise("first"))).toMatchObject({
      status: { platform: "affirming" },
    });
    expect(first.evidence.nonce).toBeUndefined();
    expect(await attestationNow()).toBeNull();
    // The operator asks for judgement: what is in the lane already is judged, and again after each start.
    appendFileSync(
      join(site.dir, "gateway.toml"),
      `[attestation]\nreference = "${file("values.toml")}"\nchallenge_every = "10s"\n`,
    );
    await restart();
    const statedAt = new Date(first.evidence.issuedAt * 1_000).toISOString();
    const affirming = { state: "affirming", code: null, statedAt, asked: false };
    await vi.waitFor(async () => expect(await attestationNow()).toEqual(affirming), waiting);
    const gauge = (state: string) => `tamga_gateway_attestation_devices{state="${state}"}`;
    const good = await site.metrics();
    expect([good.get(gauge("affirming")), good.get(gauge("contraindicated"))]).toEqual([1, 0]);
    expect(good.get("tamga_gateway_attestation_oldest_age_seconds")).toBeGreaterThan(0);

    await swtpm.tool("tpm2_pcrextend", `16:sha256=${"05".repeat(32)}`);
    const second = await evidenceOf(await stateOnce());
    writeFileSync(file("second"), second.bytes);
    await expect(appraise("second")).rejects.toMatchObject({
      stdout: expect.stringContaining('[{"code":"PCR_NOT_ALLOWED","pcr":16}]'),
    });
    const contraindicated = { state: "contraindicated", code: "PCR_NOT_ALLOWED" };
    await vi.waitFor(
      async () => expect(await attestationNow()).toMatchObject(contraindicated),
      waiting,
    );
    expect((await site.metrics()).get(gauge("contraindicated"))).toBe(1);
    // Bound to what the device knew: the second was made after a checkpoint that the first led to.
    const [before, after] = [first, second].map(({ evidence }) => evidence.checkpoint?.size ?? 0n);
    expect(after).toBeGreaterThan(before ?? 0n);
    const [head] = second.evidence.streams.filter(({ stream }) => stream === "attestation");
    expect(head?.incarnation).not.toEqual(first.evidence.streams[0]?.incarnation);
    expect(toHex(second.evidence.quote.attest)).not.toBe(toHex(first.evidence.quote.attest));
  }, 600_000);

  test("answers the gateway's nonce, and what was concluded is told, named and proven", async () => {
    await swtpm.tool("tpm2_pcrreset", "16");
    const child = spawn(process.execPath, [agentProgram, "run", "--data", box], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    children.push(child);
    child.stderr.resume();
    const answered = { state: "affirming", asked: true };
    await vi.waitFor(async () => expect(await attestationNow()).toMatchObject(answered), waiting);
    const told = async () => {
      const { stdout } = await agent("status", "--data", box, "--json");
      expect(JSON.parse(stdout).attestation.result).toMatchObject({
        state: "affirming",
        codes: [],
      });
    };
    await vi.waitFor(told, waiting);
    // The next answer names the result, so its receipt says that it was made after that.
    const events = await vi.waitFor(async () => {
      const json = await site.cli("attest", "history", "box-1", "--json");
      const history: Event[] = JSON.parse(json).events;
      const asked = history.filter(({ askedAt }) => askedAt !== null);
      expect(asked.length).toBeGreaterThanOrEqual(2);
      return asked;
    }, waiting);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;

    const [first, last] = [present(events[0], "first"), present(events.at(-1), "last")];
    const result = await vi.waitFor(() => provenAt("result", first), waiting);
    if (result.claims.kind !== "result") throw new Error(result.claims.kind);
    expect(result.claims).toMatchObject({ device: "box-1", state: "affirming" });
    const evidence = await vi.waitFor(
      () => provenAt("evidence", present(last.evidence, "evidence")),
      waiting,
    );
    if (evidence.claims.kind !== "evidence") throw new Error(evidence.claims.kind);
    expect(evidence.claims.position.attestation).toHaveLength(32);
    // Nothing was reset in between: whatever the agent stated meanwhile lies between two quotes of one state.
    expect(last.bracket?.streams?.map(({ stream }) => stream)).toEqual(["attestation"]);
    expect(await site.cli("attest", "history", "box-1")).toContain("; brackets attestation");
  }, 600_000);

  /** What an auditor sees of a leaf, offline. */
  async function provenAt(kind: string, { lane, leaf }: Place) {
    await site.cli("attest", "receipt", "box-1", String(lane), leaf, "--out", file(kind));
    const { stdout } = await run(process.execPath, [
      ...[verifier, "receipt", file(kind), "--trust", file("trust.json")],
    ]);
    expect(stdout).toContain("VALID: ");
    const receipt = unwrap(parseReceipt(readFileSync(file(kind))));
    const policy = unwrap(parseTrustPolicy(utf8(readFileSync(file("trust.json"), "utf8"))));
    return unwrap(verifyReceipt(nodeCrypto, policy, receipt));
  }

  test("is not asked of a device whose key is no TPM's", async () => {
    const config = readFileSync(file("agent.toml"), "utf8");
    writeFileSync(file("agent.toml"), config.replace(/^key = .*$/m, ""));
    await expect(agent("run", "--data", box)).rejects.toThrow("KEY_NOT_IN_TPM");
    writeFileSync(file("agent.toml"), config);
  });
});
