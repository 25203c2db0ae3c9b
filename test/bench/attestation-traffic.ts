/** What attestation costs on the line: a nonce down, evidence up, its receipts and the result down. */

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { present } from "@tamga/ledger-core/base/assert";
import { requirePart } from "../real-parts.ts";
import { Swtpm } from "../support/swtpm.ts";
import { TestSite } from "../support/test-site.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { CountingRelay } from "./byte-count.ts";
import type { Row } from "./row.ts";
import { rowOf } from "./row.ts";

const parts = ["swtpm", "swtpm-tools", "tpm2-tools"] as const;
const program = fileURLToPath(new URL("../../agent/src/main.ts", import.meta.url));
const run = promisify(execFile);
/** `challenge_every` and `[attestation] every` as they are by default. */
const exchangesADay = 24 + 4;

export const attestationTraffic: Bench = {
  name: "attestation-traffic",
  async run(context) {
    if (!parts.every((part) => requirePart(part))) return [];
    const swtpm = await Swtpm.make();
    const relays: CountingRelay[] = [];
    const sites: TestSite[] = [];
    try {
      const site = await enrolled(swtpm);
      sites.push(site);
      const relay = new CountingRelay(site.mqttPort);
      relays.push(relay);
      return await measure(context, { swtpm, site, relay });
    } finally {
      for (const relay of relays) await relay.close();
      for (const site of sites) await site.close();
      await swtpm.remove();
    }
  },
};

/** A site that judges a device with an emulated TPM, and asks it every ten seconds. */
async function enrolled(swtpm: Swtpm): Promise<TestSite> {
  const file = (of: string) => join(swtpm.work, of);
  writeFileSync(file("root.pem"), present(swtpm.makerCertificates[0], "the maker's root"));
  writeFileSync(file("maker.pem"), present(swtpm.makerCertificates[1], "its issuer"));
  const site = await TestSite.start({
    config: `[enrolment]\ntpm_roots = ["${file("root.pem")}"]\n`,
  });
  const agent = (...given: readonly string[]) =>
    run(process.execPath, [program, ...given, "--data", swtpm.work]);
  const key = `tpm:0x81020001${swtpm.keyUriQuery}`;
  const maker = ["--tpm-certificates", file("maker.pem")];
  await agent("enrol", "--device", "box-1", "--key", key, ...maker, "--out", file("request"));
  const answer = ["--request", file("request"), "--out", file("answer")];
  await site.cli("devices", "approve", ...answer);
  await agent("enrol", "--key", key, "--answer", file("answer"));
  await agent("attest", "--out", file("good"));
  writeFileSync(file("values.toml"), await site.cli("attest", "values", file("good")));
  const judging = `reference = "${file("values.toml")}"\nchallenge_every = "10s"\n`;
  appendFileSync(join(site.dir, "gateway.toml"), `[attestation]\n${judging}`);
  await site.restart();
  return site;
}

async function measure(
  { runs, say }: BenchContext,
  {
    swtpm,
    site,
    relay,
  }: { readonly swtpm: Swtpm; readonly site: TestSite; readonly relay: CountingRelay },
): Promise<readonly Row[]> {
  const uplink = `gateways = ["mqtts://127.0.0.1:${await relay.listen()}"]`;
  const config = join(swtpm.work, "agent.toml");
  appendFileSync(config, `\n[attestation]\nevery = "6h"\n[http]\nport = 0\n[uplink]\n${uplink}\n`);
  const child = spawn(process.execPath, [program, "run", "--data", swtpm.work], {
    stdio: "ignore",
  });
  const [up, down]: [number[], number[]] = [[], []];
  try {
    // The first two bring the gateway's chain, and what a connection begins with.
    let answered = await until(site, 2);
    for (let at = 0; at < runs; at++) {
      await sleep(2_000);
      relay.reset();
      const now = await until(site, answered + 1);
      await sleep(2_000);
      up.push(relay.up / (now - answered));
      down.push(relay.down / (now - answered));
      answered = now;
      say(`${at + 1} of ${runs} nonces answered`);
    }
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }
  const conditions =
    "TCP payload, TLS and MQTT included, counted by a relay; emulated TPM, PCRs 0 to 9, no boot log; n=1";
  const day = up.map((bytes, at) => (exchangesADay * (bytes + (down[at] ?? 0))) / 1_024);
  return [
    rowOf({ name: "attestation, up for each answer", unit: "bytes", values: up, conditions }),
    rowOf({ name: "attestation, down for each answer", unit: "bytes", values: down, conditions }),
    rowOf({
      name: "attestation of a device in a day",
      unit: "KiB",
      values: day,
      conditions: `${exchangesADay} times the sum of both: asked every hour, and unasked every six; reckoned`,
    }),
  ];
}

async function until(site: TestSite, answers: number): Promise<number> {
  for (;;) {
    const history = await (await fetch(`${site.http}/attestation/box-1`)).json();
    const events: readonly { readonly askedAt: string | null }[] = Object(history).events ?? [];
    const asked = events.filter(({ askedAt }) => askedAt !== null).length;
    if (asked >= answers) return asked;
    await sleep(250);
  }
}
