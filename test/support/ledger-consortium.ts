/** Several ledger nodes of one consortium in one process, each with a directory, over a fake network. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import type { ValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { encodeTransaction, parseTransaction } from "@tamga/ledger-core/wire/transaction";
import { LedgerSite } from "./ledger-site.ts";
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
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(directory: string, count: number, clock: Clock = new SystemClock()) {
    this.#directory = directory;
    this.#clock = clock;
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
    return this.members.map(({ key }) => key.publicKey);
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
      parameters: quickParameters,
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
