/** Tests of checkpoint texts: the specification's example, what is refused, and every bound. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import vectors from "../../../test/vectors/c2sp-note.json" with { type: "json" };
import { InvariantError } from "../base/assert.ts";
import { toBase64 } from "../base/bytes.ts";
import { encodeCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { checkpointExtensionsMax, keyNameLengthMax, noteBytesMax } from "./limits.ts";
import { naiveLeaf } from "./naive-tree.ts";
import { parseTreeSize } from "./tree-size.ts";

const root = naiveLeaf(Uint8Array.of(1));
const rootText = toBase64(root);

describe("checkpoint", () => {
  it("reads the specification's example and writes it again", () => {
    const { text } = vectors.checkpoint;
    const parsed = parseCheckpoint(text);
    expect(parsed).toMatchObject({
      ok: true,
      value: { origin: "example.com/behind-the-sofa", treeSize: 20_852_163n, extensions: [] },
    });
    expect(parsed.ok && encodeCheckpoint(parsed.value)).toBe(text);
  });

  it("comes back as it went, to 2^64−1 leaves", () => {
    const size = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const extensions = fc.array(fc.constantFrom("a", "b c", "\u2014 x"), { maxLength: 5 });
    fc.assert(
      fc.property(size, extensions, (value, lines) => {
        const treeSize = parseTreeSize(value);
        if (!treeSize.ok) throw new Error(treeSize.fault.code);
        const checkpoint = { origin: "a/b", treeSize: treeSize.value, root, extensions: lines };
        expect(parseCheckpoint(encodeCheckpoint(checkpoint))).toEqual({
          ok: true,
          value: checkpoint,
        });
      }),
    );
  });

  it("reads origins with spaces, which other logs have", () => {
    expect(parseCheckpoint(`go.sum database tree\n3\n${rootText}\n`).ok).toBe(true);
  });

  it.each([
    ["", "CHECKPOINT_MALFORMED"],
    ["a\n1\n", "CHECKPOINT_MALFORMED"],
    [`a\n1\n${rootText}`, "CHECKPOINT_MALFORMED"],
    [`\n1\n${rootText}\n`, "CHECKPOINT_MALFORMED"],
    [`a\n1\n${rootText}\n\n`, "CHECKPOINT_MALFORMED"],
    [`a\n1\n${rootText}\nx\n\ny\n`, "CHECKPOINT_MALFORMED"],
    [`a\r\n1\r\n${rootText}\r\n`, "CHECKPOINT_MALFORMED"],
    [`a\n01\n${rootText}\n`, "CHECKPOINT_BAD_SIZE"],
    [`a\n-1\n${rootText}\n`, "CHECKPOINT_BAD_SIZE"],
    [`a\n1 \n${rootText}\n`, "CHECKPOINT_BAD_SIZE"],
    [`a\n18446744073709551616\n${rootText}\n`, "CHECKPOINT_BAD_SIZE"],
    [`a\n1\n${rootText.slice(0, -1)}\n`, "CHECKPOINT_BAD_ROOT"],
    [`a\n1\n${toBase64(new Uint8Array(31))}\n`, "CHECKPOINT_BAD_ROOT"],
    [`a\n1\n${toBase64(new Uint8Array(33))}\n`, "CHECKPOINT_BAD_ROOT"],
    // The last digit's two spare bits must be zero.
    [`a\n1\n${"A".repeat(42)}B=\n`, "CHECKPOINT_BAD_ROOT"],
  ])("refuses %j", (text, code) => {
    expect(parseCheckpoint(text)).toEqual({ ok: false, fault: { code } });
  });

  it("takes as much as its limits, and no more", () => {
    const fill = (length: number) => "a".repeat(length);
    const withOrigin = (length: number) => parseCheckpoint(`${fill(length)}\n1\n${rootText}\n`);
    expect(withOrigin(keyNameLengthMax).ok).toBe(true);
    expect(withOrigin(keyNameLengthMax + 1)).toMatchObject({
      fault: { code: "CHECKPOINT_BAD_ORIGIN" },
    });
    const withLines = (count: number) =>
      parseCheckpoint(`a\n1\n${rootText}\n${"x\n".repeat(count)}`);
    expect(withLines(checkpointExtensionsMax).ok).toBe(true);
    expect(withLines(checkpointExtensionsMax + 1)).toMatchObject({
      fault: { code: "CHECKPOINT_TOO_MANY_EXTENSIONS" },
    });
    expect(parseCheckpoint(fill(noteBytesMax + 1))).toMatchObject({
      fault: { code: "CHECKPOINT_TOO_LONG" },
    });
  });

  it("is never written in a form that would be refused", () => {
    const treeSize = parseTreeSize(1);
    if (!treeSize.ok) throw new Error(treeSize.fault.code);
    const good = { origin: "a", treeSize: treeSize.value, root, extensions: [] };
    for (const bad of [
      { ...good, origin: "" },
      { ...good, origin: "a\nb" },
      { ...good, extensions: [""] },
    ])
      expect(() => encodeCheckpoint(bad)).toThrow(InvariantError);
  });
});
