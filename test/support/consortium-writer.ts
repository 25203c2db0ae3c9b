/** The four nodes of a consortium in a process that submits without end, and is killed. */

import { present } from "@tamga/ledger-core/base/assert";
import { LedgerConsortium } from "./ledger-consortium.ts";
import { writeWithoutEnd } from "./write-without-end.ts";

const directory = present(process.argv[2], "data directory");
const consortium = new LedgerConsortium(directory, Number(process.argv[3]));
await writeWithoutEnd(await consortium.openAll(), consortium.site);
