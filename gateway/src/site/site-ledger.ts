/** Opens the channel of the site: its own, or the one that its consortium agreed on. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { createChannel } from "@tamga/ledger-core/ledger/create-channel";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { openSoloLedger } from "@tamga/ledger-core/ledger/open-solo-ledger";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import type { PeerNetwork } from "@tamga/ledger-core/peers/network";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { GatewayConfig } from "../config.ts";
import { openConsortiumLedger } from "../consortium/consortium-ledger.ts";
import type { SiteCa } from "../registry/site-ca.ts";
import type { Site } from "./site.ts";
import { sitePaths } from "./site.ts";

/** The site's ledger, and what else has to be closed with it. */
export type SiteLedger = {
  readonly ledger: Ledger;
  /** Absent with one validator, which has no peers. */
  readonly peers?: PeerNetwork;
  /** What can be looked at beside the ledger's own status; absent where another engine orders. */
  readonly consensus?: Pick<ReplicatedLedger, "sight" | "governance">;
  readonly close: () => Promise<void>;
};

/** Opens or creates the channel and keeps `trust.json` as the ledger says it. */
export async function openSiteLedger(
  config: GatewayConfig,
  site: Site,
  clock: Clock,
): Promise<SiteLedger> {
  const paths = sitePaths(config.data_dir);
  const opened = existsSync(paths.channel)
    ? await openConsortiumLedger(config, { site, clock, channelFile: paths.channel })
    : await openOwnLedger(config, site, clock);
  const trust = encodeTrustPolicy(opened.ledger.trustPolicy);
  if (!existsSync(paths.trust) || readFileSync(paths.trust, "utf8") !== trust) {
    writeFileDurable(paths.trust, utf8(trust), 0o644);
  }
  return opened;
}

/** One organisation, one validator, embedded in the gateway. */
async function openOwnLedger(config: GatewayConfig, site: Site, clock: Clock): Promise<SiteLedger> {
  const { organisation, consortium, channel } = config;
  const paths = sitePaths(config.data_dir);
  const ledger = await openSoloLedger({
    path: paths.ledger,
    votesPath: paths.votes,
    crypto: nodeCrypto,
    clock,
    validatorKey: site.validatorKey,
    openChannel: async () => {
      const created = await createChannel(
        { crypto: nodeCrypto, signer: caSigner(site.ca) },
        {
          consortium,
          channel,
          organisation,
          incarnation: new Uint8Array(randomBytes(16)),
          organisations: [{ name: organisation, ca: site.ca.certificate() }],
          validators: [
            { name: validatorName(), organisation, publicKey: site.validatorKey.publicKey },
          ],
          at: clock.now(),
        },
      );
      return created.transaction;
    },
  });
  return { ledger, consensus: ledger, close: () => ledger.close() };
}

/** The CA's key as what opens channels and revokes devices. */
export function caSigner(ca: SiteCa) {
  const certificate = parseCertificate(ca.certificate());
  const parsed = present(certificate.ok ? certificate.value : undefined, "our own CA certificate");
  return { publicKey: parsed.publicKey, sign: (bytes: Uint8Array) => ca.sign(bytes) };
}

function validatorName(): Identifier {
  const name = parseIdentifier("validator-1");
  return present(name.ok ? name.value : undefined, "name of the validator");
}
