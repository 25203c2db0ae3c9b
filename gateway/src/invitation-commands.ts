/** `tamga-gateway devices invite` and `invitations`: one-time codes for devices that enrol over the network. */

import { randomBytes } from "node:crypto";
import { assert } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { duration } from "@tamga/ledger-core/daemon/config-file";
import { newInvitationCode, readInvitationCode } from "@tamga/ledger-core/daemon/invitation";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { Command } from "commander";
import { readGatewayConfig } from "./config.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import { invitationSentences } from "./registry/invitations.ts";
import { pathsOf } from "./site/site.ts";

type Where = () => { readonly config?: string; readonly data?: string };
const validity = duration({ min: "1m", max: "30d" });

export function addInvitationCommands(devices: Command, where: Where): void {
  devices
    .command("invite")
    .description("draw a one-time code: whoever enrols with it is approved at once")
    .argument("[device]", "the only name that it is good for; any new one by default")
    .option("--valid <time>", "how long, 1m to 30d", "1d")
    .action((device: string | undefined, options: { valid: string }) =>
      invite(where, device, options.valid),
    );
  devices
    .command("invitations")
    .description("one-time codes that are open or were used, without the codes themselves")
    .option("--drop <id>", "take an open one back")
    .option("--json", "one JSON object a line")
    .action((options: { drop?: string; json?: boolean }) => {
      if (options.drop === undefined) list(where, options.json === true);
      else drop(where, options.drop);
    });
}

function invite(where: Where, device: string | undefined, valid: string): void {
  const name = device === undefined ? undefined : parseIdentifier(device);
  if (name !== undefined && !name.ok)
    throw new OperationalError(
      "USAGE_DEVICE_BAD",
      "A device id has 1 to 64 of the characters A-Z a-z 0-9 . _ -",
    );
  const time = validity.safeParse(valid);
  if (!time.success)
    throw new OperationalError("USAGE_TIME", "A code is good for 1m to 30d, such as 2h.");
  const code = newInvitationCode(new Uint8Array(randomBytes(20)));
  const invitation = readInvitationCode(code);
  assert(invitation.ok, "a new code can be read");
  const now = new SystemClock().now();
  const until = unixMillis(now + time.data);
  withInvitations(where, (invitations) => {
    const added = invitations.add(invitation.value, { device: name?.value, until, now });
    if (!added.ok) throw refused(added.fault.code);
  });
  process.stdout.write(`${code}\n`);
  process.stderr.write(
    `good once until ${new Date(until).toISOString()}, for ${name?.value ?? "any new device"}; its id is ${toHex(invitation.value.id)}\n` +
      "on the device: tamga-agent enrol --device ID --gateway URL --code-file FILE (- reads it from the keyboard)\n",
  );
}

function list(where: Where, isJson: boolean): void {
  withInvitations(where, (invitations) => {
    for (const one of invitations.list()) {
      const until = new Date(one.until).toISOString();
      const state = one.kid === undefined ? `open until ${until}` : `used by key ${one.kid}`;
      process.stdout.write(
        isJson
          ? `${JSON.stringify({ ...one, until })}\n`
          : `${one.id}\t${one.device ?? "any new device"}\t${state}\n`,
      );
    }
  });
}

function drop(where: Where, text: string): void {
  withInvitations(where, (invitations) => {
    const dropped = invitations.drop(fromHex(text.toLowerCase()) ?? new Uint8Array());
    if (!dropped.ok) throw refused(dropped.fault.code);
  });
}

function withInvitations(
  where: Where,
  use: (invitations: DeviceRegistry["invitations"]) => void,
): void {
  const registry = new DeviceRegistry(pathsOf(readGatewayConfig(where())).registry);
  try {
    use(registry.invitations);
  } finally {
    registry.close();
  }
}

function refused(code: string): OperationalError {
  return new OperationalError(code, invitationSentences[code] ?? "The command was refused.");
}
