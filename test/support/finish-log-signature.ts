/** Signs a log's head for tests. */

import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { nobleCrypto } from "@tamga/ledger-core/base/noble-crypto";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { LogHead, LogSignature } from "@tamga/ledger-core/wire/log-signature";
import { prepareLogSignature } from "@tamga/ledger-core/wire/log-signature";

export function finishLogSignature(
  head: LogHead,
  key: PublicKey,
  sign: (message: Uint8Array) => Uint8Array,
): LogSignature {
  const kid = thumbprint((bytes) => nobleCrypto.sha256(bytes), key);
  const { protectedBytes, toBeSigned } = prepareLogSignature(head, {
    algorithm: key.algorithm,
    kid,
  });
  return { protectedBytes, signature: sign(toBeSigned) };
}
