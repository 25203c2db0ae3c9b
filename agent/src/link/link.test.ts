/** Links on real sockets and a real pty, and the wrapper that opens them again. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linkChunkBytesMax, linkRetryMsMax, linkRetryMsMin } from "../limits.ts";
import type { ByteLink } from "./byte-link.ts";
import type { LinkState } from "./reconnecting-link.ts";
import { ReconnectingLink, retryDelay } from "./reconnecting-link.ts";
import { SerialLink } from "./serial-link.ts";
import { TcpLink } from "./tcp-link.ts";

const { signal } = new AbortController();
const socatMissing = spawnSync("socat", ["-V"]).status !== 0;
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tamga-link-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function collect(link: ByteLink, until: number): Promise<string> {
  let text = "";
  for await (const chunk of link.open({ signal })) {
    expect(chunk.length).toBeLessThanOrEqual(linkChunkBytesMax);
    text += new TextDecoder().decode(chunk);
    if (text.length >= until) break;
  }
  return text;
}

async function listen(
  onSocket: (socket: Socket) => void,
): Promise<{ port: number; close: () => void }> {
  const server = createServer(onSocket);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = isAddressInfo(address) ? address.port : 0;
  return { port, close: () => server.close() };
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}

describe("tcp", () => {
  test("gives the bytes until the other side hangs up", async () => {
    const server = await listen((socket) => socket.end("x".repeat(200_000)));
    const link = new TcpLink({ scheme: "tcp", host: "127.0.0.1", port: server.port });
    expect((await collect(link, Number.POSITIVE_INFINITY)).length).toBe(200_000);
    server.close();
  });

  test("a closed port says so", async () => {
    const server = await listen((socket) => socket.destroy());
    server.close();
    const link = new TcpLink({ scheme: "tcp", host: "127.0.0.1", port: server.port });
    await expect(collect(link, 1)).rejects.toMatchObject({ code: "LINK_REFUSED" });
  });

  test("an abort ends a silent line with its own reason", async () => {
    const server = await listen((socket) => socket.resume());
    const link = new TcpLink({ scheme: "tcp", host: "127.0.0.1", port: server.port });
    const stop = new AbortController();
    const reason = new Error("stop");
    const read = async () => {
      for await (const chunk of link.open({ signal: stop.signal }))
        if (chunk.length === 0) queueMicrotask(() => stop.abort(reason));
    };
    await expect(read()).rejects.toBe(reason);
    server.close();
  });
});

describe.skipIf(socatMissing)("serial", () => {
  async function ptyPair() {
    const [device, port] = [join(folder, "device"), join(folder, "port")];
    const args = [`PTY,link=${device},rawer`, `PTY,link=${port},rawer`];
    const watching = watch(folder);
    const ready = new Promise<void>((resolve) => {
      watching.on("change", () => existsSync(device) && existsSync(port) && resolve());
    });
    const socat = spawn("socat", args, { stdio: "ignore" });
    await ready;
    watching.close();
    return { device, port, socat };
  }
  const settings = { baud: 115_200, parity: "none", dataBits: 8, stopBits: 1 } as const;

  test("reads what a device writes, and ends when the port is pulled out", async () => {
    const { device, port, socat } = await ptyPair();
    const link = new SerialLink({ scheme: "serial", path: port, ...settings });
    const sent = `/TST5METER\r\n${"0123456789\r\n".repeat(300)}`;
    let received = "";
    const read = async () => {
      for await (const chunk of link.open({ signal })) {
        if (chunk.length === 0) await writeFile(device, utf8(sent));
        received += new TextDecoder().decode(chunk);
        if (received.length >= sent.length) socat.kill();
      }
    };
    await read().catch((error: unknown) => expect(error).toMatchObject({ code: "LINK_LOST" }));
    expect(received).toBe(sent);
  });

  test("ends when the port is pulled out in the middle of a telegram, whoever waits for whom", async () => {
    for (let pull = 0; pull < 20; pull++) {
      const { device, port, socat } = await ptyPair();
      const link = new SerialLink({ scheme: "serial", path: port, ...settings });
      const gone = once(socat, "exit");
      let received = 0;
      const read = async () => {
        for await (const chunk of link.open({ signal })) {
          // The device writes more than is ever taken, until its end of the line is gone, too.
          if (chunk.length === 0)
            void writeFile(device, "0".repeat(1_000_000)).catch(() => undefined);
          received += chunk.length;
          if (chunk.length === 0 || socat.killed) continue;
          socat.kill("SIGKILL");
          // Odd ones come back to a line that has been hung up for a while.
          if (pull % 2 === 1) await gone;
        }
      };
      await read().catch((error: unknown) => expect(error).toMatchObject({ code: "LINK_LOST" }));
      expect(received).toBeGreaterThan(0);
      await gone;
      await rm(device, { force: true });
      await rm(port, { force: true });
    }
  });

  test("an abort closes the port, which can be opened again", async () => {
    const { device, port, socat } = await ptyPair();
    const link = new SerialLink({ scheme: "serial", path: port, ...settings });
    const stop = new AbortController();
    const reason = new Error("stop");
    const read = async () => {
      for await (const chunk of link.open({ signal: stop.signal }))
        if (chunk.length === 0) queueMicrotask(() => stop.abort(reason));
    };
    await expect(read()).rejects.toBe(reason);
    let received = "";
    for await (const chunk of link.open({ signal })) {
      if (chunk.length === 0) await writeFile(device, "again");
      received += new TextDecoder().decode(chunk);
      if (received.length >= 5) break;
    }
    expect(received).toBe("again");
    socat.kill();
  });

  test("a second reader is told that the port is in use", async () => {
    const { port, socat } = await ptyPair();
    const link = new SerialLink({ scheme: "serial", path: port, ...settings });
    for await (const chunk of link.open({ signal })) {
      expect(chunk.length).toBe(0);
      const second = collect(new SerialLink({ scheme: "serial", path: port, ...settings }), 1);
      await expect(second).rejects.toMatchObject({ code: "LINK_BUSY" });
      break;
    }
    socat.kill();
  });

  test("a port that is not there", async () => {
    const link = new SerialLink({ scheme: "serial", path: join(folder, "none"), ...settings });
    await expect(collect(link, 1)).rejects.toMatchObject({ code: "LINK_NOT_FOUND" });
  });
});

describe("reconnecting", () => {
  /** Opens to what the script says, one entry an attempt: chunks, or a fault. */
  class ScriptedLink implements ByteLink {
    readonly name = "scripted";
    readonly #script: (readonly string[] | OperationalError)[];

    constructor(script: (readonly string[] | OperationalError)[]) {
      this.#script = script;
    }

    async *open(): AsyncGenerator<Uint8Array> {
      const attempt = this.#script.shift() ?? [];
      if (attempt instanceof OperationalError) throw attempt;
      yield new Uint8Array();
      for (const text of attempt) yield utf8(text);
    }
  }

  test("each loss is a state with its reason, and bytes set the back-off to its start", async () => {
    const clock = new ManualClock(undefined, () => 0);
    const denied = new OperationalError("LINK_PERMISSION", "scripted: denied");
    const script = [denied, denied, ["a", "b"], denied, ["c"]];
    const log: string[] = [];
    const link = new ReconnectingLink(new ScriptedLink(script), clock, (state: LinkState) =>
      log.push(state.phase === "down" ? `${state.code} ${state.retryInMs}` : state.phase),
    );
    const stop = new AbortController();
    const reason = new Error("stop");
    const run = (async () => {
      for await (const chunk of link.open({ signal: stop.signal })) {
        const text = new TextDecoder().decode(chunk);
        if (text !== "") log.push(text);
        if (text === "c") stop.abort(reason);
      }
    })();
    const settled = expect(run).rejects.toBe(reason);
    for (let i = 0; i < 4; i++) await clock.advance(linkRetryMsMax);
    await settled;
    const opened = ["connecting", "up"];
    expect(log).toEqual([
      ...["connecting", "LINK_PERMISSION 250", "connecting", "LINK_PERMISSION 500"],
      ...[...opened, "a", "b", "LINK_CLOSED 250"],
      ...["connecting", "LINK_PERMISSION 500", ...opened, "c"],
      "LINK_CLOSED 250",
    ]);
  });

  test("the delay grows to its limit and no further", () => {
    expect(retryDelay(0, 0)).toBe(linkRetryMsMin / 2);
    expect(retryDelay(1_000_000, 0.999_999_9)).toBe(linkRetryMsMax);
  });
});
