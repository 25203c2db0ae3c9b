/** Opens a channel of the site: its own, or one that its consortium agreed on. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { lanParameters } from "@tamga/ledger-core/ledger/consensus-parameters";
import { createChannel } from "@tamga/ledger-core/ledger/create-channel";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import type { LedgerNode } from "@tamga/ledger-core/ledger/ledger-node";
import { openSoloLedgerIn } from "@tamga/ledger-core/ledger/open-solo-ledger";
import type { ReplicatedLedger } from "@tamga/ledger-core/ledger/replicated-ledger";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { isFirst } from "../channels.ts";
import type { GatewayConfig } from "../config.ts";
import { readChannelFile } from "../consortium/channel-file.ts";
import { readPemCertificates } from "../registry/pem-certificates.ts";
import type { SiteCa } from "../registry/site-ca.ts";
import type { Site } from "./site.ts";
import { pathsOf } from "./site.ts";

/** A channel's ledger, and what can be looked at beside its own status. */
export type SiteLedger = Ledger & Pick<ReplicatedLedger, "sight" | "governance" | "boundaries">;

/**
 * Opens or creates the channel in the node and keeps its `trust.json` as the ledger says it.
 *
 * @throws OperationalError CHANNEL_FILE_MISSING, CHANNEL_FILE_INVALID, FILE_UNWRITABLE, and what `LedgerNode` throws.
 */
export async function openSiteLedger(
  node: LedgerNode,
  config: GatewayConfig,
  { site, clock }: { readonly site: Site; readonly clock: Clock },
): Promise<SiteLedger> {
  const paths = pathsOf(config);
  // A further channel is never made by a mere start: its channel file may still be under way.
  const isAgreed = existsSync(paths.channel) || !isFirst(config);
  const ledger = isAgreed
    ? await openConsortiumLedger(node, config, site)
    : await openOwnLedger(node, config, { site, clock });
  const trust = encodeTrustPolicy(ledger.trustPolicy);
  if (!existsSync(paths.trust) || readFileSync(paths.trust, "utf8") !== trust) {
    writeFileDurable(paths.trust, utf8(trust), 0o644);
  }
  return ledger;
}

/** Of several organisations: votes, database, and what the network brings. */
async function openConsortiumLedger(
  node: LedgerNode,
  config: GatewayConfig,
  site: Site,
): Promise<SiteLedger> {
  const { transaction } = readChannelFile(config);
  return node.openLedger({
    path: pathsOf(config).ledger,
    validatorKey: site.validatorKey,
    self: config.gateway,
    parameters: { ...lanParameters, deltaMs: config.ledger.delta },
    snapshotEvery: config.ledger.snapshot_every_blocks,
    openChannel: async () => transaction,
  });
}

/** One organisation, one validator, embedded in the gateway. */
async function openOwnLedger(
  node: LedgerNode,
  config: GatewayConfig,
  { site, clock }: { readonly site: Site; readonly clock: Clock },
): Promise<SiteLedger> {
  const { organisation, consortium, channel } = config;
  return openSoloLedgerIn(node, {
    path: pathsOf(config).ledger,
    validatorKey: site.validatorKey,
    openChannel: async () => {
      const created = await createChannel(
        { crypto: nodeCrypto, signer: caSigner(site.ca) },
        {
          consortium,
          channel,
          organisation,
          incarnation: new Uint8Array(randomBytes(16)),
          organisations: [
            { name: organisation, ca: site.ca.certificate() },
            ...readPemCertificates(config.certificates.organisation_cas).map((ca) => ({
              name: organisation,
              ca,
            })),
          ],
          validators: [
            { name: validatorName(), organisation, publicKey: site.validatorKey.publicKey },
          ],
          at: clock.now(),
        },
      );
      return created.transaction;
    },
  });
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
