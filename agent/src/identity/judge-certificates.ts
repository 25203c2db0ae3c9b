/** Judges certificates that a site gives to this device: its CA, this device, these keys. Pure. */

import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort, PublicKey } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import type { ChainFault, TrustedCa } from "@tamga/ledger-core/receipt/certificate-chain";
import { verifyChain } from "@tamga/ledger-core/receipt/certificate-chain";
import type { CertificateRole } from "@tamga/ledger-core/receipt/certificate-names";
import { isCertificateOf } from "@tamga/ledger-core/receipt/certificate-names";
import type { X509Certificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { CertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { DeviceAddress } from "@tamga/ledger-core/wire/topic";
import type { CertificateState } from "../uplink/uplink.ts";

/** Leaf certificates of both keys. */
export type DeviceCertificates = {
  readonly signing: X509Certificate;
  readonly tls: X509Certificate;
};

export type DeviceCertificateFault =
  | {
      readonly code: "CERTIFICATE_CHAIN_BAD";
      readonly which: "signing" | "tls";
      readonly cause: ChainFault;
    }
  | {
      readonly code: "CERTIFICATE_OTHER_DEVICE" | "CERTIFICATE_OTHER_KEY";
      readonly which: "signing" | "tls";
    };

/** Faults: CERTIFICATE_*. Dates are not looked at: a returning device may hold expired ones. */
export function judgeDeviceCertificates(
  crypto: CryptoPort,
  expected: {
    readonly address: DeviceAddress;
    /** Of the site: it certifies TLS keys, and signing keys where the organisation has no CA of its own. */
    readonly ca: TrustedCa;
    /** Those of the trust policy, which may certify signing keys. */
    readonly trustedCas: readonly TrustedCa[];
    readonly signingKey: PublicKey;
    readonly tlsKey: PublicKey;
  },
  chains: CertificateMessage,
): Result<DeviceCertificates, DeviceCertificateFault> {
  const { address, ca, trustedCas } = expected;
  const subject = { channel: address.channel, name: address.device };
  const judge = (
    which: "signing" | "tls",
    role: CertificateRole,
    key: PublicKey,
  ): Result<X509Certificate, DeviceCertificateFault> => {
    const cas = which === "signing" ? [ca, ...trustedCas] : [ca];
    const verified = verifyChain(crypto, chains[which], cas, {});
    if (!verified.ok) return err({ code: "CERTIFICATE_CHAIN_BAD", which, cause: verified.fault });
    const { leaf } = verified.value;
    if (!isCertificateOf(leaf, role, subject))
      return err({ code: "CERTIFICATE_OTHER_DEVICE", which });
    const kid = (of: PublicKey) => thumbprint((bytes) => crypto.sha256(bytes), of);
    return equal(kid(leaf.publicKey), kid(key))
      ? ok(leaf)
      : err({ code: "CERTIFICATE_OTHER_KEY", which });
  };
  const signing = judge("signing", "device", expected.signingKey);
  if (!signing.ok) return signing;
  const tls = judge("tls", "tls", expected.tlsKey);
  if (!tls.ok) return tls;
  return ok({ signing: signing.value, tls: tls.value });
}

/** Renewal is due in the last third of the life of the one that ends first. */
export function certificateState(
  certificates: DeviceCertificates,
  now: UnixMillis,
): CertificateState {
  const states = [certificates.signing, certificates.tls].map(({ notBefore, notAfter }) => {
    if (now > notAfter) return "expired";
    return 3 * (notAfter - now) <= notAfter - notBefore ? "due" : "valid";
  });
  return states.includes("expired") ? "expired" : states.includes("due") ? "due" : "valid";
}
