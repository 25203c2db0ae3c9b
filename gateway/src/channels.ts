/**
 * The channels of one gateway: which there are, where each has its files, and which a device belongs to. A
 * channel is seen as a configuration of its own, so that whatever serves one need not know of the others.
 */

import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { GatewayConfig } from "./config.ts";

/** The first channel, then the others in the order of their names. */
export function channelsOf(config: GatewayConfig): readonly GatewayConfig[] {
  return [
    config,
    ...Object.keys(config.channels)
      .sort()
      .map((name) => viewOf(config, name)),
  ];
}

/** @throws OperationalError CHANNEL_AMBIGUOUS (no name, and there are several), CHANNEL_UNKNOWN. */
export function forChannel(config: GatewayConfig, name: string | undefined): GatewayConfig {
  const views = channelsOf(config);
  const names = views.map(({ channel }) => channel).join(", ");
  if (name === undefined) {
    if (views.length === 1) return config;
    const sentence = `This gateway has several channels: name one of them with --channel: ${names}.`;
    throw new OperationalError("CHANNEL_AMBIGUOUS", sentence);
  }
  const found = views.find(({ channel }) => channel === name);
  if (found !== undefined) return found;
  throw new OperationalError(
    "CHANNEL_UNKNOWN",
    `This gateway's configuration has no channel of that name; it has ${names}.`,
    { details: { channel: name.slice(0, 64) } },
  );
}

/** The channel that names the device, or else the first. */
export function channelOfDevice(config: GatewayConfig, device: string): GatewayConfig {
  const name = claimantOf(config, device);
  return name === undefined ? config : viewOf(config, name);
}

/** Whether the device belongs to the channel that this is the configuration of. */
export function isOfChannel(view: GatewayConfig, device: string): boolean {
  const claimant = claimantOf(view, device);
  return claimant === undefined ? isFirst(view) : claimant === view.channel;
}

/** The directory of a channel's own files: the data directory for the first, one below it for each other. */
export function channelDir(view: GatewayConfig): string {
  return isFirst(view) ? view.data_dir : join(view.data_dir, "channels", view.channel);
}

/**
 * Of each two channels: not the same files, no device in both, not one port.
 *
 * @throws OperationalError CONFIG_CHANNEL_TWICE, CONFIG_CHANNEL_DEVICE_TWICE, CONFIG_CHANNEL_PORT_TWICE.
 */
export function requireChannelsApart(config: GatewayConfig): void {
  const views = channelsOf(config);
  for (const [at, one] of views.entries())
    for (const other of views.slice(at + 1)) requireApart(one, other);
}

function requireApart(one: GatewayConfig, other: GatewayConfig): void {
  const both = `${one.channel} and ${other.channel}`;
  // Some file systems take both for one directory.
  if (one.channel.toLowerCase() === other.channel.toLowerCase())
    throw new OperationalError(
      "CONFIG_CHANNEL_TWICE",
      `channel and channels: ${both} would have the same files: give each channel one table and its own name.`,
    );
  const { port } = one.mqtt;
  if (port !== 0 && port === other.mqtt.port)
    throw new OperationalError(
      "CONFIG_CHANNEL_PORT_TWICE",
      `channels.${other.channel}.mqtt_port: ${both} have the same port: give each its own.`,
    );
  for (const a of patternsOf(one))
    for (const b of patternsOf(other))
      if (overlap(a, b))
        throw new OperationalError(
          "CONFIG_CHANNEL_DEVICE_TWICE",
          `channels.${other.channel}.devices: a device could be in ${both}, by ${a} and ${b}: ` +
            "a device is in one channel.",
        );
}

function viewOf(config: GatewayConfig, name: string): GatewayConfig {
  const { mqtt_port, attestation } = present(config.channels[name], "a configured channel");
  const { pending, stale, contraindicated } = attestation;
  const judged = config.attestation && {
    ...config.attestation,
    pending: pending ?? config.attestation.pending,
    stale: stale ?? config.attestation.stale,
    contraindicated: contraindicated ?? config.attestation.contraindicated,
  };
  return {
    ...config,
    channel: identifierOf(name),
    mqtt: { ...config.mqtt, port: mqtt_port },
    attestation: judged,
  };
}

/** Whether it is the channel that the gateway's own names stand for, with its files in the data directory. */
export function isFirst({ channel, channels }: GatewayConfig): boolean {
  return !Object.hasOwn(channels, channel);
}

function claimantOf({ channels }: GatewayConfig, device: string): string | undefined {
  const claims = Object.entries(channels);
  return claims.find(([, { devices }]) => devices.some((one) => matches(one, device)))?.[0];
}

function patternsOf({ channel, channels }: GatewayConfig): readonly string[] {
  return Object.hasOwn(channels, channel) ? (channels[channel]?.devices ?? []) : [];
}

function matches(pattern: string, device: string): boolean {
  return pattern.endsWith("*") ? device.startsWith(pattern.slice(0, -1)) : device === pattern;
}

/** Whether a device could match both. */
function overlap(a: string, b: string): boolean {
  const stem = (pattern: string) => pattern.replace(/\*$/, "");
  return matches(a, stem(b)) || matches(b, stem(a));
}

function identifierOf(name: string): Identifier {
  const parsed = parseIdentifier(name);
  return present(parsed.ok ? parsed.value : undefined, "name that the schema has judged");
}
