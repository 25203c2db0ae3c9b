/**
 * `npm run bench:signatures [-- COUNT]`: so many signatures in a row (100,000) through tpm2-pkcs11 on an
 * emulated TPM, each verified; ends with 1 where one is missing or the key had to be opened again.
 */

import { utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { ExitCode } from "@tamga/ledger-core/daemon/exit-code";
import { exitCodes, runMain } from "@tamga/ledger-core/daemon/exit-code";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openSigner } from "../../agent/src/signer/open-signer.ts";
import { createEventLog } from "../support/event-log.ts";
import { createTpm2Pkcs11, requireTpm2Pkcs11 } from "../support/tpm2-pkcs11.ts";

const progressEvery = 10_000;

await runMain(async () => {
  const count = Number(process.argv[2] ?? 100_000);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new OperationalError("USAGE_COUNT", "COUNT is a whole number.");
  if (!requireTpm2Pkcs11()) return exitCodes.unavailable;
  const token = await createTpm2Pkcs11();
  try {
    return await signInARow(token.keyUri("device"), count);
  } finally {
    await token.remove();
  }
});

async function signInARow(uri: string, count: number): Promise<ExitCode> {
  const logger = createEventLog();
  const signer = await openSigner({ uri, profile: "production", create: true, logger });
  const { signal } = new AbortController();
  const begun = performance.now();
  let verified = 0;
  for (let at = 1; at <= count; at++) {
    const message = utf8(`reading ${at}`);
    const signature = await signer.sign(message, { signal });
    if (nodeCrypto.verify(signer.publicKey(), message, signature)) verified++;
    if (at % progressEvery === 0 || at === count) say(at, performance.now() - begun);
  }
  await signer.close();
  const text = `${verified} of ${count} verified; ${logger.lines.length} warnings of the signer\n`;
  process.stdout.write(text);
  return verified === count && logger.lines.length === 0 ? exitCodes.done : exitCodes.invalid;
}

function say(signatures: number, ms: number): void {
  const rate = ((signatures / ms) * 1_000).toFixed(0);
  process.stdout.write(`${signatures} signatures in ${(ms / 1_000).toFixed(0)} s: ${rate}/s\n`);
}
