/** How many signatures of each kind of key one thread checks a second, as a gateway does and as a browser does. */

import { assert } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Algorithm, CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { createKey } from "../support/certificate-builder.ts";
import type { Bench, BenchContext } from "./bench.ts";
import { sized } from "./bench.ts";
import type { Row } from "./row.ts";
import { rowOf } from "./row.ts";

const ports: readonly (readonly [string, CryptoPort, readonly Algorithm[]])[] = [
  ["natively", nodeCrypto, ["ES256", "EdDSA", "PS256", "SM2-SM3"]],
  ["in portable JavaScript", nobleCrypto, ["ES256", "EdDSA", "SM2-SM3"]],
];
/** Other messages in turn, so that nothing is remembered of one. */
const messagesPerKey = 16;

export const checkRates: Bench = {
  name: "check-rates",
  async run(context) {
    return ports.flatMap(([where, crypto, algorithms]) =>
      algorithms.map((algorithm) => measure(where, crypto, { algorithm, context })),
    );
  },
};

function measure(
  where: string,
  crypto: CryptoPort,
  { algorithm, context }: { readonly algorithm: Algorithm; readonly context: BenchContext },
): Row {
  const key = createKey(algorithm);
  const signed = Array.from({ length: messagesPerKey }, (_, i) => {
    const message = utf8(`reading ${i}`);
    return { message, signature: key.sign(message) };
  });
  const msMin = sized(context, 1_000, 200);
  const values: number[] = [];
  for (let run = 0; run < context.runs; run++) {
    const begun = performance.now();
    let count = 0;
    while (performance.now() - begun < msMin)
      for (const { message, signature } of signed) {
        assert(crypto.verify(key.publicKey, message, signature), "the signature verifies");
        count++;
      }
    values.push((count / (performance.now() - begun)) * 1_000);
  }
  return rowOf({
    name: `check of ${algorithm}, ${where}`,
    unit: "signatures/s",
    values,
    conditions: `one thread for ${msMin} ms, a key that is imported, messages of about 10 bytes`,
  });
}
