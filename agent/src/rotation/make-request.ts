/** Makes a request for the next signing key: both keys sign it (WIRE.md §12.4). */

import { present } from "@tamga/ledger-core/base/assert";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { RotationMessage, TpmKeyProof } from "@tamga/ledger-core/wire/key-rotation";
import { encodeKeyRotationClaims, rotationSubject } from "@tamga/ledger-core/wire/key-rotation";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { DeviceAddress } from "@tamga/ledger-core/wire/topic";
import { buildCsr } from "../signer/csr.ts";
import type { Signer } from "../signer/signer.ts";

export function kidOf(key: PublicKey) {
  return thumbprint((bytes) => nodeCrypto.sha256(bytes), key);
}

/**
 * @param part.tls PKCS#10 of the TLS key, which stays.
 * @param part.prove has the TPM certify the new key for these requests, where it is in one.
 * Throws what {@link Signer.sign} throws.
 */
export async function makeRotationRequest(
  { from, to }: { readonly from: Signer; readonly to: Signer },
  part: {
    readonly address: DeviceAddress;
    readonly tls: Uint8Array;
    readonly now: UnixMillis;
    readonly prove: (requests: {
      readonly signing: Uint8Array;
      readonly tls: Uint8Array;
    }) => Promise<TpmKeyProof | undefined>;
  },
  { signal }: { readonly signal: AbortSignal },
): Promise<RotationMessage> {
  const { address, tls, now } = part;
  const signing = await buildCsr(to, address.device, { signal });
  const tpm = await part.prove({ signing, tls });
  const claims = encodeKeyRotationClaims({
    from: kidOf(from.publicKey()),
    to: kidOf(to.publicKey()),
    keyKind: to.keyKind,
    signing: nodeCrypto.sha256(signing),
    tls: nodeCrypto.sha256(tls),
    at: now,
  });
  const sign = async (signer: Signer) => {
    const unsigned = prepareStatement(
      {
        algorithm: signer.algorithm,
        kid: kidOf(signer.publicKey()),
        type: "key-rotation",
        channel: address.channel,
        issuer: address.device,
        subject,
        issuedAt: Math.floor(now / 1_000),
      },
      claims,
    );
    return finishStatement(unsigned, await signer.sign(unsigned.toBeSigned, { signal }));
  };
  const byOld = await sign(from);
  const byNew = await sign(to);
  return { signing, tls, byOld, byNew, ...(tpm === undefined ? {} : { tpm }) };
}

const parsed = parseIdentifier(rotationSubject);
const subject = present(parsed.ok ? parsed.value : undefined, "subject of a rotation");
