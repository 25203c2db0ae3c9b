/** Ports that stay the same over restarts, outside of those that the kernel gives to whoever asks for any. */

import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

const portMin = 20_000;
const portEnd = 32_000;
const triesMax = 1_000;

export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries === triesMax) throw new Error("no free ports on loopback");
    const port = randomInt(portMin, portEnd);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server, "listening");
  server.listen({ host: "127.0.0.1", port });
  try {
    await listening;
  } catch {
    return false;
  }
  const closed = once(server, "close");
  server.close();
  await closed;
  return true;
}
