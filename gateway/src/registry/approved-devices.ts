/** The devices that may speak. */

import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { DeviceRegistry } from "./device-registry.ts";

/** Each once, however many keys it has. */
export function approvedDevices(registry: DeviceRegistry): readonly Identifier[] {
  const approved = registry.list().filter(({ state }) => state === "approved");
  return [...new Set(approved.map(({ device }) => device))];
}
