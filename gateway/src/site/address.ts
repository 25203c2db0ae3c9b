/** Where the running gateway listens, as it wrote it down for the commands beside it. */

import { readFileSync } from "node:fs";
import { z } from "zod";
import type { GatewayConfig } from "../config.ts";

const port = z.int().min(1).max(65_535);
const addressSchema = z.strictObject({
  http: z.url(),
  /** Of the first channel; absent while that is stopped. */
  mqttPort: port.optional(),
  /** Of each channel that runs, where there are several. */
  channels: z.record(z.string(), port).optional(),
});

/** Where the daemon listens, once it does. */
export type GatewayAddress = {
  readonly http: string;
  readonly mqttPort?: number;
  readonly channels?: Readonly<Record<string, number>>;
};

export function encodeAddress(address: GatewayAddress): string {
  return `${JSON.stringify(address)}\n`;
}

/** @returns undefined where no gateway has ever listened here. */
export function readAddress(path: string): z.output<typeof addressSchema> | undefined {
  try {
    return addressSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** Where a channel's devices dial: what the gateway listens on, or else what is configured. */
export function mqttPortOf(config: GatewayConfig, addressFile: string): number {
  const address = readAddress(addressFile);
  const known = address?.channels?.[config.channel] ?? address?.mqttPort;
  const isKnown = address?.channels === undefined || config.channel in address.channels;
  return isKnown && known !== undefined ? known : config.mqtt.port;
}
