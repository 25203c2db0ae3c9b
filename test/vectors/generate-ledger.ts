/**
 * Writes `wire-v1-ledger.json` once, from the samples. The file is the contract, not this script: a change
 * of format is a new version with a new file, and this one goes on being verified.
 */

import { existsSync, writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import {
  governanceStatements,
  readinessMessage,
  tamperedGovernance,
  transactionSamples,
} from "../support/governance-samples.ts";

const vectors = {
  format: "tamga wire format, version 1: governing a channel (ledger-core/WIRE.md §8, §13)",
  readiness: toHex(readinessMessage),
  statements: [...governanceStatements()].map(([name, bytes]) => {
    const part = parseSign1(bytes);
    if (!part.ok) throw new Error(`${name}: ${part.fault.code}`);
    const identity = identityOf((of) => nobleCrypto.sha256(of), part.value);
    return { name, hex: toHex(bytes), identity: toHex(identity) };
  }),
  transactions: [...transactionSamples()].map(([name, bytes]) => ({ name, hex: toHex(bytes) })),
  tampered: tamperedGovernance().map(({ name, bytes, code }) => ({ name, hex: toHex(bytes), code })),
};

const file = new URL("./wire-v1-ledger.json", import.meta.url);
if (existsSync(file)) throw new Error("the vectors are written once");
writeFileSync(file, `${JSON.stringify(vectors, null, 1)}\n`);
