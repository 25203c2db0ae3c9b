/** Several ledger nodes of one consortium in one process, each with a directory, over a fake network. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { approvalBytes } from "@tamga/ledger-core/consensus/approval";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { encodeGovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { encodeTransaction, parseTransaction } from "@tamga/ledger-core/wire/transaction";
import { LedgerSite, signStatement, site } from "./ledger-site.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { name } from "./wire-samples.ts";

/** Quick, since nothing is lost and nothing is far. */
export const quickParameters = { ...lanParameters, deltaMs: 200, emptyHoldMs: 5, keepAliveMs: 500 };

type Member = {
  readonly directory: string;
  readonly key: ValidatorKey;
  readonly name: ReturnType<typeof name>;
  node?: LedgerNode;
  ledger?: ReplicatedLedger;
};

export class LedgerConsortium {
  readonly network = new MemoryNetwork();
  readonly site: LedgerSite;
  readonly members: readonly Member[];
  /** How many of the members are the first validators; all unless set. */
  founders: number;
  /** Of those that are opened from now on; as the node has it unless set. */
  snapshotEvery: number | undefined;
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(directory: string, count: number, clock: Clock = new SystemClock()) {
    this.#directory = directory;
    this.#clock = clock;
    this.founders = count;
    this.site = new LedgerSite(directory);
    this.members = Array.from({ length: count }, (_, i) => {
      const own = join(directory, `node-${i}`);
      mkdirSync(own, { recursive: true });
      const key = loadOrCreateValidatorKey(join(own, "validator.key"));
      // As `LedgerSite` names validators.
      return { directory: own, key, name: name(`dairy.validator-${i + 1}`) };
    });
  }

  get keys(): readonly Uint8Array[] {
    return this.members.slice(0, this.founders).map(({ key }) => key.publicKey);
  }

  /** The same for every member, also of another process. */
  async opening(): Promise<Transaction> {
    const file = join(this.#directory, "opening");
    if (!existsSync(file))
      writeFileSync(file, encodeTransaction(await this.site.openChannel(...this.keys)));
    const parsed = parseTransaction(new Uint8Array(readFileSync(file)));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    return parsed.value;
  }

  /** A change of validators to those of these members, ready all of them. */
  change(indices: readonly number[], epoch: number): Transaction {
    const { id } = this.ledgerOf(0).channel;
    const members = indices.map((index) => present(this.members[index], "member"));
    const validators = members.map(({ name: of, key }) => ({
      name: of,
      organisation: site.organisation,
      publicKey: key.publicKey,
    }));
    const message = approvalBytes(nodeCrypto, id, { epoch, validators });
    const claims = encodeGovernanceClaims({
      kind: "validators",
      epoch,
      validators,
      organisations: [{ name: site.organisation, ca: nodeCrypto.sha256(this.site.ca) }],
      readiness: members.map(({ key }, index) => ({ index, signature: key.sign(message) })),
      at: unixMillis(1_750_000_000_000),
    });
    const signer = { issuer: site.organisation, key: this.site.caKey };
    const statement = signStatement(signer, "validators", claims);
    return { statement, consistency: [], certificates: [] };
  }

  ledgerOf(index: number): ReplicatedLedger {
    return present(this.members[index]?.ledger, "an open member");
  }

  /** Opens one member with what it has. */
  async open(index: number): Promise<ReplicatedLedger> {
    const member = present(this.members[index], "member");
    const node = LedgerNode.open({
      votesPath: join(member.directory, "votes.db"),
      crypto: nodeCrypto,
      clock: this.#clock,
      network: this.network.port(member.name),
    });
    member.node = node;
    this.network.attach(member.name, (peer, channel, payload) =>
      node.receive(peer, channel, payload),
    );
    member.ledger = await node.openLedger({
      path: join(member.directory, "ledger.db"),
      validatorKey: member.key,
      self: member.name,
      parameters: quickParameters,
      ...(this.snapshotEvery === undefined ? {} : { snapshotEvery: this.snapshotEvery }),
      openChannel: () => this.opening(),
    });
    return member.ledger;
  }

  async close(index: number): Promise<void> {
    const member = present(this.members[index], "member");
    this.network.attach(member.name, undefined);
    await member.node?.close();
    delete member.node;
    delete member.ledger;
  }

  async closeAll(): Promise<void> {
    for (const index of this.members.keys()) await this.close(index);
  }

  /** Opens all, and gives the first once all that it holds is sealed; closing it closes all. */
  async openAll(): Promise<Ledger> {
    for (const index of this.members.keys()) await this.open(index);
    const ledger = this.ledgerOf(0);
    await allSealed(ledger);
    return closingAll(ledger, () => this.closeAll());
  }
}

/** Resolves once the ledger's log is sealed to its end. */
export async function allSealed(ledger: Ledger): Promise<void> {
  const { signal } = new AbortController();
  const seals = ledger.seals({ signal })[Symbol.asyncIterator]();
  while (ledger.status().sealedSize < ledger.status().size) await seals.next();
}

function closingAll(ledger: Ledger, close: () => Promise<void>): Ledger {
  return new Proxy(ledger, {
    get(target, key) {
      if (key === "close") return close;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
