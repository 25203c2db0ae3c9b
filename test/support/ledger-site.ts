/** An organisation with a CA, and gateways with lanes in memory: what drives a ledger in tests. */

import { createPrivateKey, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { createChannel } from "@tamga/ledger-core/ledger/create-channel";
import { roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { RevocationReason } from "@tamga/ledger-core/wire/channel-claims";
import { encodeChannelClaims } from "@tamga/ledger-core/wire/channel-claims";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import type { LaneOpenClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { encodeGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { StatementType } from "@tamga/ledger-core/wire/statement";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import type { TestKey } from "./certificate-builder.ts";
import { createCertificate, createKey, keyOf } from "./certificate-builder.ts";
import { SparseLog } from "./sparse-log.ts";
import { name } from "./wire-samples.ts";

const sha256 = (bytes: Uint8Array): Digest => nodeCrypto.sha256(bytes);
const at = unixMillis(1_750_000_000_000);

export const site = {
  consortium: name("consortium.example"),
  channel: name("milk"),
  organisation: name("dairy"),
} as const;

/** Who signs a statement. */
export type Signer = { readonly issuer: Identifier; readonly key: TestKey };

export function signStatement(
  { issuer, key }: Signer,
  type: StatementType,
  claims: CborValue,
  header: { readonly subject?: Identifier; readonly channel?: Identifier } = {},
): Uint8Array {
  const ours = type === "lane-open" || type === "lane-head" ? "lane" : "channel";
  const unsigned = prepareStatement(
    {
      algorithm: key.algorithm,
      kid: thumbprint(sha256, key.publicKey),
      type,
      channel: header.channel ?? site.channel,
      issuer,
      subject: header.subject ?? name(ours),
      issuedAt: 1_750_000_000,
    },
    claims,
  );
  return finishStatement(unsigned, key.sign(unsigned.toBeSigned));
}

export class LedgerSite {
  readonly caKey: TestKey;
  readonly ca: Uint8Array;
  readonly organisation: Identifier;

  /**
   * @param directory where the CA's key stays, for a second process or a second run.
   * @param algorithm of a CA's key that is made now.
   */
  constructor(
    directory?: string,
    organisation: Identifier = site.organisation,
    algorithm: Algorithm = "ES256",
  ) {
    this.organisation = organisation;
    const file = directory === undefined ? undefined : join(directory, "ca.pem");
    if (file !== undefined && existsSync(file)) {
      this.caKey = keyOf("ES256", createPrivateKey(readFileSync(file, "utf8")));
    } else {
      this.caKey = createKey(algorithm);
      const pem = this.caKey.privateKey.export({ type: "pkcs8", format: "pem" });
      if (file !== undefined) writeFileSync(file, pem);
    }
    this.ca = createCertificate({ subject: organisation, publicKey: this.caKey, ca: true });
  }

  get signer() {
    const { publicKey, sign } = this.caKey;
    return { publicKey, sign: (bytes: Uint8Array) => Promise.resolve(sign(bytes)) };
  }

  /** The transaction that opens the channel, with these Ed25519 keys as its validators'. */
  async openChannel(...validators: readonly Uint8Array[]): Promise<Transaction> {
    const { transaction } = await createChannel(
      { crypto: nodeCrypto, signer: this.signer },
      {
        consortium: site.consortium,
        channel: site.channel,
        incarnation: new Uint8Array(randomBytes(16)),
        organisation: site.organisation,
        organisations: [{ name: site.organisation, ca: this.ca }],
        validators: validators.map((publicKey, i) => ({
          name: name(`dairy.validator-${i + 1}`),
          organisation: site.organisation,
          publicKey,
        })),
        at,
      },
    );
    return transaction;
  }

  gateway(text: string): TestGateway {
    return new TestGateway(this, name(text));
  }

  revoke(
    kid: Digest,
    says: { reason?: RevocationReason; since?: number; device?: string } = {},
  ): Transaction {
    const { reason = "retired", since = 1_000, device = "device-1" } = says;
    const claims = encodeChannelClaims({
      kind: "device",
      device: name(device),
      kid,
      reason,
      since: unixMillis(since),
    });
    const signer = { issuer: this.organisation, key: this.caKey };
    return {
      statement: signStatement(signer, "device", claims),
      consistency: [],
      certificates: [],
    };
  }
}

/** A gateway with one lane; a statement in it is any bytes. */
export class TestGateway {
  readonly name: Identifier;
  readonly key = createKey("ES256");
  readonly chain: readonly Uint8Array[];
  lane = new SparseLog();
  incarnation: Uint8Array = new Uint8Array(randomBytes(16));

  constructor({ caKey, organisation }: LedgerSite, gateway: Identifier) {
    this.name = gateway;
    this.chain = [
      createCertificate({
        subject: gateway,
        publicKey: this.key,
        issuer: { subject: organisation, key: caKey },
        uris: [roleUri("gateway", { channel: site.channel, name: gateway })],
      }),
    ];
  }

  get signer(): Signer {
    return { issuer: this.name, key: this.key };
  }

  get kid(): Digest {
    return thumbprint(sha256, this.key.publicKey);
  }

  /** The lane-open transaction, whose statement is also leaf 0 of the lane. */
  open(channelId: Digest, predecessor?: LaneOpenClaims["predecessor"]): Transaction {
    const claims = encodeGatewayClaims({
      kind: "lane-open",
      incarnation: this.incarnation,
      channelId,
      ...(predecessor === undefined ? {} : { predecessor }),
    });
    const statement = signStatement(this.signer, "lane-open", claims);
    if (this.lane.size === 0) this.lane.append(statement);
    return { statement, consistency: [], certificates: this.chain };
  }

  /** Begins a new lane, not yet opened. */
  restart(): void {
    this.lane = new SparseLog();
    this.incarnation = new Uint8Array(randomBytes(16));
  }

  /** Adds a statement to the lane. */
  grow(text = "statement"): void {
    this.lane.append(utf8(`${this.name} ${this.lane.size} ${text}`));
  }

  /** A lane-head over the lane as it is, proved from `from`. */
  head(revocations: TreeHead, from: TreeHead): Transaction {
    const consistency = this.lane.consistency(Number(from.size));
    return this.sayHead({ head: this.lane.head(), revocations, consistency });
  }

  /** A lane-head that says whatever it is told. */
  sayHead(says: {
    readonly head: TreeHead;
    readonly revocations: TreeHead;
    readonly consistency?: readonly Digest[];
    readonly incarnation?: Uint8Array;
  }): Transaction {
    const claims = encodeGatewayClaims({
      kind: "lane-head",
      incarnation: says.incarnation ?? this.incarnation,
      head: says.head,
      revocations: says.revocations,
    });
    const statement = signStatement(this.signer, "lane-head", claims);
    return { statement, consistency: says.consistency ?? [], certificates: [] };
  }
}
