/**
 * What executing lane heads costs beside their signature checks: blocks of 500 over 256 lanes, their
 * transactions read and verified before, as gossip does. Run it by hand: `node test/bench/ledger-execution.ts`.
 */

import { present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { ChannelState } from "@tamga/ledger-core/ledger/channel-state";
import { LedgerApplication } from "@tamga/ledger-core/ledger/ledger-application";
import { firstState } from "@tamga/ledger-core/ledger/ledger-state";
import { verificationsKeptMax } from "@tamga/ledger-core/ledger/limits";
import { rememberVerifications } from "@tamga/ledger-core/ledger/verification-memory";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import { createKey } from "../support/certificate-builder.ts";
import { LedgerSite } from "../support/ledger-site.ts";
import { bareHashRate, cpuSecondsOf } from "./bare-rates.ts";

const lanes = 256;
const perBlock = 512;
const rounds = 200;

const crypto = rememberVerifications(nodeCrypto, verificationsKeptMax);
const owner = new LedgerSite();
const opening = await owner.openChannel(createKey("EdDSA").spki.subarray(-32));
const genesis = judgeGenesis(nodeCrypto, opening);
if (!genesis.ok) throw new Error(genesis.fault.code);
const { id } = genesis.value.identity;
const application = new LedgerApplication({
  crypto,
  history: { size: 1, isOrdered: () => false },
});
let state = firstState(ChannelState.of({ crypto, genesis: genesis.value }), opening.statement);
const moment = { height: 1, time: unixMillis(1_750_000_000_000), parentDigest: id };

const run = (transactions: readonly Uint8Array[]) => {
  const executed = application.execute(state, { ...moment, transactions });
  if (!executed.ok) throw new Error(JSON.stringify(executed.fault));
  return executed.value;
};
const gateways = Array.from({ length: lanes }, (_, i) => owner.gateway(`gateway-${i}`));
state = run(gateways.map((gateway) => encodeTransaction(gateway.open(id)))).state;

const heads = new Map(
  gateways.map((gateway) => [gateway, present(state.channel.lane(gateway.name), "lane").head]),
);
const transactions = Array.from({ length: perBlock }, (_, i) => {
  const gateway = present(gateways[i % lanes], "gateway");
  const from = present(heads.get(gateway), "head");
  for (let grown = 0; grown < 20; grown++) gateway.grow();
  heads.set(gateway, gateway.lane.head());
  return encodeTransaction(gateway.head(state.channel.revocations.head, from));
});
// As gossip does: reads and verifies ahead of the block.
const { roots } = run(transactions);
const costs = Array.from({ length: rounds }, () => {
  const seconds = cpuSecondsOf(() => {
    if (!equal(run(transactions).roots.stateRoot, roots.stateRoot)) throw new Error("other root");
  });
  return (seconds * 1e6) / perBlock;
}).sort((a, b) => a - b);
const median = present(costs[rounds >> 1], "median").toFixed(1);
const hash = (1e6 / bareHashRate(200_000)).toFixed(2);
process.stdout.write(
  `lane-head without its signature check: median ${median} us, best ${costs[0]?.toFixed(1)} us of CPU ` +
    `(blocks of ${perBlock} over ${lanes} lanes, ${rounds} times); one hash ${hash} us\n`,
);
