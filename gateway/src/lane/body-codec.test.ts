/** Bodies out of honest and hostile compression, on both ways. */

import { brotliCompressSync } from "node:zlib";
import { bodyBytesMax } from "@tamga/ledger-core/wire/limits";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { describe, expect, it } from "vitest";
import { decodeBodyBounded, decodeBodyBoundedAsync } from "./body-codec.ts";

const plain = Uint8Array.from({ length: 50_000 }, (_, i) => (i * i) % 251);
const packed = new Uint8Array(brotliCompressSync(plain));
const brotli = (over: Partial<EncodedBody> = {}): EncodedBody => ({
  encoding: "brotli",
  length: plain.length,
  bytes: packed,
  ...over,
});

const cases: readonly (readonly [string, EncodedBody, string | undefined])[] = [
  ["brotli", brotli(), undefined],
  ["no compression", { encoding: "identity", length: plain.length, bytes: plain }, undefined],
  [
    "the longest body",
    brotli({
      length: bodyBytesMax,
      bytes: new Uint8Array(brotliCompressSync(new Uint8Array(bodyBytesMax))),
    }),
    undefined,
  ],
  ["more than the longest", brotli({ length: bodyBytesMax + 1 }), "BODY_TOO_LONG"],
  [
    "a bomb of 256 MiB",
    brotli({ bytes: new Uint8Array(brotliCompressSync(new Uint8Array(256 * 1_024 * 1_024))) }),
    "BODY_BOMB",
  ],
  ["one byte more than declared", brotli({ length: plain.length - 1 }), "BODY_BOMB"],
  ["one byte less than declared", brotli({ length: plain.length + 1 }), "BODY_LENGTH_WRONG"],
  ["a cut end", brotli({ bytes: packed.subarray(0, -1) }), "BODY_ENCODING_BAD"],
  ["bytes after the end", brotli({ bytes: Uint8Array.of(...packed, 0) }), "BODY_ENCODING_BAD"],
  ["no brotli", brotli({ bytes: new Uint8Array(40).fill(0xff) }), "BODY_ENCODING_BAD"],
  ["nothing", brotli({ bytes: new Uint8Array(0) }), "BODY_ENCODING_BAD"],
  ["a length of zero", brotli({ length: 0 }), "BODY_LENGTH_WRONG"],
  [
    "plain bytes beyond their length",
    { encoding: "identity", length: plain.length - 1, bytes: plain },
    "BODY_BOMB",
  ],
  [
    "plain bytes short of their length",
    { encoding: "identity", length: plain.length + 1, bytes: plain },
    "BODY_LENGTH_WRONG",
  ],
];

describe("decoding a body", () => {
  it.each(cases)("judges %s", async (_, body, code) => {
    const decoded = decodeBodyBounded(body);
    expect(decoded.ok ? undefined : decoded.fault.code).toBe(code);
    if (decoded.ok) expect(decoded.value.length).toBe(body.length);
    expect(await decodeBodyBoundedAsync(body)).toEqual(decoded);
  });

  it("gives the exact bytes", () => {
    expect(decodeBodyBounded(brotli())).toEqual({ ok: true, value: plain });
  });
});
