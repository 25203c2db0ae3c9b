/** Resident memory of a gateway that a thousand devices are connected to over mTLS. */

import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { downlinkFilter, uplinkTopic } from "@tamga/ledger-core/wire/topic";
import type { TestDevice } from "../support/test-device.ts";
import type { Bench } from "./bench.ts";
import { sized } from "./bench.ts";
import { BenchSite } from "./bench-site.ts";
import { BenchChild, residentBytes } from "./child-process.ts";
import type { BenchClient } from "./many-clients-child.ts";
import { Presigner } from "./presigned.ts";
import { rowOf } from "./row.ts";

const script = fileURLToPath(new URL("./many-clients-child.ts", import.meta.url));
const processes = 2;
const connectMsMax = 240_000;
const mebibyte = 1_024 * 1_024;
const samples = 3;
const betweenSamplesMs = 1_000;

export const gatewayMemory: Bench = {
  name: "gateway-memory",
  async run(context) {
    const count = sized(context, 1_000, 40);
    const bench = await BenchSite.start(context);
    const children = Array.from(
      { length: processes },
      () => new BenchChild(process.execPath, [script]),
    );
    try {
      const { site } = bench;
      const idle = residentBytes(site.pid).now / mebibyte;
      const names = Array.from({ length: count }, (_, i) => `meter-${i}`);
      const devices = await site.enrolMany(names);
      context.say(`${count} devices enrolled`);
      for (const [i, device] of devices.entries()) {
        children[i % processes]?.writeLine(JSON.stringify(clientOf(device, site.mqttPort)));
      }
      for (const child of children) child.writeLine("");
      await Promise.all(
        children.map((child) => child.line((line) => line.startsWith("online"), connectMsMax)),
      );
      await Promise.all(
        children.map((child) =>
          child.until(
            (lines) =>
              Number(lines.at(-1)?.split(" ")[1]) >= count / processes ? true : undefined,
            connectMsMax,
          ),
        ),
      );
      const lost = (await site.status()).devices.filter((device) => !device.online).length;
      if (lost > 0) throw new Error(`${lost} of ${count} devices are not on the line`);
      const values: number[] = [];
      for (let i = 0; i < samples; i++) {
        await sleep(betweenSamplesMs);
        values.push(residentBytes(site.pid).now / mebibyte);
      }
      const peak = residentBytes(site.pid).peak / mebibyte;
      return [
        rowOf({
          name: `resident memory of a gateway with ${count} mTLS clients`,
          unit: "MiB",
          values,
          budget: { bound: "≤", value: 350 },
          conditions:
            `${count} devices of ${processes} processes, connected one after the other, each subscribed, each with a start and ` +
            `a reading in the lane, proofs delivered; three samples of VmRSS, a second apart; peak ${peak.toFixed(0)} MiB; ` +
            `before the first client ${idle.toFixed(0)} MiB`,
        }),
      ];
    } catch (error) {
      context.say(`refused: ${JSON.stringify((await bench.site.status()).refusals)}`);
      throw error;
    } finally {
      for (const child of children) await child.stop("SIGKILL");
      await bench.close();
    }
  },
};

function clientOf(device: TestDevice, port: number): BenchClient {
  const { key, cert, ca } = device.tls(port);
  const presigner = new Presigner(device.stream("p1"));
  const payloads = [presigner.start(), ...presigner.bundles(1, 1)].map(({ payload }) =>
    Buffer.from(payload).toString("base64"),
  );
  return {
    clientId: device.name,
    port,
    key,
    cert,
    ca,
    topic: uplinkTopic(device.answer, "statement"),
    filter: downlinkFilter(device.answer),
    payloads,
  };
}
