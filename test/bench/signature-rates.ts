/** How many signatures a second each kind of key gives, one after the other, through the agent's own signer. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner } from "@tamga/agent/signer/open-signer";
import { assert } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { requirePart } from "../real-parts.ts";
import { createSoftHsm } from "../support/softhsm.ts";
import { Swtpm } from "../support/swtpm.ts";
import { createTpm2Pkcs11, requireTpm2Pkcs11 } from "../support/tpm2-pkcs11.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { sized } from "./bench.ts";
import type { Row } from "./row.ts";
import { rowOf } from "./row.ts";

const { signal } = new AbortController();

type Place = {
  readonly name: string;
  readonly algorithms: readonly Algorithm[];
  /** @returns a key URI for a key that is not there yet. */
  readonly uriOf: (algorithm: Algorithm) => string;
  readonly remove: () => Promise<void>;
};

/** Places whose parts are not installed are left out, aloud. */
const places: readonly (() => Promise<Place | undefined>)[] = [
  inFile,
  inSoftHsm,
  inTpm2Pkcs11,
  inTpm,
];

export const signatureRates: Bench = {
  name: "signature-rates",
  async run(context) {
    const rows: Row[] = [];
    for (const open of places) {
      const place = await open();
      if (place === undefined) continue;
      try {
        for (const algorithm of place.algorithms)
          rows.push(await measure(place, algorithm, context));
      } finally {
        await place.remove();
      }
    }
    return rows;
  },
};

async function measure(place: Place, algorithm: Algorithm, context: BenchContext): Promise<Row> {
  const uri = place.uriOf(algorithm);
  const signer = await openSigner({ uri, profile: "development", create: true, algorithm });
  const msMin = sized(context, 1_000, 200);
  const values: number[] = [];
  for (let run = 0; run < context.runs; run++) {
    const begun = performance.now();
    let count = 0;
    let last: Uint8Array = new Uint8Array();
    let message: Uint8Array = new Uint8Array();
    while (performance.now() - begun < msMin) {
      message = utf8(`reading ${count++}`);
      last = await signer.sign(message, { signal });
    }
    values.push((count / (performance.now() - begun)) * 1_000);
    assert(nodeCrypto.verify(signer.publicKey(), message, last), "the signature verifies");
  }
  await signer.close();
  return rowOf({
    name: `${place.name}, ${algorithm}`,
    unit: "signatures/s",
    values,
    conditions: `one at a time for ${msMin} ms, the last of each run verified`,
  });
}

async function inFile(): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), "tamga-bench-keys-"));
  return {
    name: "key in a file",
    algorithms: ["ES256", "EdDSA", "SM2-SM3"],
    uriOf: (algorithm) => `file:${join(directory, algorithm)}`,
    remove: async () => rmSync(directory, { recursive: true }),
  };
}

async function inSoftHsm(): Promise<Place | undefined> {
  if (!requirePart("softhsm2")) return undefined;
  const hsm = createSoftHsm();
  hsm.addToken("site");
  return {
    name: "SoftHSM2",
    algorithms: ["ES256", "EdDSA", "PS256"],
    uriOf: (algorithm) => hsm.keyUri("site", algorithm),
    remove: async () => hsm.remove(),
  };
}

async function inTpm2Pkcs11(): Promise<Place | undefined> {
  if (!requireTpm2Pkcs11()) return undefined;
  const token = await createTpm2Pkcs11();
  return {
    name: "tpm2-pkcs11 on swtpm",
    algorithms: ["ES256"],
    uriOf: (algorithm) => token.keyUri(algorithm),
    remove: () => token.remove(),
  };
}

async function inTpm(): Promise<Place | undefined> {
  if (!requirePart("swtpm") || !requirePart("swtpm-tools")) return undefined;
  const swtpm = await Swtpm.make();
  const handles = { ES256: "0x81020001", PS256: "0x81020002" } as const;
  return {
    name: "tpm: on swtpm",
    algorithms: ["ES256", "PS256"],
    uriOf: (algorithm) =>
      `tpm:${algorithm === "PS256" ? handles.PS256 : handles.ES256}${swtpm.keyUriQuery}`,
    remove: () => swtpm.remove(),
  };
}
