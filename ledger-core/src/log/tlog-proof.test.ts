/** Tests of exported proofs in both directions, at their limits, and verified to the end. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/c2sp-note.json" with { type: "json" };
import { InvariantError, present } from "../base/assert.ts";
import { fromUtf8, toBase64, utf8 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { encodeCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { verifyInclusion } from "./inclusion-proof.ts";
import { treeHasher } from "./leaf-hash.ts";
import {
  inclusionPathLengthMax,
  noteBytesMax,
  proofExtraBytesMax,
  proofTextBytesMax,
} from "./limits.ts";
import { naivePath, naiveRoot, numberedLeaves } from "./naive-tree.ts";
import { encodeNote, parseNote } from "./note.ts";
import type { TlogProof } from "./tlog-proof.ts";
import { encodeTlogProof, parseTlogProof } from "./tlog-proof.ts";
import { parseLeafIndex, parseTreeSize } from "./tree-size.ts";

const leaves = numberedLeaves(70);
const { text, logLine, witnessLine } = vectors.checkpoint;

function value<T>(result: { ok: true; value: T } | { ok: false; fault: { code: string } }): T {
  if (!result.ok) throw new Error(result.fault.code);
  return result.value;
}

const note = value(parseNote(utf8(`${text}\n${logLine}${witnessLine}`)));
const plain: TlogProof = {
  index: value(parseLeafIndex(73_894)),
  path: naivePath(leaves, 13),
  note,
};

describe("tlog-proof", () => {
  it("has the specification's lines", () => {
    const extra = utf8("age-v1.2.1");
    expect(fromUtf8(encodeTlogProof({ ...plain, extra }))).toBe(
      `c2sp.org/tlog-proof@v1\nextra ${toBase64(extra)}\nindex 73894\n` +
        `${plain.path.map((hash) => `${toBase64(hash)}\n`).join("")}\n` +
        `${text}\n${logLine}${witnessLine}`,
    );
    const bare = fromUtf8(encodeTlogProof({ ...plain, path: [] }));
    expect(bare).toBe(`c2sp.org/tlog-proof@v1\nindex 73894\n\n${fromUtf8(encodeNote(note))}`);
  });

  it("comes back as it went", () => {
    const extra = fc.option(fc.uint8Array({ maxLength: 100 }), { nil: undefined });
    const index = fc.bigInt({ min: 0n, max: 2n ** 64n - 2n });
    fc.assert(
      fc.property(extra, index, fc.nat(64), (bytes, at, length) => {
        const core = { index: value(parseLeafIndex(at)), path: leaves.slice(0, length), note };
        const proof = bytes === undefined ? core : { extra: bytes, ...core };
        expect(parseTlogProof(encodeTlogProof(proof))).toEqual({ ok: true, value: proof });
      }),
    );
  });

  it("carries what a verifier needs", () => {
    const hasher = treeHasher(nobleCrypto.sha256);
    const root = naiveRoot(leaves);
    const treeSize = value(parseTreeSize(leaves.length));
    const checkpoint = encodeCheckpoint({ origin: "a", treeSize, root, extensions: [] });
    const index = value(parseLeafIndex(13));
    const bytes = encodeTlogProof({ ...plain, index, note: { ...note, text: checkpoint } });
    const proof = value(parseTlogProof(bytes));
    const head = value(parseCheckpoint(proof.note.text));
    const claim = {
      leafIndex: proof.index,
      treeSize: head.treeSize,
      leafHash: present(leaves[13], "leaf"),
      path: proof.path,
      root: head.root,
    };
    expect(verifyInclusion(hasher, claim).ok).toBe(true);
  });

  it("throws nothing on any bytes", () => {
    const good = encodeTlogProof(plain);
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), (at, byte) => {
        const changed = good.slice();
        changed[at % good.length] = byte;
        expect(typeof parseTlogProof(changed).ok).toBe("boolean");
        expect(typeof parseTlogProof(good.subarray(0, at % good.length)).ok).toBe("boolean");
      }),
    );
  });

  const tail = `\n${text}\n${logLine}`;
  const head = "c2sp.org/tlog-proof@v1\n";
  it.each([
    ["", "TLOG_PROOF_UNKNOWN_VERSION"],
    [`c2sp.org/tlog-proof@v2\nindex 0\n${tail}`, "TLOG_PROOF_UNKNOWN_VERSION"],
    [`${head}index 0\n`, "TLOG_PROOF_MALFORMED"],
    [`${head}${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}index 01\n${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}index 18446744073709551615\n${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}index  1\n${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}index 1\nextra AAAA\n${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}extra !\nindex 1\n${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}extra AAAA\nextra AAAA\nindex 1\n${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}index 1\nAAAA\n${tail}`, "TLOG_PROOF_MALFORMED"],
    [`${head}index 1\n\n${text}`, "NOTE_UNSIGNED"],
    [`${head}index 1\n${tail}x\n`, "NOTE_SIGNATURE_MALFORMED"],
  ])("refuses %j", (bytes, code) => {
    expect(parseTlogProof(utf8(bytes))).toMatchObject({ ok: false, fault: { code } });
  });

  it("refuses what is not UTF-8", () => {
    const bytes = encodeTlogProof(plain);
    bytes[bytes.length - 2] = 0xff;
    expect(parseTlogProof(bytes)).toMatchObject({ fault: { code: "TLOG_PROOF_MALFORMED" } });
  });

  it("takes as much as its limits, and no more", () => {
    const [hash] = leaves;
    const hashLine = `${toBase64(present(hash, "hash"))}\n`;
    const withPath = (count: number) =>
      parseTlogProof(utf8(`${head}index 1\n${hashLine.repeat(count)}${tail}`));
    expect(withPath(inclusionPathLengthMax).ok).toBe(true);
    expect(withPath(inclusionPathLengthMax + 1)).toEqual({
      ok: false,
      fault: { code: "TLOG_PROOF_PATH_TOO_LONG", limit: inclusionPathLengthMax },
    });
    const withExtra = (length: number) =>
      utf8(`${head}extra ${toBase64(new Uint8Array(length))}\nindex 1\n${tail}`);
    expect(parseTlogProof(withExtra(proofExtraBytesMax)).ok).toBe(true);
    expect(parseTlogProof(withExtra(proofExtraBytesMax + 1))).toEqual({
      ok: false,
      fault: { code: "TLOG_PROOF_EXTRA_TOO_LONG", limit: proofExtraBytesMax },
    });
    expect(parseTlogProof(new Uint8Array(proofTextBytesMax + 1))).toEqual({
      ok: false,
      fault: { code: "TLOG_PROOF_TOO_LONG", limit: proofTextBytesMax },
    });
    const path = Array.from({ length: inclusionPathLengthMax + 1 }, () => present(hash, "hash"));
    expect(() => encodeTlogProof({ ...plain, path })).toThrow(InvariantError);
  });

  it("has room for the largest of each part at once", () => {
    const rest = encodeNote({ ...note, text: "\n" }).length;
    const largest = { ...note, text: `${"a".repeat(noteBytesMax - rest)}\n` };
    const bytes = encodeTlogProof({
      extra: new Uint8Array(proofExtraBytesMax),
      index: value(parseLeafIndex(2n ** 64n - 2n)),
      path: leaves.slice(0, inclusionPathLengthMax),
      note: largest,
    });
    expect(bytes.length).toBeLessThanOrEqual(proofTextBytesMax);
    expect(parseTlogProof(bytes).ok).toBe(true);
  });
});
