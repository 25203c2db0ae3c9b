/** Submits heads of several lanes without end, and prints `index identity` of each that was acknowledged. */

import { randomBytes } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import type { LedgerSite } from "./ledger-site.ts";

const { signal } = new AbortController();

/** Until the process is killed. */
export async function writeWithoutEnd(ledger: Ledger, site: LedgerSite): Promise<void> {
  const submit = async (transaction: Transaction): Promise<void> => {
    const submitted = await ledger.submit(transaction, { signal });
    const part = parseSign1(transaction.statement);
    if (!submitted.ok) throw new Error(submitted.fault.code);
    if (!part.ok) throw new Error(part.fault.code);
    const identity = toHex(identityOf(nodeCrypto.sha256, part.value));
    process.stdout.write(`${submitted.value.index} ${identity}\n`);
  };
  const drive = async (): Promise<never> => {
    const gateway = site.gateway(toHex(new Uint8Array(randomBytes(8))));
    await submit(gateway.open(ledger.channel.id));
    for (;;) {
      gateway.grow();
      const last = present(ledger.lane(gateway.name), "open lane").head;
      await submit(gateway.head(ledger.revocations().head, last));
    }
  };
  await Promise.all(Array.from({ length: 8 }, drive));
}
