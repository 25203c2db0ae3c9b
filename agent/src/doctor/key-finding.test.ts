import { expect, it } from "vitest";
import { keyFinding } from "./key-finding.ts";

const token = "pkcs11:token=t;object=o?module-path=/usr/lib/m.so";

it.each([
  ["file:/etc/tamga/key", "warn", "can copy"],
  [`${token}&x-sm2-mechanism=0x80000101`, "warn", "no SM2 token of any maker"],
  [token, "ok", "signs and is verified"],
  ["tpm:0x81020001", "ok", "signs and is verified"],
])("says of %s: %s", (key, verdict, words) => {
  const finding = keyFinding(key);
  expect(finding.verdict).toBe(verdict);
  expect(JSON.stringify(finding)).toContain(words);
});
