/**
 * A real pcscd of a test's own, with a virtual reader (vsmartcard's vpcd): in namespaces of its own, so that neither its
 * socket nor the port on which the card would come is the machine's.
 */

import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pause } from "../end-to-end/rig/wait.ts";
import { requirePart } from "../real-parts.ts";

const port = 0x8c7b;
const drivers = "/usr/lib/pcsc/drivers/serial";

/** Whether it can run here: both packages, and the right to make namespaces. */
export function requireVirtualReader(): boolean {
  if (!requirePart("pcscd") || !requirePart("vsmartcard-vpcd")) return false;
  if (spawnSync("unshare", ["-mn", "true"]).status === 0) return true;
  process.stderr.write(
    "\n*** tamga: SKIPPED ALOUD: no right to make namespaces, for a pcscd ***\n\n",
  );
  return false;
}

export class VirtualReader {
  readonly #directory = mkdtempSync(join(tmpdir(), "tamga-pcscd-"));
  readonly #service: ChildProcess;
  #card: ChildProcess | undefined;

  private constructor() {
    const driver = readdirSync(drivers).find((name) => name.startsWith("libifdvpcd.so"));
    const lines = [
      'FRIENDLYNAME "Virtual PCD"',
      `DEVICENAME /dev/null:0x${port.toString(16)}`,
      `LIBPATH ${join(drivers, driver ?? "")}`,
      `CHANNELID 0x${port.toString(16)}`,
    ];
    writeFileSync(join(this.#directory, "reader"), lines.join("\n"));
    const script =
      "ip link set lo up && mkdir -p /run/pcscd && mount -t tmpfs tmpfs /run/pcscd && " +
      `exec pcscd --foreground --config ${this.#directory}`;
    this.#service = spawn("unshare", ["-mn", "sh", "-c", script], { stdio: "ignore" });
  }

  /** Resolves once it listens. */
  static async start(): Promise<VirtualReader> {
    const reader = new VirtualReader();
    while (!existsSync(reader.socket)) {
      if (reader.#service.exitCode !== null)
        throw new Error(`pcscd ended with ${reader.#service.exitCode}`);
      await pause(20);
    }
    return reader;
  }

  /** As this process sees it. */
  get socket(): string {
    return `/proc/${this.#service.pid}/root/run/pcscd/pcscd.comm`;
  }

  /** A card that answers a reset and nothing else. */
  insertCard(): void {
    const into = ["-t", String(this.#service.pid), "-n"];
    this.#card = spawn("nsenter", [...into, process.execPath, "-e", card], { stdio: "ignore" });
  }

  async removeCard(): Promise<void> {
    await end(this.#card);
  }

  async remove(): Promise<void> {
    await this.removeCard();
    await end(this.#service);
    rmSync(this.#directory, { recursive: true });
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** vpcd's own protocol: each message behind its length in two bytes; 4 alone asks for the answer to reset. */
const card = `
const { connect } = require("node:net");
const socket = connect(${port}, "127.0.0.1");
let rest = Buffer.alloc(0);
socket.on("data", (chunk) => {
  rest = Buffer.concat([rest, chunk]);
  while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
    const message = rest.subarray(2, 2 + rest.readUInt16BE(0));
    rest = rest.subarray(2 + message.length);
    if (message.length === 1 && message[0] === 4) socket.write(Buffer.from("00023b00", "hex"));
  }
});
`;
