/** Where a channel's engine starts from: the newest final block in its database, and what it allows. */

import { present } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import { unixMillis } from "../base/time.ts";
import type { EngineRecovered } from "../consensus/engine-io.ts";
import type { FinalTip, VoteFloor } from "../consensus/replica-io.ts";
import type { ValidatorSet } from "../consensus/validator-set.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { LedgerState } from "./ledger-state.ts";
import type { SqliteChain } from "./sqlite-chain.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";

/** The tip as the engine starts from it, its validators, and the floor that it allows. */
export type StoredTip = {
  readonly tip: FinalTip<LedgerState>;
  readonly validators: ValidatorSet;
  readonly final?: VoteFloor;
  /** Where the tip is a boundary: the epoch that it ended. */
  readonly ended?: Pick<EngineRecovered<LedgerState>, "tip" | "validators">;
};

/** @throws OperationalError DATABASE_CORRUPT (state or log are not what the newest block led to). */
export function storedTip({
  channel,
  genesis,
  chain,
}: {
  readonly channel: SqliteChannel;
  readonly genesis: ChannelGenesis;
  readonly chain: SqliteChain;
}): StoredTip {
  const stored = channel.loadState(genesis);
  const last = chain.tip();
  if (last === undefined) {
    const tip = {
      view: 0,
      height: 0,
      digest: genesis.identity.id,
      // An older release ordered before the chain's first block.
      time: unixMillis(Math.max(genesis.claims.at, channel.lastTime)),
      logSize: BigInt(channel.log.size),
      logRoot: channel.log.root(),
      state: stored,
    };
    return { tip, validators: validatorsOf(chain, 0) };
  }
  const { header, digest, certificate } = last;
  const { epoch, height, time, logSize, logRoot, boundary } = header;
  const isTrue =
    logSize === BigInt(channel.log.size) &&
    equal(logRoot, channel.log.root()) &&
    equal(header.stateRoot, stored.channel.root());
  if (!isTrue) throw corrupt(height);
  const orders = boundary === undefined ? epoch : epoch + 1;
  const epochStart = chain.startOf(orders);
  const { view } = certificate.ballot;
  const tip = {
    view: boundary === undefined ? view : 0,
    height,
    digest,
    time,
    logSize,
    logRoot,
    state: { ...stored, epochStart },
    certificate,
  };
  return {
    tip,
    validators: validatorsOf(chain, orders),
    final: { epoch, view },
    ...(boundary === undefined
      ? {}
      : { ended: { tip: { ...tip, view }, validators: validatorsOf(chain, epoch) } }),
  };
}

function validatorsOf(chain: SqliteChain, epoch: number): ValidatorSet {
  return present(chain.validatorsOf(epoch), "validators of an epoch that has begun");
}

function corrupt(height: number): OperationalError {
  return new OperationalError(
    "DATABASE_CORRUPT",
    `The channel's state or log is not what block ${height} led to. Nothing was changed. Copy the data ` +
      "directory away, check the disk, and restore the directory from a backup.",
    { details: { height } },
  );
}
