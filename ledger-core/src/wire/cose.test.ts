import { expect, test } from "vitest";
import { encodeCbor } from "../base/cbor.ts";
import { sigStructure } from "./cose.ts";

test("a Sig_structure put together by hand is what an encoder makes, at every length of head", () => {
  const lengths = [0, 1, 23, 24, 25, 255, 256, 257, 65_535, 65_536, 70_000];
  for (const first of lengths) {
    for (const second of lengths) {
      const protectedBytes = new Uint8Array(first).fill(1);
      const payload = new Uint8Array(second).fill(2);
      const encoded = encodeCbor(["Signature1", protectedBytes, new Uint8Array(0), payload]);
      expect(Buffer.compare(sigStructure({ protectedBytes, payload }), encoded)).toBe(0);
    }
  }
});
