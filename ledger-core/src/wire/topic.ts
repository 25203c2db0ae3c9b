/** MQTT topics: a device publishes and subscribes in its own branch only (WIRE.md §11). */

import type { Identifier } from "./identifier.ts";
import { parseIdentifier } from "./identifier.ts";

export const uplinkKinds = ["statement", "have", "renew"] as const;
export const downlinkKinds = [
  "want",
  "head",
  "proof",
  "certificate",
  "epochs",
  "renewed",
  "challenge",
  "result",
] as const;
export type UplinkKind = (typeof uplinkKinds)[number];
export type DownlinkKind = (typeof downlinkKinds)[number];

export type DeviceAddress = { readonly channel: Identifier; readonly device: Identifier };

export function uplinkTopic(address: DeviceAddress, kind: UplinkKind): string {
  return `tamga/v1/${address.channel}/${address.device}/up/${kind}`;
}

export function downlinkTopic(address: DeviceAddress, kind: DownlinkKind): string {
  return `tamga/v1/${address.channel}/${address.device}/down/${kind}`;
}

/** The one subscription that a device may make: all of its downlink. */
export function downlinkFilter(address: DeviceAddress): string {
  return `tamga/v1/${address.channel}/${address.device}/down/+`;
}

export type ParsedTopic = DeviceAddress &
  (
    | { readonly direction: "up"; readonly kind: UplinkKind }
    | { readonly direction: "down"; readonly kind: DownlinkKind }
  );

/** @returns undefined for every topic that is not exactly one of ours. */
export function parseTopic(topic: string): ParsedTopic | undefined {
  const parts = topic.split("/");
  if (parts.length !== 6 || parts[0] !== "tamga" || parts[1] !== "v1") return undefined;
  const channel = parseIdentifier(parts[2] ?? "");
  const device = parseIdentifier(parts[3] ?? "");
  if (!channel.ok || !device.ok) return undefined;
  const address = { channel: channel.value, device: device.value };
  const up = uplinkKinds.find((kind) => kind === parts[5]);
  if (parts[4] === "up" && up !== undefined) return { ...address, direction: "up", kind: up };
  const down = downlinkKinds.find((kind) => kind === parts[5]);
  if (parts[4] === "down" && down !== undefined)
    return { ...address, direction: "down", kind: down };
  return undefined;
}
