/**
 * Checks exported receipts by the words of RFC 9942, RFC 9943, RFC 9162 and C2SP alone: a reader of CBOR, a
 * Merkle fold and `node:crypto`, and none of the verifier's modules. Whatever is wrong throws.
 */

import type { KeyObject } from "node:crypto";
import { createHash, createPublicKey, verify } from "node:crypto";

/** A key that receipts may be signed with, found by its RFC 9679 thumbprint. */
export type KnownKey = { readonly name: string; readonly key: KeyObject };

export type CheckedReceipt = {
  /** Of the signer that made it. */
  readonly signer: string;
  readonly origin: string;
  readonly size: bigint;
  readonly index: bigint;
  readonly root: Buffer;
};

type Cbor =
  | bigint
  | string
  | boolean
  | null
  | Buffer
  | readonly Cbor[]
  | ReadonlyMap<Cbor, Cbor>
  | Tag;
class Tag {
  readonly number: bigint;
  readonly content: Cbor;
  constructor(number: bigint, content: Cbor) {
    this.number = number;
    this.content = content;
  }
}

/** An RFC 9943 transparent statement: its receipts, each over the statement without them. */
export function checkTransparent(
  bytes: Buffer,
  known: readonly KnownKey[],
): { readonly statement: Buffer; readonly receipts: readonly CheckedReceipt[] } {
  const [protectedBytes, unprotected, payload, signature] = sign1(decode(bytes));
  const receipts = list(map(unprotected).get(394n));
  const statement = Buffer.concat([
    Buffer.from([0xd2, 0x84]),
    bstr(protectedBytes),
    Buffer.from([0xa0]),
    bstr(payload),
    bstr(signature),
  ]);
  const leaf = sha256(Buffer.from([0]), statement);
  return {
    statement,
    receipts: receipts.map((receipt) => checkReceipt(buffer(receipt), leaf, known)),
  };
}

/** An RFC 9942 receipt with an RFC9162_SHA256 inclusion proof of this leaf. */
export function checkReceipt(
  bytes: Buffer,
  leaf: Buffer,
  known: readonly KnownKey[],
): CheckedReceipt {
  const [protectedBytes, unprotected, payload, signature] = sign1(decode(bytes));
  if (payload !== null) throw new Error("the root is attached");
  const header = map(decode(buffer(protectedBytes)));
  if (header.get(395n) !== 1n) throw new Error("not RFC9162_SHA256");
  const proofs = list(map(map(unprotected).get(396n)).get(-1n));
  const [size, index, path] = list(decode(buffer(proofs[0])));
  const proof = { size: whole(size), index: whole(index), path: list(path).map(buffer) };
  if (header.get(-65537n) !== proof.size) throw new Error("another size than signed");
  const root = fold(leaf, proof);
  const kid = buffer(header.get(4n));
  const signer = known.find(({ key }) => thumbprint(key).equals(kid));
  if (signer === undefined) throw new Error("unknown signer");
  const context = Buffer.concat([Buffer.from([0x84, 0x6a]), Buffer.from("Signature1")]);
  const message = Buffer.concat([context, bstr(protectedBytes), bstr(Buffer.alloc(0)), bstr(root)]);
  if (!isSigned(signer.key, message, buffer(signature))) throw new Error("wrong signature");
  const origin = map(header.get(15n)).get(1n);
  return {
    signer: signer.name,
    origin: String(origin),
    root,
    size: proof.size,
    index: proof.index,
  };
}

/** Splits an RFC 8742 sequence of two items. */
export function splitSequence(bytes: Buffer): readonly [Buffer, Buffer] {
  const [, end] = read(bytes, 0);
  return [bytes.subarray(0, end), bytes.subarray(end)];
}

/** C2SP tlog-proof of this leaf. @returns its checkpoint. */
export function checkTlogProof(text: string, leaf: Buffer): string {
  const [head, ...rest] = text.split("\n\n");
  const [version, index = "", ...path] = (head ?? "").split("\n");
  if (version !== "c2sp.org/tlog-proof@v1") throw new Error("not a tlog-proof");
  const note = rest.join("\n\n");
  const [, size = "", root] = note.split("\n");
  const proof = {
    index: BigInt(index.replace(/^index /, "")),
    size: BigInt(size),
    path: path.map((line) => Buffer.from(line, "base64")),
  };
  if (fold(leaf, proof).toString("base64") !== root) throw new Error("another root");
  return note;
}

/** C2SP tlog-checkpoint. @returns who of these cosigned it with Ed25519, in the order of its lines. */
export function checkNote(note: string, known: readonly KnownKey[]): readonly string[] {
  const end = note.indexOf("\n\n") + 1;
  const text = note.slice(0, end);
  return note
    .slice(end + 1)
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [, name = "", base64 = ""] = /^— (\S+) (\S+)$/.exec(line) ?? [];
      const bytes = Buffer.from(base64, "base64");
      const key = known.find((one) => one.name === name)?.key;
      if (key === undefined) throw new Error(`unknown cosigner ${name}`);
      const id = sha256(Buffer.from(`${name}\n\x04`), point(key)).subarray(0, 4);
      if (!id.equals(bytes.subarray(0, 4))) throw new Error("another key id");
      const message = `cosignature/v1\ntime ${bytes.readBigUInt64BE(4)}\n${text}`;
      if (!verify(null, Buffer.from(message), key, bytes.subarray(12)))
        throw new Error("not cosigned");
      return name;
    });
}

