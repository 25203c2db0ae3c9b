/**
 * The channel's log and the gateway's lane as C2SP tlog-tiles, each under its incarnation: a path never names
 * another tree, so everything but the checkpoint may be cached for ever.
 */

import { Readable } from "node:stream";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import type { TileCoordinate } from "@tamga/ledger-core/log/tile";
import { tileWidth } from "@tamga/ledger-core/log/tile";
import type { TiledLog } from "@tamga/ledger-core/log/tile-from-paths";
import { holdsTile, readTile } from "@tamga/ledger-core/log/tile-from-paths";
import { parseTilePath } from "@tamga/ledger-core/log/tile-path";
import type { FastifyInstance, FastifyReply } from "fastify";

/** A log as it is now; `size` may only grow. */
export type ServedLog = TiledLog & {
  readonly kind: "channel" | "lane";
  /** Name of the channel that it is, or that its heads are ordered in. */
  readonly channel: string;
  readonly origin: string;
  /** 16 bytes. */
  readonly incarnation: Uint8Array;
  /** C2SP tlog-checkpoint of at most `size` entries; undefined before the first seal. */
  readonly checkpoint: () => string | undefined;
};

export type TileSources = {
  readonly crypto: Pick<CryptoPort, "sha256">;
  /** Asked at each request. */
  readonly logs: () => readonly ServedLog[];
};

type LogParams = { Params: { incarnation: string; "*"?: string } };

const forEver = "public, max-age=31536000, immutable";
/** A new checkpoint may come at any moment. */
const brief = "max-age=1";

/** `/tlog/` lists the logs, `/tlog/{incarnation}/…` is a log's prefix. Refusals are `{ code, sentence }`. */
export function addTileRoutes(server: FastifyInstance, sources: TileSources): void {
  const hasher = treeHasher((bytes) => sources.crypto.sha256(bytes));
  const find = (incarnation: string) =>
    sources.logs().find((log) => toHex(log.incarnation) === incarnation);

  server.get("/tlog/", (_request, reply) =>
    reply.header("cache-control", brief).send({
      logs: sources.logs().map(({ kind, channel, origin, incarnation }) => ({
        ...{ kind, channel, origin, prefix: `/tlog/${toHex(incarnation)}` },
      })),
    }),
  );
  server.get<LogParams>("/tlog/:incarnation/checkpoint", (request, reply) => {
    const checkpoint = find(request.params.incarnation)?.checkpoint();
    if (checkpoint === undefined) return refuse(reply, 404, "LOG_UNKNOWN");
    return reply.header("cache-control", brief).type("text/plain; charset=utf-8").send(checkpoint);
  });
  server.get<LogParams>("/tlog/:incarnation/tile/*", (request, reply) => {
    const log = find(request.params.incarnation);
    if (log === undefined) return refuse(reply, 404, "LOG_UNKNOWN");
    const path = parseTilePath(`tile/${request.params["*"] ?? ""}`);
    if (!path.ok) return refuse(reply, 400, path.fault.code);
    const { type, index, width } = path.value;
    const level = path.value.type === "tile" ? path.value.level : 0;
    const tile = { level, index, width };
    if (!holdsTile(log, tile)) return refuse(reply, 404, "TILE_NOT_THERE");
    reply.header("cache-control", forEver).type("application/octet-stream");
    if (type === "tile") return reply.send(Buffer.from(readTile(hasher, log, tile)));
    return reply.send(Readable.from(bundleOf(log, tile), { highWaterMark: 1 }));
  });
}

/**
 * The entries of a bundle one by one, each behind its 16-bit length: a bundle may have 16 MiB, and a
 * reader that is slow must not hold them all in our memory.
 */
function* bundleOf(log: TiledLog, { index, width }: TileCoordinate): Generator<Buffer> {
  const first = BigInt(index) * BigInt(tileWidth);
  for (let i = 0n; i < BigInt(width); i++) {
    const entry = present(log.entry(first + i), "entry below the size");
    const chunk = Buffer.alloc(2 + entry.length);
    chunk.writeUInt16BE(entry.length);
    chunk.set(entry, 2);
    yield chunk;
  }
}

const sentences = {
  LOG_UNKNOWN: "No such log is served here, or it has no checkpoint yet: see /tlog/.",
  TILE_NOT_THERE: "The log has not grown so far: take sizes from its checkpoint.",
  TILE_PATH_MALFORMED: "Ask for tile/LEVEL/INDEX or tile/entries/INDEX, as C2SP tlog-tiles has it.",
  TILE_PATH_OUT_OF_RANGE: "The path names a level, an index or a width that no tile has.",
} as const;

function refuse(reply: FastifyReply, status: number, code: keyof typeof sentences) {
  return reply
    .header("cache-control", "no-store")
    .code(status)
    .send({ code, sentence: sentences[code] });
}
