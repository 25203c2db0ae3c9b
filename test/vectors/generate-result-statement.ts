/**
 * Wrote `result-statement-v1.json`, and refuses to write it again. The file is the contract, not this script: a
 * change of format is a new version with a new file, and the old one goes on being read.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import { badResultStatements, resultStatements } from "../support/result-statement-samples.ts";
import { unwrap } from "../support/unwrap.ts";
import { gatewayKey } from "../support/wire-samples.ts";

const vectors = {
  format: "tamga result statements, version 1 (ledger-core/WIRE.md §19.5)",
  gatewayKey: toHex("point" in gatewayKey ? gatewayKey.point : new Uint8Array()),
  statements: resultStatements.map(({ name, bytes }) => ({
    name,
    hex: toHex(bytes),
    identity: toHex(identityOf(nobleCrypto.sha256, unwrap(parseSign1(bytes)))),
  })),
  tampered: badResultStatements.map(({ name, code, bytes }) => ({ name, code, hex: toHex(bytes) })),
};

const file = new URL("./result-statement-v1.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`, { flag: "wx" });
