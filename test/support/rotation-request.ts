/** A device's request for another signing key, made from the keys of a test's device. */

import { sign } from "node:crypto";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { KeyKind } from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { RotationMessage } from "@tamga/ledger-core/wire/key-rotation";
import { encodeKeyRotationClaims } from "@tamga/ledger-core/wire/key-rotation";
import { finishStatement, prepareStatement } from "@tamga/ledger-core/wire/statement";
import type { DeviceKeys } from "./device-keys.ts";
import { name } from "./wire-samples.ts";

export function kidOf({ signing }: Pick<DeviceKeys, "signing">) {
  return thumbprint((bytes) => nodeCrypto.sha256(bytes), signing.publicKey);
}

/**
 * @param part.tls whose TLS key is asked for; of the next keys where it is not given.
 * @param part.keyKind where the next key is said to be.
 */
export function rotationRequest(
  from: DeviceKeys,
  to: DeviceKeys,
  part: {
    readonly channel: Identifier;
    readonly now: UnixMillis;
    readonly keyKind?: KeyKind;
    readonly byNew?: DeviceKeys;
  },
): RotationMessage {
  const { channel, now, keyKind = "file", byNew = to } = part;
  const { signing, tls } = to.request;
  const claims = encodeKeyRotationClaims({
    from: kidOf(from),
    to: kidOf(to),
    keyKind,
    signing: nodeCrypto.sha256(signing),
    tls: nodeCrypto.sha256(tls),
    at: now,
  });
  const statement = (by: DeviceKeys) => {
    const unsigned = prepareStatement(
      {
        algorithm: "ES256",
        kid: kidOf(by),
        type: "key-rotation",
        channel,
        issuer: from.device,
        subject: name("keys"),
        issuedAt: Math.floor(now / 1_000),
      },
      claims,
    );
    const key = { key: by.signing.key, dsaEncoding: "ieee-p1363" } as const;
    const signature = new Uint8Array(sign("sha256", unsigned.toBeSigned, key));
    return finishStatement(unsigned, signature);
  };
  return { signing, tls, byOld: statement(from), byNew: statement(byNew) };
}
