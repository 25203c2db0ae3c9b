/** Names of logs, as receipts and checkpoints state them (WIRE.md §9.1). */

import { toHex } from "../base/bytes.ts";
import type { Identifier } from "./identifier.ts";

/** `consortium/channel/gateway/incarnation`: a gateway's lane, one name for each incarnation. */
export function laneOrigin(lane: {
  readonly consortium: Identifier;
  readonly channel: Identifier;
  readonly gateway: Identifier;
  readonly incarnation: Uint8Array;
}): string {
  return `${lane.consortium}/${lane.channel}/${lane.gateway}/${toHex(lane.incarnation)}`;
}

/**
 * The channel's log: `consortium/channel`, and for a channel that was opened anew also its incarnation,
 * since a witness holds one history an origin.
 */
export function channelOrigin(channel: {
  readonly consortium: Identifier;
  readonly channel: Identifier;
  readonly incarnation: Uint8Array;
  readonly reopened: boolean;
}): string {
  const name = `${channel.consortium}/${channel.channel}`;
  return channel.reopened ? `${name}/${toHex(channel.incarnation)}` : name;
}