export function leafOf(statement: Buffer): Buffer {
  return sha256(Buffer.from([0]), statement);
}

/** RFC 9162 §2.1.3.2. */
function fold(
  leaf: Buffer,
  {
    size,
    index,
    path,
  }: { readonly size: bigint; readonly index: bigint; readonly path: readonly Buffer[] },
): Buffer {
  if (index >= size) throw new Error("index past the tree");
  let [fn, sn, root] = [index, size - 1n, leaf];
  for (const hash of path) {
    if (sn === 0n) throw new Error("path is too long");
    if (fn % 2n === 1n || fn === sn) {
      root = sha256(Buffer.from([1]), hash, root);
      while (fn % 2n === 0n && fn !== 0n) [fn, sn] = [fn / 2n, sn / 2n];
    } else {
      root = sha256(Buffer.from([1]), root, hash);
    }
    [fn, sn] = [fn / 2n, sn / 2n];
  }
  if (sn !== 0n) throw new Error("path is too short");
  return root;
}

function isSigned(key: KeyObject, message: Buffer, signature: Buffer): boolean {
  return key.asymmetricKeyType === "ed25519"
    ? verify(null, message, key, signature)
    : verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** RFC 9679: SHA-256 over the deterministic COSE_Key. */
function thumbprint(key: KeyObject): Buffer {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  const [left, right] = [bstr(Buffer.from(x, "base64url")), bstr(Buffer.from(y, "base64url"))];
  return key.asymmetricKeyType === "ed25519"
    ? sha256(Buffer.from("a30101200621", "hex"), left)
    : sha256(Buffer.from("a40102200121", "hex"), left, Buffer.from([0x22]), right);
}

function point(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url");
}

/** An Ed25519 key of 32 bytes. */
export function ed25519Key(bytes: Uint8Array): KeyObject {
  const x = Buffer.from(bytes).toString("base64url");
  return createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
}

function sign1(value: Cbor): readonly [Cbor, Cbor, Cbor, Cbor] {
  if (!(value instanceof Tag) || value.number !== 18n) throw new Error("not a COSE_Sign1");
  const [first = null, second = null, third = null, fourth = null] = list(value.content);
  return [first, second, third, fourth];
}

function decode(bytes: Buffer): Cbor {
  const [value, end] = read(bytes, 0);
  if (end !== bytes.length) throw new Error("bytes after the item");
  return value;
}

/** As much of RFC 8949 as the forms have. */
function read(bytes: Buffer, at: number): readonly [Cbor, number] {
  const first = bytes.readUInt8(at);
  const [major, short] = [first >> 5, first & 31];
  const width = short < 24 ? 0 : 2 ** (short - 24);
  if (short > 27) throw new Error("length without an end");
  const hex = bytes.toString("hex", at + 1, at + 1 + width);
  const argument = width === 0 ? BigInt(short) : BigInt(`0x${hex}`);
  let end = at + 1 + width;
  if (major === 0) return [argument, end];
  if (major === 1) return [-1n - argument, end];
  if (major === 7) return [short === 22 ? null : short === 21, end];
  const length = Number(argument);
  if (major === 2) return [bytes.subarray(end, end + length), end + length];
  if (major === 3) return [bytes.toString("utf8", end, end + length), end + length];
  const items: Cbor[] = [];
  for (let i = 0; i < (major === 6 ? 1 : major === 5 ? 2 * length : length); i++) {
    const [item, next] = read(bytes, end);
    items.push(item);
    end = next;
  }
  if (major === 6) return [new Tag(argument, items[0] ?? null), end];
  if (major === 4) return [items, end];
  const pairs = Array.from(
    { length },
    (_, i) => [items[2 * i] ?? null, items[2 * i + 1] ?? null] as const,
  );
  return [new Map(pairs), end];
}

function bstr(value: Cbor | Buffer): Buffer {
  const bytes = buffer(value);
  const { length } = bytes;
  if (length < 24) return Buffer.concat([Buffer.from([0x40 + length]), bytes]);
  if (length < 256) return Buffer.concat([Buffer.from([0x58, length]), bytes]);
  return Buffer.concat([Buffer.from([0x59, length >> 8, length & 255]), bytes]);
}

function sha256(...parts: readonly Buffer[]): Buffer {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

function buffer(value: Cbor | undefined): Buffer {
  if (!Buffer.isBuffer(value)) throw new Error("bytes expected");
  return value;
}

function whole(value: Cbor | undefined): bigint {
  if (typeof value !== "bigint") throw new Error("a number expected");
  return value;
}

function list(value: Cbor | undefined): readonly Cbor[] {
  if (!Array.isArray(value)) throw new Error("a list expected");
  return value;
}

function map(value: Cbor | undefined): ReadonlyMap<Cbor, Cbor> {
  if (!(value instanceof Map)) throw new Error("a map expected");
  return value;
}
