/** What configuration and enrolment say of the same thing. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { AgentConfig } from "./config.ts";
import type { DeviceRecord } from "./identity/device-identity.ts";
import type { UplinkAddress } from "./uplink/uplink-uri.ts";
import { parseUplinkUri } from "./uplink/uplink-uri.ts";

/** Throws CONFIG_MISMATCH where the configuration names another device than the enrolment. */
export function requireSame(
  config: Pick<AgentConfig, "device" | "channel">,
  record: DeviceRecord,
): void {
  if (config.device === record.device && config.channel === record.channel) return;
  throw new OperationalError(
    "CONFIG_MISMATCH",
    `The configuration is for ${config.device} in ${config.channel}, but the data directory was ` +
      `enrolled as ${record.device} in ${record.channel}: correct device and channel, or data_dir.`,
    { details: { device: config.device, channel: config.channel } },
  );
}

/** The configured gateways, else those of the enrolment. Throws IDENTITY_UNREADABLE. */
export function gatewaysOf(
  config: Pick<AgentConfig, "uplink">,
  record: DeviceRecord,
): readonly UplinkAddress[] {
  if (config.uplink.gateways !== undefined) return config.uplink.gateways;
  return record.uplink.map((text) => {
    const parsed = parseUplinkUri(text);
    if (parsed.ok) return parsed.value;
    throw new OperationalError(
      "IDENTITY_UNREADABLE",
      `device.json names a gateway that cannot be used (${text}): set uplink.gateways.`,
      { details: { fault: parsed.fault.code } },
    );
  });
}
