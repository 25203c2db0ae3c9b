/** Makes one signed statement of a device out of its claims. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { DeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { encodeDeviceClaims, statementTypeOf } from "@tamga/ledger-core/wire/device-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { DeviceAddress } from "@tamga/ledger-core/wire/topic";
import type { Signer } from "../signer/signer.ts";

/** Exact bytes, identity for chains, and the hash that a lane's leaf will have. */
export type SignedStatement = {
  readonly bytes: Uint8Array;
  readonly identity: Digest;
  readonly leaf: Digest;
};

export type StatementMaker = (
  part: { readonly stream: Identifier; readonly claims: DeviceClaims; readonly now: UnixMillis },
  options: { readonly signal: AbortSignal },
) => Promise<SignedStatement>;

/** The maker throws what {@link Signer.sign} throws. */
export function statementMaker(
  sha256: CryptoPort["sha256"],
  { signer, address }: { readonly signer: Signer; readonly address: DeviceAddress },
): StatementMaker {
  const hasher = treeHasher(sha256);
  const kid = thumbprint(sha256, signer.publicKey());
  return async ({ stream, claims, now }, { signal }) => {
    const header = {
      algorithm: signer.algorithm,
      kid,
      type: statementTypeOf(claims),
      channel: address.channel,
      issuer: address.device,
      subject: stream,
      issuedAt: Math.floor(now / 1000),
    };
    const unsigned = prepareStatement(header, encodeDeviceClaims(claims));
    const signature = await signer.sign(unsigned.toBeSigned, { signal });
    const bytes = finishStatement(unsigned, signature);
    return { bytes, identity: sha256(unsigned.toBeSigned), leaf: hasher.leaf(bytes) };
  };
}
