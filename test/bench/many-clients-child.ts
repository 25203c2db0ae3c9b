/**
 * A process of its own that holds many mTLS clients: reads one JSON line each, connects one after the
 * other, subscribes, publishes what it was given, and says how many are on the line.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import { connect } from "mqtt";
import { z } from "zod";

const clientSchema = z.strictObject({
  clientId: z.string(),
  port: z.int(),
  key: z.string(),
  cert: z.string(),
  ca: z.string(),
  topic: z.string(),
  filter: z.string(),
  /** Base64. */
  payloads: z.array(z.string()),
});
export type BenchClient = z.output<typeof clientSchema>;

/** Below the gateway's own bound on handshakes a second. */
const betweenConnectsMs = 5;
const attemptsMax = 4;
const betweenAttemptsMs = 500;

async function main(): Promise<void> {
  const clients: MqttClient[] = [];
  let received = 0;
  const waiting: BenchClient[] = [];
  let rest = "";
  process.stdin.setEncoding("utf8");
  for await (const text of process.stdin) {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") waiting.push(clientSchema.parse(JSON.parse(line)));
    if (lines.includes("")) break;
  }
  for (const one of waiting) {
    const client = await connectOne(one);
    client.on("message", () => {
      received++;
    });
    // Without reconnecting nothing would settle what it still waits for: say so, and end.
    client.on("close", () => {
      process.stderr.write(`${one.clientId} was cut off\n`);
      process.exit(1);
    });
    await client.subscribeAsync(one.filter, { qos: 1 });
    for (const payload of one.payloads) {
      await client.publishAsync(one.topic, Buffer.from(payload, "base64"), { qos: 1 });
    }
    clients.push(client);
    await sleep(betweenConnectsMs);
  }
  process.stdout.write(`online ${clients.length}\n`);
  // Every client gets a head and at least one proof; they stay on the line until this process is ended.
  for (;;) {
    await sleep(200);
    process.stdout.write(`received ${received}\n`);
  }
}

/** A machine that is busy may cut a handshake off: a device would come again, and so does this. */
async function connectOne(one: BenchClient): Promise<MqttClient> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await connectOnce(one);
    } catch (error) {
      if (attempt === attemptsMax) throw error;
      await sleep(attempt * betweenAttemptsMs);
    }
  }
}

function connectOnce(one: BenchClient): Promise<MqttClient> {
  const { clientId, port, key, cert, ca } = one;
  const client = connect({
    protocol: "mqtts",
    protocolVersion: 4,
    host: "127.0.0.1",
    port,
    key,
    cert,
    ca,
    clientId,
    clean: true,
    keepalive: 60,
    reconnectPeriod: 0,
  });
  return new Promise((resolve, reject) => {
    const refused = () => reject(new Error(`${clientId} was cut off before CONNACK`));
    client.once("error", reject);
    client.once("close", refused);
    client.once("connect", () => {
      client.off("error", reject);
      client.off("close", refused);
      client.on("error", () => undefined);
      resolve(client);
    });
  });
}

await main();
