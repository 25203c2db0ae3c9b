/** The parts of the validators' rig that judge and that stand between, tried by themselves. */

import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { describe, expect, test } from "vitest";
import type { ChainContent } from "./chain-content.ts";
import { forksBetween } from "./chain-content.ts";
import { PeerLine } from "./peer-line.ts";
import { TlsRecordCount } from "./tls-record-count.ts";

const leaf = (text: string) => nodeCrypto.sha256(new TextEncoder().encode(text));

function chain(validator: string, blocks: readonly string[], leaves: readonly string[]) {
  const content: ChainContent = {
    validator,
    blocks: new Map(blocks.map((digest, at) => [at + 1, digest])),
    leaves: leaves.map(leaf),
    roots: new Map(),
    height: blocks.length,
    faults: [],
  };
  return content;
}

describe("the oracle", () => {
  test("takes a chain that is behind for no fork", () => {
    const long = chain("a", ["1", "2", "3"], ["x", "y", "z"]);
    expect(forksBetween([long, chain("b", ["1", "2"], ["x", "y"]), long])).toEqual([]);
  });

  test("names the height and the leaf where two part", () => {
    const a = chain("a", ["1", "2", "3"], ["x", "y", "z"]);
    const forks = forksBetween([a, chain("b", ["1", "other"], ["x", "other"])]);
    expect(forks).toEqual(["a and b, height 2", "a and b, leaf 1"]);
  });
});

describe("records of TLS", () => {
  const record = (type: number, length: number) =>
    Uint8Array.of(type, 3, 3, length >> 8, length & 255, ...new Uint8Array(length));

  test("are found however the bytes are cut, those of data alone", () => {
    const bytes = [record(22, 300), record(23, 300), record(20, 1), record(23, 7)].flatMap(
      (one) => [...one],
    );
    for (const step of [1, 2, 5, 64, bytes.length]) {
      const count = new TlsRecordCount();
      const sizes: number[] = [];
      for (let at = 0; at < bytes.length; at += step)
        sizes.push(...count.take(Uint8Array.from(bytes.slice(at, at + step))));
      expect(sizes).toEqual([305, 12]);
    }
  });
});

describe("a line between two validators", () => {
  test("holds one direction, lets the other through, and brings what it held", async () => {
    await withLine(async ({ line, dial, accepted }) => {
      const near = await dial();
      const far = await accepted();
      line.hold("forward");
      near.write("held");
      far.write("through");
      expect(String(await once(near, "data"))).toBe("through");
      let arrived = "";
      far.on("data", (chunk) => {
        arrived += String(chunk);
      });
      far.write("again");
      expect(String(await once(near, "data"))).toBe("again");
      expect(arrived).toBe("");
      line.release("forward");
      await expect.poll(() => arrived).toBe("held");
    });
  });

  test("connects nobody while it is parted, and breaks all when it is cut", async () => {
    await withLine(async ({ line, dial, accepted }) => {
      line.hold("backward");
      const waiting = await dial();
      const closed = once(waiting, "close");
      line.release("backward");
      await closed;
      const near = await dial();
      await accepted();
      const broken = once(near, "close");
      line.cut();
      await broken;
      const refused = await dial();
      await once(refused, "close");
    });
  });
});

async function withLine(
  use: (parts: {
    readonly line: PeerLine;
    readonly dial: () => Promise<Socket>;
    /** The next connection that reached the listener. */
    readonly accepted: () => Promise<Socket>;
  }) => Promise<void>,
): Promise<void> {
  const open: Socket[] = [];
  const listener = createServer((socket) => open.push(socket.on("error", () => undefined)));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  const target = typeof address === "object" && address !== null ? address.port : 0;
  const line = await PeerLine.listen({ dialler: "a", listener: "b", target });
  let taken = 0;
  try {
    await use({
      line,
      dial: async () => {
        const socket = connect({ host: "127.0.0.1", port: line.port });
        socket.on("error", () => undefined);
        socket.resume();
        await once(socket, "connect");
        return socket;
      },
      accepted: async () => {
        await expect.poll(() => open.length).toBeGreaterThan(taken);
        const socket = open[taken++];
        if (socket === undefined) throw new Error("a connection");
        return socket;
      },
    });
  } finally {
    await line.close();
    for (const socket of open) socket.destroy();
    listener.close();
  }
}
