/**
 * Wrote `key-rotation-v1.json`, and refuses to write it again. The file is the contract, not this script: a change of
 * format is a new version with a new file, and the old one goes on being read.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { encodeRotationMessage, rotationIdentity } from "@tamga/ledger-core/wire/key-rotation";
import { badRotationSamples, nextSecret, rotationSamples } from "../support/rotation-samples.ts";
import { deviceKey, p256Key } from "../support/wire-samples.ts";

const point = (key: typeof deviceKey) => toHex("point" in key ? key.point : new Uint8Array());
const vectors = {
  format: "tamga requests for another signing key, version 1 (ledger-core/WIRE.md §12.4)",
  oldKey: point(deviceKey),
  newKey: point(p256Key(nextSecret)),
  messages: rotationSamples.map(({ name, message }) => ({
    name,
    hex: toHex(encodeRotationMessage(message)),
    identity: toHex(rotationIdentity(nobleCrypto, message) ?? new Uint8Array()),
  })),
  tampered: badRotationSamples.map(({ name, code, message }) => ({
    name,
    code,
    hex: toHex(encodeRotationMessage(message)),
  })),
};

const file = new URL("./key-rotation-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
