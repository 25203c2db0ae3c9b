/** A process for `ledger-conformance`: submits heads of several lanes without end, until it is killed. */

import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { openSoloLedger } from "@tamga/ledger-core/ledger/open-solo-ledger";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { LedgerSite } from "./ledger-site.ts";
import { writeWithoutEnd } from "./write-without-end.ts";

const directory = present(process.argv[2], "data directory");
const site = new LedgerSite(directory);
const validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
const ledger = await openSoloLedger({
  path: join(directory, "ledger.db"),
  votesPath: join(directory, "votes.db"),
  crypto: nodeCrypto,
  clock: new SystemClock(),
  validatorKey,
  openChannel: () => site.openChannel(validatorKey.publicKey),
});

await writeWithoutEnd(ledger, site);
