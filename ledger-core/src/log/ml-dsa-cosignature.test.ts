import { describe, expect, test } from "vitest";
import { createMlDsaKey, mlDsaLine } from "../../../test/support/ml-dsa.ts";
import { present } from "../base/assert.ts";
import { concat, toHex, utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { mlDsaCosignature, mlDsaMessage, verifyMlDsaCosignature } from "./ml-dsa-cosignature.ts";
import type { NoteSignature } from "./note.ts";

const { sha256 } = nodeCrypto;
const port = { sha256, verifyMlDsa44: present(nodeCrypto.verifyMlDsa44, "ML-DSA-44 in this Node") };
const key = createMlDsaKey();
const cosigner = { name: "validator-1", publicKey: key.publicKey };
const tree = { origin: "consortium/milk", size: 258n, root: sha256(utf8("root")) };
const line = mlDsaLine("validator-1", key, { ...tree, timeSeconds: 7 });

function judge(signatures: readonly NoteSignature[], of = tree, by = cosigner): string {
  const note = { text: "not read here\n", signatures };
  const verified = verifyMlDsaCosignature(port, by, { note, tree: of });
  return verified.ok ? `at ${verified.value.timeSeconds}` : verified.fault.code;
}

test("the signed message is that of C2SP tlog-cosignature, byte by byte", () => {
  const message = mlDsaMessage(tree, { name: "validator-1", timeSeconds: 7 });
  expect(toHex(message)).toBe(
    [
      "737562747265652f76310a00",
      `0b${toHex(utf8("validator-1"))}`,
      "0000000000000007",
      `0f${toHex(utf8("consortium/milk"))}`,
      "0000000000000000",
      "0000000000000102",
      toHex(tree.root),
    ].join(""),
  );
});

describe("a line", () => {
  test("verifies for its tree, cosigner and key, and not for others", () => {
    expect(line.signature).toHaveLength(8 + 2_420);
    expect(judge([line])).toBe("at 7");
    expect(judge([line], { ...tree, size: 259n })).toBe("COSIGNATURE_INVALID");
    expect(judge([line], { ...tree, origin: "consortium/wool" })).toBe("COSIGNATURE_INVALID");
    expect(judge([line], { ...tree, root: sha256(utf8("other")) })).toBe("COSIGNATURE_INVALID");
    // Unlike the Ed25519 type it is over the name, so that one key cannot serve two.
    const renamed = mlDsaCosignature(
      nodeCrypto,
      { ...cosigner, name: "validator-2" },
      {
        timeSeconds: 7,
        signature: line.signature.slice(8),
      },
    );
    expect(judge([renamed], tree, { ...cosigner, name: "validator-2" })).toBe(
      "COSIGNATURE_INVALID",
    );
    const stranger = { ...cosigner, publicKey: createMlDsaKey().publicKey };
    expect(judge([line], tree, stranger)).toBe("COSIGNATURE_MISSING");
  });

  test("is one, whole, in time and unchanged", () => {
    const signature = (change: (bytes: Uint8Array) => Uint8Array) => [
      { ...line, signature: change(line.signature) },
    ];
    expect(judge([])).toBe("COSIGNATURE_MISSING");
    expect(judge([line, line])).toBe("COSIGNATURE_REPEATED");
    expect(judge(signature((bytes) => bytes.slice(1)))).toBe("COSIGNATURE_BAD_LENGTH");
    expect(judge(signature((bytes) => concat(bytes, Uint8Array.of(0))))).toBe(
      "COSIGNATURE_BAD_LENGTH",
    );
    expect(judge(signature((bytes) => bytes.with(0, 1)))).toBe("COSIGNATURE_TIME_OUT_OF_RANGE");
    for (const at of [7, 8, 40, 1_000, 2_427])
      expect(judge(signature((bytes) => bytes.with(at, (bytes[at] ?? 0) ^ 1))), String(at)).toBe(
        "COSIGNATURE_INVALID",
      );
  });
});

test("the port takes keys and signatures of the right length alone", () => {
  const message = utf8("message");
  const signature = key.sign(message);
  expect(port.verifyMlDsa44(key.publicKey, message, signature)).toBe(true);
  expect(port.verifyMlDsa44(key.publicKey, utf8("other"), signature)).toBe(false);
  expect(port.verifyMlDsa44(key.publicKey.slice(1), message, signature)).toBe(false);
  expect(port.verifyMlDsa44(key.publicKey, message, signature.slice(1))).toBe(false);
  expect(
    port.verifyMlDsa44(key.publicKey.with(0, (key.publicKey[0] ?? 0) ^ 1), message, signature),
  ).toBe(false);
});
