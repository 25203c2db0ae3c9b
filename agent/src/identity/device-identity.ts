/** Who this device is: its name, its certificates, its TLS key, the site's CA and the trust policy. */

import type { KeyObject } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { present } from "@tamga/ledger-core/base/assert";
import type { PublicKey } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Result } from "@tamga/ledger-core/base/result";
import { ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { fsyncDirectory } from "@tamga/ledger-core/daemon/state-dir";
import type { TrustedCa } from "@tamga/ledger-core/receipt/certificate-chain";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import type { CertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { DeviceAddress } from "@tamga/ledger-core/wire/topic";
import type { RenewMessage } from "@tamga/ledger-core/wire/uplink-message";
import { z } from "zod";
import { buildCsr, csrForTlsKey } from "../signer/csr.ts";
import { loadKeyFile } from "../signer/file-signer.ts";
import { publicKeyOf } from "../signer/public-key.ts";
import type { Signer } from "../signer/signer.ts";
import type { TlsCredentials } from "../uplink/dial.ts";
import type { CertificateState } from "../uplink/uplink.ts";
import {
  deviceFile,
  readChain,
  readDeviceFile,
  unreadable,
  writeDeviceFile,
} from "./device-files.ts";
import type { DeviceCertificateFault, DeviceCertificates } from "./judge-certificates.ts";
import { certificateState, judgeDeviceCertificates } from "./judge-certificates.ts";
import { encodeCertificatesPem } from "./pem.ts";

/** What device.json says; no secret is in it. */
export type DeviceRecord = {
  readonly device: Identifier;
  readonly channel: Identifier;
  readonly gateway: Identifier;
  readonly uplink: readonly string[];
  /** Key URI of the signing key. */
  readonly key: string;
};

export class DeviceIdentity {
  readonly record: DeviceRecord;
  readonly ca: TrustedCa;
  readonly policy: TrustPolicy;
  readonly #dataDir: string;
  readonly #tlsKey: KeyObject;
  #signingKey: PublicKey;
  #certificates: DeviceCertificates;
  #tlsChain: readonly Uint8Array[];

  private constructor(parts: {
    readonly dataDir: string;
    readonly record: DeviceRecord;
    readonly ca: TrustedCa;
    readonly policy: TrustPolicy;
    readonly tlsKey: KeyObject;
    readonly signingKey: PublicKey;
    readonly certificates: DeviceCertificates;
    readonly tlsChain: readonly Uint8Array[];
  }) {
    this.#dataDir = parts.dataDir;
    this.record = parts.record;
    this.ca = parts.ca;
    this.policy = parts.policy;
    this.#tlsKey = parts.tlsKey;
    this.#signingKey = parts.signingKey;
    this.#certificates = parts.certificates;
    this.#tlsChain = parts.tlsChain;
  }

  /**
   * Throws IDENTITY_MISSING, IDENTITY_UNREADABLE, IDENTITY_MISMATCH (certificates and keys that do not
   * belong together), and KEY_FILE_* for the TLS key.
   */
  static async load(dataDir: string, signer: Pick<Signer, "publicKey">): Promise<DeviceIdentity> {
    const record = readDeviceRecord(dataDir);
    const policy = readTrustPolicy(dataDir);
    const ca = parseCa(dataDir, record);
    const tlsKey = await loadKeyFile(deviceFile(dataDir, "tlsKey"));
    const tlsPublicKey = publicKeyOf(tlsKey);
    if (tlsPublicKey === undefined)
      throw unreadable(deviceFile(dataDir, "tlsKey"), "is neither a P-256 nor an Ed25519 key");
    const tlsChain = readChain(dataDir, "tls");
    const signingKey = signer.publicKey();
    const judged = judgeDeviceCertificates(
      nodeCrypto,
      { address: record, ca, trustedCas: policy.trustedCas, signingKey, tlsKey: tlsPublicKey },
      { signing: readChain(dataDir, "signing"), tls: tlsChain },
    );
    if (!judged.ok) {
      const { code, which } = judged.fault;
      throw new OperationalError(
        "IDENTITY_MISMATCH",
        `The ${which} certificate in ${dataDir} does not belong to this device and its key: ` +
          "correct the key in the configuration, or enrol the device again.",
        { details: { fault: code, which } },
      );
    }
    const certificates = judged.value;
    return new DeviceIdentity({
      dataDir,
      record,
      ca,
      policy,
      tlsKey,
      signingKey,
      certificates,
      tlsChain,
    });
  }

  get address(): DeviceAddress {
    return this.record;
  }

  get certificates(): DeviceCertificates {
    return this.#certificates;
  }

  credentials(): TlsCredentials {
    return {
      key: this.#tlsKey.export({ type: "pkcs8", format: "pem" }).toString(),
      certificate: encodeCertificatesPem(this.#tlsChain),
      ca: encodeCertificatesPem([this.ca.certificate.der]),
    };
  }

  state(now: UnixMillis): CertificateState {
    return certificateState(this.#certificates, now);
  }

  /** New requests for the same two keys. Throws what {@link Signer.sign} throws. */
  async renewal(signer: Signer, options: { readonly signal: AbortSignal }): Promise<RenewMessage> {
    const { device } = this.record;
    return { signing: await buildCsr(signer, device, options), tls: await this.tlsRequest() };
  }

  /** PKCS#10 for the TLS key, which stays when the signing key changes. */
  tlsRequest(): Promise<Uint8Array> {
    return csrForTlsKey(this.#tlsKey, this.record.device);
  }

  /** Judges certificates for another signing key; nothing is kept. Faults: CERTIFICATE_*. */
  judgeNext(
    signingKey: PublicKey,
    message: CertificateMessage,
  ): Result<DeviceCertificates, DeviceCertificateFault> {
    const tlsKey = present(publicKeyOf(this.#tlsKey), "public half of the TLS key");
    const { trustedCas } = this.policy;
    const expected = { address: this.record, ca: this.ca, trustedCas, signingKey, tlsKey };
    return judgeDeviceCertificates(nodeCrypto, expected, message);
  }

  /** Goes on with another signing key, whose certificates are on disk. */
  adopt(
    signingKey: PublicKey,
    certificates: DeviceCertificates & { readonly tlsChain: readonly Uint8Array[] },
  ): void {
    const { signing, tls, tlsChain } = certificates;
    this.#signingKey = signingKey;
    this.#certificates = { signing, tls };
    this.#tlsChain = tlsChain;
  }

  /** Takes renewed certificates; they are on disk when this returns. Faults: CERTIFICATE_*. */
  renew(message: CertificateMessage): Result<DeviceCertificates, DeviceCertificateFault> {
    const judged = this.judgeNext(this.#signingKey, message);
    if (!judged.ok) return judged;
    // One before the other: after a crash in between both are still good on their own.
    writeDeviceFile(this.#dataDir, "signing", encodeCertificatesPem(message.signing));
    writeDeviceFile(this.#dataDir, "tls", encodeCertificatesPem(message.tls));
    this.#certificates = judged.value;
    this.#tlsChain = message.tls;
    return ok(judged.value);
  }

  /** Whether a gateway that lost data is still owed what is final; kept over restarts. */
  get owesKept(): boolean {
    return existsSync(deviceFile(this.#dataDir, "owesKept"));
  }

  set owesKept(value: boolean) {
    if (value) writeDeviceFile(this.#dataDir, "owesKept", "");
    else {
      rmSync(deviceFile(this.#dataDir, "owesKept"), { force: true });
      fsyncDirectory(this.#dataDir);
    }
  }
}

const recordSchema = z.strictObject({
  version: z.literal(1),
  device: z.string(),
  channel: z.string(),
  gateway: z.string(),
  uplink: z.array(z.string()).min(1).max(16),
  key: z.string(),
});

/** Throws IDENTITY_MISSING, IDENTITY_UNREADABLE. */
export function readDeviceRecord(dataDir: string): DeviceRecord {
  const file = deviceFile(dataDir, "identity");
  let json: unknown;
  const bytes = readDeviceFile(dataDir, "identity");
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw unreadable(file, "is not JSON", cause);
  }
  const parsed = recordSchema.safeParse(json);
  if (!parsed.success) throw unreadable(file, "does not describe a device");
  const { device, channel, gateway, uplink, key } = parsed.data;
  const names = [device, channel, gateway].map((text) => parseIdentifier(text));
  const [deviceName, channelName, gatewayName] = names;
  if (!deviceName?.ok || !channelName?.ok || !gatewayName?.ok)
    throw unreadable(file, "holds a name that is none");
  return {
    device: deviceName.value,
    channel: channelName.value,
    gateway: gatewayName.value,
    uplink,
    key,
  };
}

/** On disk when it returns; the last file of an enrolment, which makes it whole. */
export function writeDeviceRecord(dataDir: string, record: DeviceRecord): void {
  const { device, channel, gateway, uplink, key } = record;
  const content = { version: 1, device, channel, gateway, uplink, key };
  writeDeviceFile(dataDir, "identity", `${JSON.stringify(content, undefined, 2)}\n`);
}

/** Throws IDENTITY_MISSING, IDENTITY_UNREADABLE. */
export function readTrustPolicy(dataDir: string): TrustPolicy {
  const parsed = parseTrustPolicy(readDeviceFile(dataDir, "trust"));
  if (parsed.ok) return parsed.value;
  throw unreadable(deviceFile(dataDir, "trust"), `is no trust policy (${parsed.fault.code})`);
}

function parseCa(dataDir: string, record: DeviceRecord): TrustedCa {
  const parsed = parseCertificate(readChain(dataDir, "ca")[0]);
  if (!parsed.ok)
    throw unreadable(deviceFile(dataDir, "ca"), "holds a certificate of another kind");
  return { name: record.gateway, certificate: parsed.value };
}
