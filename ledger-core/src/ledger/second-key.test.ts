import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { loadOrCreateSecondKey, loadSecondKey } from "./second-key.ts";
import { loadOrCreateValidatorKey } from "./validator-key.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-second-key-"));
afterAll(() => rmSync(directory, { recursive: true }));
const code = (expected: string) => expect.objectContaining({ code: expected });

test("a second key is made once, for its owner alone, and its signatures verify", () => {
  const path = join(directory, "made.key");
  const made = loadOrCreateSecondKey(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const again = loadOrCreateSecondKey(path);
  expect(again.publicKey).toEqual(made.publicKey);
  const message = Uint8Array.of(1, 2, 3);
  const signature = again.sign(message);
  expect([made.publicKey.length, signature.length]).toEqual([1_312, 2_420]);
  expect(nodeCrypto.verifyMlDsa44?.(made.publicKey, message, signature)).toBe(true);
  expect(nodeCrypto.verifyMlDsa44?.(made.publicKey, Uint8Array.of(1), signature)).toBe(false);
});

test("one that others may read, that is another kind of key, or that is gone is refused", () => {
  const path = join(directory, "bad.key");
  expect(() => loadSecondKey(path)).toThrow(code("SECRET_MISSING"));
  loadOrCreateValidatorKey(path);
  expect(() => loadSecondKey(path)).toThrow(code("SECRET_INVALID"));
  writeFileSync(path, "x".repeat(9_000), { mode: 0o600 });
  expect(() => loadSecondKey(path)).toThrow(code("SECRET_INVALID"));
  chmodSync(path, 0o640);
  expect(() => loadSecondKey(path)).toThrow(code("SECRET_EXPOSED"));
});
