/**
 * Reads a log by its tiles, over HTTP: a client of C2SP tlog-tiles that knows the specification's words and
 * none of our modules, but for SHA-256.
 */

import { createHash } from "node:crypto";

export type FetchedLog = {
  readonly note: string;
  readonly origin: string;
  readonly size: number;
  /** Base64, as the checkpoint states it. */
  readonly root: string;
  readonly entries: readonly Buffer[];
  /** Base64, as the tiles give it. */
  readonly rebuilt: string;
};

/** @param prefix the log's URL without a slash at its end. Throws where tiles, entries and levels contradict. */
export async function fetchLog(prefix: string): Promise<FetchedLog> {
  const note = (await get(`${prefix}/checkpoint`)).toString("utf8");
  const [origin = "", count = "", root = ""] = note.split("\n");
  const size = Number(count);
  const entries: Buffer[] = [];
  const leaves: Buffer[] = [];
  for (const [name, width] of tilesOf(size)) {
    const tile = await get(`${prefix}/tile/0/${name}`);
    const bundle = split(await get(`${prefix}/tile/entries/${name}`));
    if (tile.length !== 32 * width || bundle.length !== width) throw new Error(`width of ${name}`);
    for (const [i, entry] of bundle.entries()) {
      const hash = tile.subarray(32 * i, 32 * i + 32);
      if (!sha256(Buffer.from([0]), entry).equals(hash)) throw new Error(`entry ${i} of ${name}`);
      leaves.push(hash);
      entries.push(entry);
    }
  }
  await checkUpperTiles(prefix, leaves);
  return { note, origin, size, root, entries, rebuilt: treeHash(leaves).toString("base64") };
}

/** Each hash of level l + 1 is that over 256 hashes of level l. */
async function checkUpperTiles(prefix: string, leaves: readonly Buffer[]): Promise<void> {
  let below = leaves;
  for (let level = 1; below.length >= 256; level++) {
    const hashes: Buffer[] = [];
    for (const [name, width] of tilesOf(Math.floor(below.length / 256))) {
      const tile = await get(`${prefix}/tile/${level}/${name}`);
      if (tile.length !== 32 * width) throw new Error(`width of ${level}/${name}`);
      for (let i = 0; i < width; i++) hashes.push(tile.subarray(32 * i, 32 * i + 32));
    }
    for (const [i, hash] of hashes.entries())
      if (!treeHash(below.slice(256 * i, 256 * i + 256)).equals(hash))
        throw new Error(`hash ${i} of level ${level}`);
    below = hashes;
  }
}

/** Names and widths of the tiles over so many hashes. */
function tilesOf(hashes: number): readonly (readonly [string, number])[] {
  const full = Math.floor(hashes / 256);
  const tiles = Array.from({ length: full }, (_, index) => [nameOf(index), 256] as const);
  const rest = hashes % 256;
  return rest === 0 ? tiles : [...tiles, [`${nameOf(full)}.p/${rest}`, rest] as const];
}

function nameOf(index: number): string {
  return index < 1_000
    ? String(index).padStart(3, "0")
    : `x${nameOf(Math.floor(index / 1_000)).replaceAll("/", "/x")}/${nameOf(index % 1_000)}`;
}

function split(bundle: Buffer): readonly Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; ) {
    const end = at + 2 + bundle.readUInt16BE(at);
    if (end > bundle.length) throw new Error("bundle is cut off");
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** MTH of RFC 6962 §2.1 over leaf hashes. */
function treeHash(hashes: readonly Buffer[]): Buffer {
  const [only] = hashes;
  if (only === undefined) return sha256();
  if (hashes.length === 1) return only;
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return sha256(Buffer.from([1]), treeHash(hashes.slice(0, half)), treeHash(hashes.slice(half)));
}

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

async function get(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${url}: ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
