/** Revokes every key of a device: in the registry now, and as transactions that the running gateway brings to the ledger. */

import type { toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { RevocationReason } from "@tamga/ledger-core/wire/channel-claims";
import { encodeChannelClaims, revocationReasons } from "@tamga/ledger-core/wire/channel-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import { channelOfDevice } from "./channels.ts";
import type { GatewayConfig } from "./config.ts";
import { parseDevice, refused } from "./device-refusal.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import { openCa, pathsOf } from "./site/site.ts";
import { caSigner } from "./site/site-ledger.ts";

/** @throws OperationalError USAGE_*, DEVICE_UNKNOWN, and what opening the CA throws. */
export async function revokeDevice(
  config: GatewayConfig,
  options: { readonly device: string; readonly reason: string },
): Promise<void> {
  const device = parseDevice(options.device);
  const reason = revocationReasons.find((known) => known === options.reason);
  if (reason === undefined) {
    throw new OperationalError("USAGE_REASON", "The reason is `retired` or `compromised`.");
  }
  const now = new SystemClock().now();
  const ca = await openCa(config, now);
  const registry = new DeviceRegistry(pathsOf(config).registry);
  try {
    const statements = [];
    const view = channelOfDevice(config, device);
    for (const { kid } of registry.keysOf(device)) {
      statements.push({
        kid,
        statement: await signRevocation(view, caSigner(ca), { device, kid, reason, since: now }),
      });
    }
    const revoked = registry.revoke(device, { reason, since: now }, statements);
    if (!revoked.ok) throw refused(revoked.fault.code, device);
    process.stderr.write(
      `revoked ${device} (${reason}); the running gateway brings it to the ledger\n`,
    );
  } finally {
    registry.close();
  }
}

async function signRevocation(
  config: GatewayConfig,
  signer: ReturnType<typeof caSigner>,
  claims: {
    readonly device: Identifier;
    readonly kid: Parameters<typeof toHex>[0] & ReturnType<typeof thumbprint>;
    readonly reason: RevocationReason;
    readonly since: ReturnType<SystemClock["now"]>;
  },
): Promise<Uint8Array> {
  const subject = parseIdentifier("channel");
  if (!subject.ok) throw refused(subject.fault.code, "channel");
  const unsigned = prepareStatement(
    {
      algorithm: signer.publicKey.algorithm,
      kid: thumbprint((bytes) => nodeCrypto.sha256(bytes), signer.publicKey),
      type: "device",
      channel: config.channel,
      issuer: config.organisation,
      subject: subject.value,
      issuedAt: Math.floor(claims.since / 1_000),
    },
    encodeChannelClaims({ kind: "device", ...claims }),
  );
  return finishStatement(unsigned, await signer.sign(unsigned.toBeSigned));
}
