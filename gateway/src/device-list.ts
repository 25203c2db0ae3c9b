/** What `tamga-gateway devices list` prints. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import type { DeviceRegistry } from "./registry/device-registry.ts";

/** A line for each request and each key; then one for each device that asks for its next key. */
export function listDevices(registry: DeviceRegistry, isJson: boolean): void {
  for (const device of registry.list()) {
    const until = device.notAfter === undefined ? "" : new Date(device.notAfter).toISOString();
    print(
      isJson
        ? JSON.stringify({ ...device, notAfter: until })
        : `${device.device}\t${device.state}\tkey: ${device.keyKind} ${device.kid}\t${until}${orderedText(device.ordered)}`,
    );
  }
  for (const { device, from, to } of registry.rotations.waiting()) {
    const row = { device, state: "rotating", kid: toHex(to), from: toHex(from) };
    print(
      isJson ? JSON.stringify(row) : `${device}\trotating\tnext key: ${row.kid}\tfrom: ${row.from}`,
    );
  }
}

function orderedText(ordered: boolean | undefined): string {
  if (ordered === undefined) return "";
  return ordered ? "\tin the ledger" : "\tnot in the ledger yet";
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
