/** Every packed file of the pinned vectors is the plain receipt that it names, or is refused by its code. */

import { readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { encodeReceipt, parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { expect, test } from "vitest";
import { packedSamples } from "../support/packed-samples.ts";

type Vector = {
  readonly name: string;
  readonly plain?: string;
  readonly code?: string;
  readonly hex: string;
};
const read = (name: string): { readonly receipts: readonly Vector[] } =>
  JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));
const plain = new Map(read("./receipt-v1.json").receipts.map(({ name, hex }) => [name, hex]));
const vectors = read("./packed-receipt-v1.json").receipts;

test.each(vectors)("$name", ({ plain: name, code, hex }) => {
  const parsed = parseReceipt(present(fromHex(hex), "hex"));
  if (name === undefined) expect(parsed).toMatchObject({ ok: false, fault: { code } });
  else expect(parsed.ok && toHex(encodeReceipt(parsed.value))).toBe(plain.get(name));
});

test("our encoder still writes these bytes", () => {
  const made = packedSamples.map(({ name, bytes }) => [name, toHex(bytes)]);
  expect(made).toEqual(vectors.map(({ name, hex }) => [name, hex]));
  expect(vectors.filter((vector) => vector.plain !== undefined).length).toBeGreaterThan(4);
});
