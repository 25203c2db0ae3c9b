/** From what a channel's database holds to a recovery genesis that its organisations sign. */

import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { UnixMillis } from "../base/time.ts";
import { unixMillis } from "../base/time.ts";
import type { Header } from "../consensus/block.ts";
import { encodeHeader, headerDigest } from "../consensus/block.ts";
import type { ValidatorEntry } from "../consensus/validator-set.ts";
import type { EpochItem, RecoveryProof } from "../receipt/epochs-file.ts";
import { recoveryHeadersMax } from "../receipt/limits.ts";
import type { VerifiedRecovery } from "../receipt/recovery.ts";
import { sealsOf } from "../receipt/seal-evidence.ts";
import { secondKeyOf } from "../receipt/verify-ml-dsa.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { Validator } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { RecoveryClaims } from "../wire/recovery-claims.ts";
import { encodeRecoveryClaims } from "../wire/recovery-claims.ts";
import { finishStatement, prepareStatement } from "../wire/statement.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import { parseContent } from "./channel-content-codec.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ChannelState } from "./channel-state.ts";
import type { CaSigner } from "./create-channel.ts";
import { channelSubject } from "./create-channel.ts";
import { epochItems } from "./epoch-items.ts";
import { combineSeals } from "./seal-payload.ts";
import { SqliteChain } from "./sqlite-chain.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { SqliteSeals } from "./sqlite-seals.ts";
import { SqliteSnapshots } from "./sqlite-snapshots.ts";

/** What a recovery names of the lost channel, and what proves it. */
export type RecoveryBasis = {
  readonly genesis: ChannelGenesis;
  readonly named: Pick<RecoveryClaims, "lost" | "ordinal" | "head" | "seals" | "block">;
  readonly proof: Omit<RecoveryProof, "recovery">;
  /** After the block. */
  readonly state: ChannelState;
  /** Every change of members before. */
  readonly items: readonly EpochItem[];
  readonly blockAt: UnixMillis;
};

/**
 * The newest seal that this database has, and the last final block with that log.
 *
 * @throws OperationalError RECOVERY_NOT_SEALED, RECOVERY_BLOCK_GONE, RECOVERY_STATE_GONE,
 *   EPOCHS_CERTIFICATE_MISSING, DATABASE_CORRUPT.
 */
export function recoveryBasis(channel: SqliteChannel): RecoveryBasis {
  const { crypto } = channel;
  const genesis = channel.genesis();
  const chain = new SqliteChain(channel, { crypto, genesis });
  const stored = new SqliteSeals(channel.db).newest();
  const validators = stored && chain.validatorsOf(stored.point.epoch);
  if (stored === undefined || validators === undefined) throw notSealed();
  const { size, root } = stored.point;
  const header = lastWith(chain, size);
  const finality = header && chain.finality(header.height, recoveryHeadersMax);
  if (header === undefined || finality === undefined) throw blockGone(size);
  const state = stateAfter(channel, chain, header);
  const { origin } = genesis.identity;
  const lines = {
    validators,
    secondKeyOf: (one: ValidatorEntry) => secondKeyOf(genesis.policy, one),
  };
  const sealed = combineSeals(crypto, lines, { origin, size, root }, stored.seals);
  const sealers = { origin, validators: validators.entries, quorum: validators.quorum };
  return {
    genesis,
    named: {
      lost: genesis.identity.id,
      ordinal: (genesis.recovery?.claims.ordinal ?? 0) + 1,
      head: { size, root },
      seals: sealsOf(crypto, sealers, sealed),
      block: {
        height: header.height,
        digest: headerDigest(crypto, header),
        stateRoot: header.stateRoot,
      },
    },
    proof: {
      headers: finality.headers.map(encodeHeader),
      finalization: finality.certificate,
      state: state.commitment(),
    },
    state,
    items: epochItems(channel, chain),
    blockAt: header.time,
  };
}

/** Signs a recovery for the organisation that drafts it; the others add their approvals to its transaction. */
export async function signRecovery(
  { crypto, signer }: { readonly crypto: CryptoPort; readonly signer: CaSigner },
  basis: RecoveryBasis,
  by: {
    readonly organisation: Identifier;
    readonly incarnation: Uint8Array;
    readonly organisations: readonly { readonly name: Identifier; readonly ca: Uint8Array }[];
    readonly validators: readonly Validator[];
    readonly at: UnixMillis;
  },
): Promise<RecoveryProof> {
  const sha256 = (bytes: Uint8Array) => crypto.sha256(bytes);
  const { consortium, channel } = basis.genesis.identity;
  const at = unixMillis(Math.max(by.at, basis.blockAt));
  const claims = encodeRecoveryClaims({
    consortium,
    incarnation: by.incarnation,
    validators: by.validators,
    organisations: by.organisations.map(({ name, ca }) => ({ name, ca: sha256(ca) })),
    at,
    ...basis.named,
  });
  const unsigned = prepareStatement(
    {
      algorithm: signer.publicKey.algorithm,
      kid: thumbprint(sha256, signer.publicKey),
      type: "channel-recovery",
      channel,
      issuer: by.organisation,
      subject: channelSubject,
      issuedAt: Math.floor(at / 1_000),
    },
    claims,
  );
  const statement = finishStatement(unsigned, await signer.sign(unsigned.toBeSigned));
  const certificates = by.organisations.map(({ ca }) => ca);
  const recovery = encodeTransaction({ statement, consistency: [], certificates });
  return { recovery, ...basis.proof };
}

