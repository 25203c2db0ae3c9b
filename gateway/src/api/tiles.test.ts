import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { createHttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { encodeCheckpoint } from "@tamga/ledger-core/log/checkpoint";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { pathOf, rootOf } from "@tamga/ledger-core/log/merkle-root";
import { parseTreeSize } from "@tamga/ledger-core/log/tree-size";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fetchLog } from "../../../test/support/tile-client.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import type { ServedLog } from "./tiles.ts";
import { addTileRoutes } from "./tiles.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const entries = Array.from({ length: 600 }, (_, i) => utf8(`entry ${i}`));
const leaves = entries.map((entry) => hasher.leaf(entry));

/** A log of the first `size` entries, with a checkpoint that nobody signed. */
function logOf(size: number, kind: ServedLog["kind"], label: number): ServedLog {
  const head = leaves.slice(0, size);
  const root = rootOf(hasher, head);
  const treeSize = unwrap(parseTreeSize(BigInt(size)));
  const text = encodeCheckpoint({ origin: `test/${kind}`, treeSize, root, extensions: [] });
  return {
    kind,
    channel: "herd",
    origin: `test/${kind}`,
    incarnation: new Uint8Array(16).fill(label),
    size: BigInt(size),
    entry: (index) => entries[Number(index)],
    inclusion: (index) => pathOf(hasher, head, Number(index)),
    checkpoint: () => (size === 0 ? undefined : `${text}\n`),
  };
}

const logs: ServedLog[] = [logOf(600, "channel", 1), logOf(0, "lane", 2)];
const server = createHttpServer({
  host: "127.0.0.1",
  port: 0,
  registry: new Registry(),
  health: [],
  routes: (fastify) => addTileRoutes(fastify, { crypto: nodeCrypto, logs: () => logs }),
});
let base = "";
beforeAll(async () => {
  const { host, port } = await server.listen();
  base = `http://${host}:${port}`;
});
afterAll(() => server.close());
const prefix = (label: number) => `/tlog/${toHex(new Uint8Array(16).fill(label))}`;
const get = (path: string) => fetch(`${base}${path}`);

describe("a log over HTTP", () => {
  test.each([600, 512, 256, 255, 1])("of %i entries is rebuilt from its tiles", async (size) => {
    logs[0] = logOf(size, "channel", 1);
    const log = await fetchLog(`${base}${prefix(1)}`);
    expect([log.size, log.origin]).toEqual([size, "test/channel"]);
    expect(log.rebuilt).toBe(log.root);
    expect(log.entries.map(String)).toEqual(Array.from({ length: size }, (_, i) => `entry ${i}`));
  });

  test("is listed with its prefix", async () => {
    expect(await (await get("/tlog/")).json()).toEqual({
      logs: [
        { kind: "channel", channel: "herd", origin: "test/channel", prefix: prefix(1) },
        { kind: "lane", channel: "herd", origin: "test/lane", prefix: prefix(2) },
      ],
    });
  });

  test("has types and cache headers as the specification asks for", async () => {
    logs[0] = logOf(600, "channel", 1);
    for (const [path, type, cache] of [
      ["checkpoint", "text/plain; charset=utf-8", "max-age=1"],
      ["tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable"],
      ["tile/0/002.p/88", "application/octet-stream", "public, max-age=31536000, immutable"],
      ["tile/0/000.p/7", "application/octet-stream", "public, max-age=31536000, immutable"],
      ["tile/entries/001", "application/octet-stream", "public, max-age=31536000, immutable"],
      ["tile/1/000.p/2", "application/octet-stream", "public, max-age=31536000, immutable"],
    ] as const) {
      const { status, headers } = await get(`${prefix(1)}/${path}`);
      const found = [status, headers.get("content-type"), headers.get("cache-control")];
      expect(found, path).toEqual([200, type, cache]);
    }
  });

  test("refuses what is not there or is no path, and lets nobody cache the refusal", async () => {
    for (const [path, status, code] of [
      [`${prefix(1)}/tile/0/002`, 404, "TILE_NOT_THERE"],
      [`${prefix(1)}/tile/0/002.p/89`, 404, "TILE_NOT_THERE"],
      [`${prefix(1)}/tile/entries/003.p/1`, 404, "TILE_NOT_THERE"],
      [`${prefix(1)}/tile/1/000`, 404, "TILE_NOT_THERE"],
      [`${prefix(1)}/tile/63/x999/x999/x999/999`, 404, "TILE_NOT_THERE"],
      [`${prefix(1)}/tile/0/0`, 400, "TILE_PATH_MALFORMED"],
      [`${prefix(1)}/tile/00/000`, 400, "TILE_PATH_MALFORMED"],
      [`${prefix(1)}/tile/0/000.p/0`, 400, "TILE_PATH_MALFORMED"],
      [`${prefix(1)}/tile/0/000.p/256`, 400, "TILE_PATH_OUT_OF_RANGE"],
      [`${prefix(1)}/tile/64/000`, 400, "TILE_PATH_OUT_OF_RANGE"],
      [`${prefix(1)}/tile/`, 400, "TILE_PATH_MALFORMED"],
      [`${prefix(2)}/checkpoint`, 404, "LOG_UNKNOWN"],
      [`${prefix(2)}/tile/0/000.p/1`, 404, "TILE_NOT_THERE"],
      [`${prefix(3)}/checkpoint`, 404, "LOG_UNKNOWN"],
      [`${prefix(3)}/tile/0/000`, 404, "LOG_UNKNOWN"],
    ] as const) {
      const response = await get(path);
      expect(await response.json(), path).toMatchObject({ code, sentence: expect.any(String) });
      const cache = response.headers.get("cache-control");
      expect([response.status, cache], path).toEqual([status, "no-store"]);
    }
  });
});
