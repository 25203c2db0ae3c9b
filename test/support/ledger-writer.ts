/** A process for `ledger-conformance`: submits heads of several lanes without end, until it is killed. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { SoloLedger } from "@tamga/ledger-core/ledger/solo-ledger";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { LedgerSite } from "./ledger-site.ts";

const directory = present(process.argv[2], "data directory");
const { signal } = new AbortController();
const site = new LedgerSite(directory);
const validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
const ledger = await SoloLedger.open({
  path: join(directory, "ledger.db"),
  crypto: nodeCrypto,
  clock: new SystemClock(),
  validatorKey,
  openChannel: () => site.openChannel(validatorKey.publicKey),
});

async function submit(transaction: Transaction): Promise<void> {
  const submitted = await ledger.submit(transaction, { signal });
  const part = parseSign1(transaction.statement);
  if (!submitted.ok) throw new Error(submitted.fault.code);
  if (!part.ok) throw new Error(part.fault.code);
  const identity = toHex(identityOf(nodeCrypto.sha256, part.value));
  process.stdout.write(`${submitted.value.index} ${identity}\n`);
}

async function drive(): Promise<never> {
  const gateway = site.gateway(toHex(new Uint8Array(randomBytes(8))));
  await submit(gateway.open(ledger.channel.id));
  for (;;) {
    gateway.grow();
    const last = present(ledger.lane(gateway.name), "open lane").head;
    await submit(gateway.head(ledger.revocations().head, last));
  }
}

await Promise.all(Array.from({ length: 8 }, drive));
