/**
 * Makes a channel's tables those of a state that is believed: its leaves are added to the log, and each leaf
 * leaves the rows that its transaction left when it was ordered. What only the state knows is taken from it.
 */

import { assert } from "../base/assert.ts";
import { toHex } from "../base/bytes.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { Fault, Result } from "../base/result.ts";
import type { UnixMillis } from "../base/time.ts";
import { parseChannelClaims, revocationReasons } from "../wire/channel-claims.ts";
import { parseGatewayClaims } from "../wire/gateway-claims.ts";
import { parseGovernanceClaims } from "../wire/governance-claims.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import { parseStatement } from "../wire/statement.ts";
import type { ChannelState } from "./channel-state.ts";
import { entriesPerAppendMax } from "./limits.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import { statementIdentity } from "./sqlite-channel.ts";

/**
 * Inside the caller's transaction, who compares roots afterwards.
 *
 * @param entries the log's leaves from its end here on, in order; `time` is that of the newest block with them.
 * @throws OperationalError SNAPSHOT_INCONSISTENT where a leaf is none that could have been ordered.
 */
export function installState(
  channel: SqliteChannel,
  state: ChannelState,
  { entries, time }: { readonly entries: Iterable<Uint8Array>; readonly time: UnixMillis },
): void {
  const { db, log, rows } = channel;
  assert(db.inTransaction, "a snapshot is one transaction");
  const first = log.size;
  let chunk: Uint8Array[] = [];
  const append = () => {
    const at = log.append(chunk);
    for (const [offset, entry] of chunk.entries()) putLeaf(channel, state, entry, at + offset);
    chunk = [];
  };
  for (const entry of entries) {
    chunk.push(entry);
    if (chunk.length === entriesPerAppendMax) append();
  }
  append();
  if (log.size > first) rows.putBlock({ first, count: log.size - first, time });
  rows.clearLanes();
  for (const lane of state.lanes.values()) {
    rows.putLane(lane);
    // One that an older release froze has no lane-fault in the log.
    if (lane.frozen) rows.putLaneFault(lane.gateway, Number(lane.index));
  }
  rows.putGovernance(state.governance);
}

function putLeaf(
  channel: SqliteChannel,
  state: ChannelState,
  entry: Uint8Array,
  index: number,
): void {
  const { rows, crypto } = channel;
  const statement = read(parseStatement(entry), index);
  const identity = statementIdentity(crypto, statement);
  if (rows.indexOf(identity) !== undefined) throw inconsistent(index);
  rows.putStatement(identity, index);
  putChange(channel, state, statement, index);
}

/** As `SqliteChannel` does when a transaction is ordered, from the statement alone. */
function putChange(
  { rows, log }: SqliteChannel,
  state: ChannelState,
  { header, claims }: ParsedStatement,
  index: number,
): void {
  switch (header.type) {
    case "lane-open": {
      const { incarnation } = read(parseGatewayClaims("lane-open", claims), index);
      const opening = state.openings.get(toHex(incarnation));
      if (opening === undefined) throw inconsistent(index);
      rows.putOpening({ ...opening, root: log.leafHash(index) }, index);
      return;
    }
    case "lane-fault":
      rows.putLaneFault(read(parseGovernanceClaims("lane-fault", claims), index).gateway, index);
      return;
    case "device": {
      const { kid, reason, since } = read(parseChannelClaims("device", claims), index);
      const revoked = { kid, reason: revocationReasons.indexOf(reason), since: BigInt(since) };
      rows.putRevocation(revoked, index);
      return;
    }
    case "device-key": {
      const stated = read(parseGovernanceClaims("device-key", claims), index);
      const { device: name, kid, certificate, keyKind } = stated;
      const organisation = state.devices.get(name)?.organisation;
      if (organisation === undefined) throw inconsistent(index);
      rows.putDevice({ name, organisation, kid, certificate, keyKind }, index);
      return;
    }
    case "anchor": {
      const { target, head } = read(parseGovernanceClaims("anchor", claims), index);
      rows.putAnchor({ target, head }, index);
      return;
    }
    default:
      // Lane heads, policies and members leave nothing but what the state holds.
      return;
  }
}

function read<T>(result: Result<T, Fault>, index: number): T {
  if (!result.ok) throw inconsistent(index);
  return result.value;
}

function inconsistent(index: number): OperationalError {
  return new OperationalError(
    "SNAPSHOT_INCONSISTENT",
    `Leaf ${index} of the snapshot is none that could have been ordered. Nothing was changed. Take the ` +
      "blocks from a node that keeps them, or from an export.",
    { details: { index } },
  );
}