/**
 * Compares a recovery that is good in itself with what this member's own database holds of the lost channel.
 *
 * @returns the lost channel's state, as this member's own log led to it.
 * @throws OperationalError RECOVERY_OTHER_CHANNEL, RECOVERY_SEALED_LATER, RECOVERY_STATE_BEHIND,
 *   RECOVERY_STATE_DIFFERS, RECOVERY_STATE_GONE, DATABASE_CORRUPT.
 */
export function stateForRecovery(
  channel: SqliteChannel,
  { claims }: Pick<VerifiedRecovery, "claims">,
): ChannelState {
  const { crypto } = channel;
  const genesis = channel.genesis();
  const chain = new SqliteChain(channel, { crypto, genesis });
  if (!equal(claims.lost, genesis.identity.id)) throw otherChannel(genesis);
  const { head, block } = claims;
  const sealed = new SqliteSeals(channel.db).newest();
  if (sealed !== undefined && sealed.point.size > head.size)
    throw sealedLater(sealed.point.size, head.size);
  if (chain.height < block.height) throw behind(chain.height, block.height);
  const header = chain.header(block.height);
  if (header === undefined) throw stateGone(block.height);
  if (!equal(headerDigest(crypto, header), block.digest)) throw differs(block.height);
  if (!equal(channel.log.root(Number(head.size)), head.root)) throw differs(block.height);
  return stateAfter(channel, chain, header);
}

/** The last block after which the log has this size: boundaries and empty blocks change members, not the log. */
function lastWith(chain: SqliteChain, size: bigint): Header | undefined {
  for (let { height } = chain; height > 0; height--) {
    const header = chain.header(height);
    if (header === undefined || header.logSize < size) return undefined;
    if (header.logSize === size) return header;
  }
  return undefined;
}

/** Executed from the first block that is here, or from a snapshot where blocks were pruned. */
function stateAfter(channel: SqliteChannel, chain: SqliteChain, header: Header): ChannelState {
  const size = Number(header.logSize);
  const from = chain.prunedBelow === 1 ? undefined : snapshotBefore(channel, chain, header);
  const state = channel.stateAt(size, from);
  if (!equal(state.root(), header.stateRoot)) throw differs(header.height);
  return state;
}

function snapshotBefore(channel: SqliteChannel, chain: SqliteChain, header: Header) {
  const { crypto } = channel;
  const snapshot = new SqliteSnapshots(channel.db).newest();
  const of = snapshot && chain.header(snapshot.height);
  if (snapshot === undefined || of === undefined || snapshot.height > header.height)
    throw stateGone(header.height);
  const { stateRoot, logSize } = of;
  const genesis = channel.genesis();
  const parsed = parseContent({ crypto, genesis }, { bytes: snapshot.content, stateRoot });
  if (!parsed.ok) throw differs(snapshot.height);
  return { state: parsed.value, size: Number(logSize) };
}

function notSealed(): OperationalError {
  return new OperationalError(
    "RECOVERY_NOT_SEALED",
    "No checkpoint of this channel was ever sealed here: a recovery has nothing to begin with. Draft it at a " +
      "member that has one, or make a new channel.",
  );
}

function blockGone(size: bigint): OperationalError {
  return new OperationalError(
    "RECOVERY_BLOCK_GONE",
    `The block whose log of ${size} leaves was sealed last is not here with its certificate: draft the recovery ` +
      "at another member.",
  );
}

function stateGone(height: number): OperationalError {
  return new OperationalError(
    "RECOVERY_STATE_GONE",
    `What the channel's state was after block ${height} cannot be told here any more, since blocks before it were ` +
      "pruned and the snapshot is of a later one: take an export of another member into an empty data directory.",
    { details: { height } },
  );
}

function behind(height: number, needed: number): OperationalError {
  return new OperationalError(
    "RECOVERY_STATE_BEHIND",
    `The newest block here is ${height}, and the recovery begins after block ${needed}: take an export of ` +
      "another member first, with tamga-gateway ledger import.",
    { details: { height, needed } },
  );
}

function differs(height: number): OperationalError {
  return new OperationalError(
    "RECOVERY_STATE_DIFFERS",
    `What this node's own log led to is not what the recovery says of block ${height}. Nothing was signed or ` +
      "changed. Compare with the other members before anything else: one of you holds another history.",
    { details: { height } },
  );
}

function sealedLater(held: bigint, named: bigint): OperationalError {
  return new OperationalError(
    "RECOVERY_SEALED_LATER",
    `This node holds a sealed checkpoint of ${held} leaves, and the recovery begins at ${named}: receipts in ` +
      "between would be lost. Draft the recovery anew at this node.",
    { details: { held: Number(held), named: Number(named) } },
  );
}

function otherChannel({ identity }: ChannelGenesis): OperationalError {
  return new OperationalError(
    "RECOVERY_OTHER_CHANNEL",
    `The recovery is of another channel than ${identity.origin}, which this node takes part in.`,
  );
}
