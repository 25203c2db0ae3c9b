/**
 * Writes `wire-v1.json` once, from the samples. The file is the contract, not this script: a change of
 * format is a new version with a new file, and `wire-v1.json` goes on being verified.
 */

import { writeFileSync } from "node:fs";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import { saltOf, saltedLeaves } from "@tamga/ledger-core/wire/salted-leaf";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { tamperedStatements } from "../support/tampered-statements.ts";
import {
  bundleRoot,
  deviceKey,
  gatewayKey,
  logSignatureSamples,
  organisationKey,
  readings,
  seed,
  statementSamples,
  validatorKey,
} from "../support/wire-samples.ts";

const sha256 = (bytes: Uint8Array) => nobleCrypto.sha256(bytes);
const keys = { device: deviceKey, gateway: gatewayKey, organisation: organisationKey, validator: validatorKey };

const vectors = {
  format: "tamga wire format, version 1 (ledger-core/WIRE.md)",
  keys: Object.entries(keys).map(([name, key]) => ({
    name,
    algorithm: key.algorithm,
    point: "point" in key ? toHex(key.point) : "",
    thumbprint: toHex(thumbprint(sha256, key)),
  })),
  readings: readings.map(toHex),
  bundle: {
    seed: toHex(seed),
    salts: readings.map((_, index) => toHex(saltOf(sha256, seed, index))),
    leaves: saltedLeaves(sha256, seed, readings).map(toHex),
    root: toHex(bundleRoot),
    body: toHex(encodeBody({ seed, readings })),
  },
  statements: [...statementSamples()].map(([name, bytes]) => {
    const part = parseSign1(bytes);
    if (!part.ok) throw new Error(`${name}: ${part.fault.code}`);
    return { name, hex: toHex(bytes), identity: toHex(identityOf(sha256, part.value)) };
  }),
  logSignatures: Object.entries(logSignatureSamples()).map(([name, signed]) => ({
    name,
    origin: signed.origin,
    size: signed.size.toString(),
    root: toHex(signed.root),
    protected: toHex(signed.protectedBytes),
    signature: toHex(signed.signature),
  })),
  tampered: tamperedStatements().map(({ name, bytes, code }) => ({ name, hex: toHex(bytes), code })),
};

writeFileSync(new URL("./wire-v1.json", import.meta.url), `${JSON.stringify(vectors, null, 1)}\n`);
