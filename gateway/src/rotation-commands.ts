/** What the `devices` commands do about devices that change their signing key. */

import { toHex } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { DeviceRegistry } from "./registry/device-registry.ts";
import type { EnrolmentParts, SiteFacts } from "./registry/enrolment.ts";
import { approveRotation } from "./registry/key-rotation.ts";
import type { WaitingRotation } from "./registry/rotations.ts";

/** A line for each request that waits. */
export function listRotations(registry: DeviceRegistry, isJson: boolean): void {
  for (const { device, from, to } of registry.rotations.waiting()) {
    const row = { device, state: "rotating", kid: toHex(to), from: toHex(from) };
    process.stdout.write(
      isJson
        ? `${JSON.stringify(row)}\n`
        : `${device}\trotating\tnext key: ${row.kid}\tfrom: ${row.from}\n`,
    );
  }
}

/** The request of this device that waits, if any. */
export function waitingRotation(
  registry: DeviceRegistry,
  device: string | undefined,
): WaitingRotation | undefined {
  return registry.rotations.waiting().find((one) => one.device === device);
}

/**
 * Certifies the next key of a device; it is told when it asks again.
 *
 * @param asked.expected the operator's `--key`: only this key, in hexadecimal.
 * @returns the code by which it was refused, if it was.
 */
export async function approveWaiting(
  parts: EnrolmentParts,
  site: SiteFacts,
  asked: WaitingRotation & {
    readonly now: UnixMillis;
    readonly expected: string | undefined;
  },
): Promise<string | undefined> {
  const { device, to, now, expected } = asked;
  const shown = toHex(to);
  if (expected !== undefined && expected.toLowerCase() !== shown) return "ENROLMENT_OTHER_KEY";
  const approved = await approveRotation(parts, site, { device, now });
  if (!approved.ok) return approved.fault.code;
  process.stderr.write(
    `approved the next key of ${device}: ${shown}; it signs with it once it asks again, within ten minutes\n`,
  );
  return undefined;
}
