/**
 * Beside what a site would take instead: mosquitto, which takes the same payloads over the same mTLS,
 * acknowledges before its disk and verifies nothing.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { uplinkTopic } from "@tamga/ledger-core/wire/topic";
import type { MqttClient } from "mqtt";
import { connectAsync } from "mqtt";
import { certificatePem } from "../support/device-keys.ts";
import type { TestDevice } from "../support/test-device.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { sized } from "./bench.ts";
import { BenchSite, sendAll, untilFinal, windowMax } from "./bench-site.ts";
import { BenchChild, cpuSecondsOfProcess } from "./child-process.ts";
import { medianOf, rowOf } from "./row.ts";

const programs = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
const startMsMax = 10_000;
/** Of one batch: it looks at no content, and its CPU time is counted in ticks of ten milliseconds. */
const repeats = 5;
const tickSeconds = 0.01;

export const mosquittoBeside: Bench = {
  name: "mosquitto",
  async run(context) {
    const program = findMosquitto();
    if (program === undefined) {
      context.say("SKIPPED ALOUD: Debian package mosquitto is missing; not measured beside it");
      return [];
    }
    const bench = await BenchSite.start(context);
    const directory = mkdtempSync(join(tmpdir(), "tamga-mosquitto-"));
    try {
      const [one] = await bench.devices(["meter-1"]);
      const { device, presigner } = present(one, "the device");
      const made = Array.from({ length: context.runs + 1 }, () =>
        presigner.bundles(sized(context, 4_000, 400), 1),
      );
      const payloads = made.map((batch) => batch.map(({ payload }) => payload));
      const theirs = await measureMosquitto(context, {
        program,
        directory,
        bench,
        device,
        payloads,
      });
      const ours: number[] = [];
      for (const batch of made) {
        const cost = await bench.measure(async () => {
          await sendAll(device, batch);
          await untilFinal(device, batch);
        });
        ours.push(batch.length / cost.cpuSeconds);
      }
      return rowsOf(ours.slice(1), theirs.slice(1));
    } finally {
      await bench.close();
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

function rowsOf(ours: readonly number[], theirs: readonly number[]) {
  const same =
    "the same statements, a bundle of one reading each, from one client over mTLS, QoS 1, window 64";
  const theirRate = medianOf(theirs);
  return [
    rowOf({
      name: "gateway beside mosquitto",
      unit: "statements per CPU-second",
      values: ours,
      limit: theirRate,
      conditions: `${same}; ours: verified, durable before PUBACK, in the lane, with receipts down; limit: mosquitto's rate`,
    }),
    rowOf({
      name: "mosquitto, which acknowledges before its disk and verifies nothing",
      unit: "messages per CPU-second",
      values: theirs,
      conditions: `${same}; persistence on with its defaults (written every 30 minutes and at its end), queued for a subscriber that is away`,
    }),
  ];
}

/** Messages a CPU-second of the mosquitto process, one value a batch. */
async function measureMosquitto(
  context: BenchContext,
  part: {
    readonly program: string;
    readonly directory: string;
    readonly bench: BenchSite;
    readonly device: TestDevice;
    readonly payloads: readonly (readonly Uint8Array[])[];
  },
): Promise<readonly number[]> {
  const { program, directory, bench, device } = part;
  const port = await freePort();
  const config = writeConfig(directory, { siteDir: bench.site.dir, device, port });
  const child = new BenchChild(program, ["-c", config]);
  try {
    await child.until(() => (/running/.test(child.stderr) ? true : undefined), startMsMax);
    const options = { ...device.tls(port), protocol: "mqtts", protocolVersion: 4 } as const;
    const away = await connectAsync({ ...options, clientId: "subscriber", clean: false });
    await away.subscribeAsync("tamga/#", { qos: 1 });
    await away.endAsync();
    const client = await connectAsync({ ...options, clientId: "meter-1", reconnectPeriod: 0 });
    const topic = uplinkTopic(device.answer, "statement");
    const rates: number[] = [];
    for (const batch of part.payloads) {
      const before = cpuSecondsOfProcess(child.pid);
      for (let i = 0; i < repeats; i++) await publishAll(client, topic, batch);
      const cpuSeconds = cpuSecondsOfProcess(child.pid) - before;
      const messages = repeats * batch.length;
      context.say(`mosquitto: ${messages} messages, ${cpuSeconds.toFixed(2)} CPU-seconds`);
      rates.push(messages / Math.max(cpuSeconds, tickSeconds));
    }
    await client.endAsync();
    return rates;
  } finally {
    await child.stop();
  }
}

async function publishAll(
  client: MqttClient,
  topic: string,
  payloads: readonly Uint8Array[],
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < payloads.length) {
      const payload = present(payloads[next++], "payload to publish");
      await client.publishAsync(topic, Buffer.from(payload), { qos: 1 });
    }
  };
  await Promise.all(Array.from({ length: windowMax }, worker));
}

/** The gateway's own TLS certificate and the site's CA serve both brokers. */
function writeConfig(
  directory: string,
  part: { readonly siteDir: string; readonly device: TestDevice; readonly port: number },
): string {
  const ca = join(directory, "ca.crt");
  writeFileSync(ca, certificatePem(part.device.answer.ca), { mode: 0o644 });
  const lines = [
    `listener ${part.port} 127.0.0.1`,
    `cafile ${ca}`,
    `certfile ${join(part.siteDir, "tls.crt")}`,
    `keyfile ${join(part.siteDir, "tls.key")}`,
    "require_certificate true",
    "allow_anonymous true",
    "set_tcp_nodelay true",
    "persistence true",
    `persistence_location ${directory}/`,
    "max_queued_messages 0",
    "max_inflight_messages 0",
    ...(process.getuid?.() === 0 ? ["user root"] : []),
  ];
  const file = join(directory, "mosquitto.conf");
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

/** As root on Debian it is installed where it is missing. */
function findMosquitto(): string | undefined {
  const found = programs.find((path) => existsSync(path));
  if (found !== undefined || process.getuid?.() !== 0) return found;
  if (!existsSync("/etc/debian_version")) return undefined;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const args = ["install", "-y", "-qq", "--no-install-recommends", "mosquitto"];
  spawnSync("apt-get", args, { stdio: "ignore", env });
  return programs.find((path) => existsSync(path));
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
