/** What a node makes sure of before it takes part in a channel: that it is its own, whole, and not an old copy. */

import { assert } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Identifier } from "../base/identifier.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { VoteFloor } from "../consensus/replica-io.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { judgeGenesis } from "./channel-genesis.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import type { SqliteLedgerStore } from "./sqlite-ledger-store.ts";
import type { ValidatorKey } from "./validator-key.ts";
import { compareViews } from "./vote-rules.ts";

/** A channel-open that our own process made, or was given. */
export function judgeOwn(crypto: CryptoPort, transaction: Transaction): ChannelGenesis {
  const judged = judgeGenesis(crypto, transaction);
  assert(judged.ok, `a channel opens validly${judged.ok ? "" : `: ${judged.fault.code}`}`);
  return judged.value;
}

/** Writes the channel's first block: its opening, alone. */
export function createLog(
  database: SqliteChannel,
  genesis: ChannelGenesis,
  transaction: Transaction,
): void {
  const { id: identity } = genesis.identity;
  // Every validator has the same first block, so its time is the statement's own.
  const time = genesis.claims.at;
  database.db
    .transaction(() => database.appendBlock([{ identity, transaction }], { time }))
    .immediate();
}

/** The validator with our key; a node that follows names itself. */
export function selfOf(
  genesis: ChannelGenesis,
  options: {
    readonly validatorKey: Pick<ValidatorKey, "publicKey">;
    readonly self?: Identifier;
    readonly follows?: boolean;
  },
): Identifier {
  const { validatorKey, self, follows } = options;
  const { validators } = genesis.policy;
  if (follows === true && validators.length === 1) throw alone(genesis);
  const own = validators.find(({ publicKey }) => equal(publicKey, validatorKey.publicKey));
  if (own !== undefined) return own.name;
  if (self !== undefined && validators.length > 1) return self;
  throw new OperationalError(
    "VALIDATOR_KEY_MISMATCH",
    `The validator key is none of those that the channel ${genesis.identity.origin} was opened with: ` +
      "put the right key file back, or open a new incarnation of the channel with restore.",
  );
}

function alone({ identity }: ChannelGenesis): OperationalError {
  return new OperationalError(
    "LEDGER_ALONE",
    `The channel ${identity.origin} has one validator, which takes blocks from nobody else.`,
  );
}

export function requireOneValidator({ identity, policy }: ChannelGenesis): void {
  const { length } = policy.validators;
  if (length === 1) return;
  throw new OperationalError(
    "LEDGER_NOT_SOLO",
    `The channel ${identity.origin} has ${length} validators: a single one cannot order for it.`,
  );
}

/** The channel's database commits before the floor of its votes rises: behind them it is an old copy. */
export function requireNotOlder(
  store: SqliteLedgerStore,
  genesis: ChannelGenesis,
  floor: VoteFloor,
): void {
  const tip = store.chain.tip();
  const final =
    tip === undefined ? start : { epoch: tip.header.epoch, view: tip.certificate.ballot.view };
  if (compareViews(floor, final) <= 0) return;
  throw new OperationalError(
    "LEDGER_ROLLED_BACK",
    `The ledger database of the channel ${genesis.identity.origin} is an old copy: its votes go further. ` +
      "Nobody else knows what it had sealed since: open a new incarnation with restore.",
  );
}

const start: VoteFloor = { epoch: 0, view: 0 };

export function votesLost(genesis: ChannelGenesis): OperationalError {
  return new OperationalError(
    "VOTES_LOST",
    `The votes of the channel ${genesis.identity.origin} are not in the votes database, so its own ` +
      "database may be an old copy, and nobody else could tell: open a new incarnation with restore.",
  );
}
