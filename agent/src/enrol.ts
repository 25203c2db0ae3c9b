/** Makes a device's keys and its enrolment request, and takes the site's answer in. */

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import type { Algorithm } from "@tamga/ledger-core/base/crypto-port";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { ensureDir, lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { groupedHex, trustPolicyDigest } from "@tamga/ledger-core/receipt/trust-policy";
import { parseTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy-file";
import { parseCertificate } from "@tamga/ledger-core/receipt/x509-certificate";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import type { EnrolmentAnswer } from "@tamga/ledger-core/wire/enrolment";
import {
  encodeEnrolmentRequest,
  parseEnrolmentAnswer,
  parseSealedAnswer,
} from "@tamga/ledger-core/wire/enrolment";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { profiles } from "./config.ts";
import { deviceFile, writeDeviceFile } from "./identity/device-files.ts";
import { readTrustPolicy, writeDeviceRecord } from "./identity/device-identity.ts";
import { judgeDeviceCertificates } from "./identity/judge-certificates.ts";
import { encodeCertificatesPem } from "./identity/pem.ts";
import { makeTpmClaim, openSealedAnswer } from "./identity/tpm-claim.ts";
import { outboxMigrations } from "./outbox/outbox-schema.ts";
import { buildCsr, csrForTlsKey } from "./signer/csr.ts";
import { loadKeyFile, openFileSigner } from "./signer/file-signer.ts";
import { parseKeyUri } from "./signer/key-uri.ts";
import { openSigner } from "./signer/open-signer.ts";
import { publicKeyOf } from "./signer/public-key.ts";
import { starterConfig } from "./starter-config.ts";
import { parseUplinkUri } from "./uplink/uplink-uri.ts";

export type EnrolmentKeys = {
  readonly dataDir: string;
  /** Key URI of the signing key. */
  readonly key: string;
  readonly profile: (typeof profiles)[number];
  /** Of a signing key that is made now; ES256 where it is not given. */
  readonly algorithm?: Algorithm | undefined;
  /** DER, of the maker of this device's TPM: what the TPM itself does not hold. */
  readonly certificates?: readonly Uint8Array[];
};

/** The key URI where none is given: a file in the data directory. */
export function defaultKey(dataDir: string): string {
  return `file:${join(resolve(dataDir), "signing.key")}`;
}

/**
 * Makes both keys where there are none and writes the request for them. Keys that exist are used again,
 * so asking twice is harmless. Throws KEY_*, TOKEN_*, PIN_*, FILE_*.
 *
 * @returns the text of the request file, and the signing key's thumbprint (RFC 9679) in hexadecimal:
 *   the operator's `devices list` shows the same one, unless somebody else asked under this name.
 */
export async function makeRequest(
  device: Identifier,
  { dataDir, key, profile, algorithm, certificates = [] }: EnrolmentKeys,
  { signal }: { readonly signal: AbortSignal },
): Promise<{ readonly text: string; readonly thumbprint: string }> {
  ensureDir(dataDir, 0o700);
  const signer = await openSigner({ uri: key, profile, create: true, algorithm });
  try {
    const tlsKeyFile = deviceFile(dataDir, "tlsKey");
    // Makes the file where there is none; TLS itself takes the key from the file.
    await (await openFileSigner({ path: tlsKeyFile, create: true })).close();
    const request = {
      device,
      keyKind: signer.keyKind,
      signing: await buildCsr(signer, device, { signal }),
      tls: await csrForTlsKey(await loadKeyFile(tlsKeyFile), device),
    };
    const uri = parseKeyUri(key);
    const tpm =
      uri.ok && uri.value.scheme === "tpm"
        ? await makeTpmClaim(uri.value, request, { clock: new SystemClock(), signal, certificates })
        : undefined;
    const text = encodeEnrolmentRequest({ ...request, ...(tpm === undefined ? {} : { tpm }) });
    const kid = thumbprint((bytes) => nodeCrypto.sha256(bytes), signer.publicKey());
    return { text, thumbprint: toHex(kid) };
  } finally {
    await signer.close();
  }
}

/** An answer that was checked against this device's keys, and the digest that people compare. */
export type CheckedAnswer = {
  readonly answer: EnrolmentAnswer;
  readonly policy: TrustPolicy;
  /** Groups of four hexadecimal digits. */
  readonly trustDigest: string;
};

/**
 * Checks that an answer is for this device, these keys and one site. Throws ENROLMENT_ANSWER_BAD, and what
 * opening the keys throws. That the site is the right one only {@link requireTrust} can tell.
 */
export async function checkAnswer(
  text: string,
  keys: EnrolmentKeys,
  { signal }: { readonly signal: AbortSignal },
): Promise<CheckedAnswer> {
  const parsed = parseEnrolmentAnswer(await plainAnswer(text, keys, { signal }));
  if (!parsed.ok) throw badAnswer(parsed.fault.code, parsed.fault.field);
  const answer = parsed.value;
  const policy = parseTrustPolicy(new TextEncoder().encode(answer.trust));
  if (!policy.ok) throw badAnswer(policy.fault.code, "trust");
  if (policy.value.channel !== answer.channel) throw badAnswer("TRUST_OTHER_CHANNEL", "trust");
  const ca = parseCertificate(answer.ca);
  if (!ca.ok) throw badAnswer(ca.fault.code, "ca");
  for (const uri of answer.uplink)
    if (!parseUplinkUri(uri).ok) throw badAnswer("UPLINK_URI_MALFORMED", "uplink");
  if (answer.uplink.length === 0) throw badAnswer("UPLINK_MISSING", "uplink");
  const signer = await openSigner({ uri: keys.key, profile: keys.profile, create: false });
  try {
    const tlsKey = publicKeyOf(await loadKeyFile(deviceFile(keys.dataDir, "tlsKey")));
    if (tlsKey === undefined) throw badAnswer("KEY_UNSUPPORTED", "tlsChain");
    const judged = judgeDeviceCertificates(
      nodeCrypto,
      {
        address: answer,
        ca: { name: answer.gateway, certificate: ca.value },
        trustedCas: policy.value.trustedCas,
        signingKey: signer.publicKey(),
        tlsKey,
      },
      { signing: answer.signingChain, tls: answer.tlsChain },
    );
    if (!judged.ok) throw badAnswer(judged.fault.code, `${judged.fault.which}Chain`);
  } finally {
    await signer.close();
  }
  const digest = trustPolicyDigest(nodeCrypto.sha256, policy.value);
  return { answer, policy: policy.value, trustDigest: groupedHex(digest) };
}

/** An answer that is sealed for this device's TPM is opened there; any other text is given back. */
async function plainAnswer(
  text: string,
  { key }: EnrolmentKeys,
  { signal }: { readonly signal: AbortSignal },
): Promise<string> {
  const sealed = parseSealedAnswer(text);
  const uri = parseKeyUri(key);
  if (!sealed.ok || !uri.ok || uri.value.scheme !== "tpm") return text;
  const user = { clock: new SystemClock(), signal };
  const opened = await openSealedAnswer(uri.value, sealed.value, user);
  if (!opened.ok) throw badAnswer(opened.fault.code, "sealed");
  return opened.value;
}

/** Throws ENROLMENT_TRUST_MISMATCH unless `expected` (hexadecimal, blanks and case aside) is the digest. */
export function requireTrust(checked: CheckedAnswer, expected: string): void {
  const plain = (text: string) => text.replace(/\s/g, "").toLowerCase();
  if (plain(expected) === plain(checked.trustDigest)) return;
  throw new OperationalError(
    "ENROLMENT_TRUST_MISMATCH",
    `The answer's trust policy has the digest ${checked.trustDigest}, not the one that was given: ` +
      "somebody else may have answered. Nothing was taken over.",
    { details: { digest: toHex(trustPolicyDigest(nodeCrypto.sha256, checked.policy)) } },
  );
}

/**
 * Writes everything that `run` needs, durably; device.json comes last and makes it whole. A channel that
 * was opened anew has another history: what was verified of the old one no longer counts. Throws
 * DATA_DIR_IN_USE while the agent runs.
 *
 * @returns the path of agent.toml, and whether it was written: one that is there is left alone.
 */
export function writeEnrolment(
  { answer, policy }: CheckedAnswer,
  keys: EnrolmentKeys,
): { readonly config: string; readonly written: boolean } {
  const { dataDir } = keys;
  const lock = lockDataDir(dataDir);
  try {
    if (existsSync(deviceFile(dataDir, "outbox")) && !isSameChannel(dataDir, policy))
      forgetCheckpoint(dataDir);
    return writeFiles(answer, keys);
  } finally {
    lock.release();
  }
}

function writeFiles(answer: EnrolmentAnswer, { dataDir, key, profile }: EnrolmentKeys) {
  writeDeviceFile(dataDir, "ca", encodeCertificatesPem([answer.ca]));
  writeDeviceFile(dataDir, "trust", answer.trust);
  writeDeviceFile(dataDir, "signing", encodeCertificatesPem(answer.signingChain));
  writeDeviceFile(dataDir, "tls", encodeCertificatesPem(answer.tlsChain));
  const config = deviceFile(dataDir, "config");
  const written = !existsSync(config);
  const { device, channel, gateway, uplink } = answer;
  if (written) writeDeviceFile(dataDir, "config", starterConfig({ device, channel, profile, key }));
  writeDeviceRecord(dataDir, { device, channel, gateway, uplink, key });
  return { config, written };
}

/** False also where the old policy cannot be read. */
function isSameChannel(dataDir: string, policy: TrustPolicy): boolean {
  try {
    return equal(readTrustPolicy(dataDir).channelId, policy.channelId);
  } catch (error) {
    if (error instanceof OperationalError) return false;
    throw error;
  }
}

/** Else each head of the new history would look like a fork. */
function forgetCheckpoint(dataDir: string): void {
  const database = openDatabase(deviceFile(dataDir, "outbox"), { migrations: outboxMigrations });
  try {
    database.exec("UPDATE meta SET checkpoint_size = NULL, checkpoint_root = NULL");
  } finally {
    database.close();
  }
}

function badAnswer(fault: string, field: string): OperationalError {
  return new OperationalError(
    "ENROLMENT_ANSWER_BAD",
    `The answer cannot be used (${fault}${field === "" ? "" : ` in ${field}`}): it may be for another ` +
      "device or another key; ask the gateway's operator for a new one.",
    { details: { fault, field } },
  );
}
