/** The gateway's signing key: what it signs verifies, and no other kind of key is taken. */

import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { expect, it } from "vitest";
import { createLaneSigner } from "./lane-signer.ts";

it("signs in COSE form under the key that its kid names", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = createLaneSigner(nodeCrypto, privateKey);
  const signature = signer.sign(utf8("message"));
  expect(signature.length).toBe(64);
  expect(nobleCrypto.verify(signer.publicKey, utf8("message"), signature)).toBe(true);
  expect(signer.kid).toEqual(thumbprint(nodeCrypto.sha256, signer.publicKey));
});

it.each([
  ["another curve", generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey],
  ["another algorithm", generateKeyPairSync("ed25519").privateKey],
  ["a public key", createPublicKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey)],
])("refuses %s", (_, key) => {
  expect(() => createLaneSigner(nodeCrypto, key)).toThrow(
    expect.objectContaining({ code: "LANE_KEY_WRONG" }),
  );
});
