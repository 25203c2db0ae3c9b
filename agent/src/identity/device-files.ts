/** The files of an enrolled device in its data directory: read at start, written at enrolment and renewal. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import { enrolmentBytesMax } from "@tamga/ledger-core/wire/limits";
import { parseCertificatesPem } from "./pem.ts";

export const deviceFiles = {
  identity: "device.json",
  signingKey: "signing.key",
  tlsKey: "tls.key",
  signing: "signing.crt",
  tls: "tls.crt",
  ca: "ca.crt",
  trust: "trust.json",
  config: "agent.toml",
  outbox: "outbox.db",
  outboxKey: "outbox.key",
  gatewayChains: "gateway-chains.json",
  epochs: "epochs.tamga",
  owesKept: "gateway-wants-kept",
  rotation: "rotation.json",
  nextKey: "next-key.json",
  nextAnswer: "next-answer.json",
  httpAddress: "http.address",
} as const;

export function deviceFile(dataDir: string, name: keyof typeof deviceFiles): string {
  return join(dataDir, deviceFiles[name]);
}

/** Throws IDENTITY_MISSING where the file is not there, IDENTITY_UNREADABLE. */
export function readDeviceFile(dataDir: string, name: keyof typeof deviceFiles): Uint8Array {
  const file = deviceFile(dataDir, name);
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(file));
  } catch (cause) {
    const absent = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw absent
      ? new OperationalError(
          "IDENTITY_MISSING",
          `This device is not enrolled (${file} is missing): run tamga-agent enrol.`,
          { details: { file }, cause },
        )
      : unreadable(file, "cannot be read", cause);
  }
  if (bytes.length > enrolmentBytesMax) throw unreadable(file, "is too long");
  return bytes;
}

/** Throws as {@link readDeviceFile}; IDENTITY_UNREADABLE also where it holds no certificate. */
export function readChain(
  dataDir: string,
  name: "signing" | "tls" | "ca",
): readonly [Uint8Array, ...Uint8Array[]] {
  const text = new TextDecoder().decode(readDeviceFile(dataDir, name));
  const [leaf, ...rest] = parseCertificatesPem(text) ?? [];
  if (leaf === undefined)
    throw unreadable(deviceFile(dataDir, name), "holds no certificate in PEM");
  return [leaf, ...rest];
}

/** On disk when it returns. */
export function writeDeviceFile(
  dataDir: string,
  name: keyof typeof deviceFiles,
  text: string,
  mode = 0o644,
): void {
  writeFileDurable(deviceFile(dataDir, name), new TextEncoder().encode(text), mode);
}

export function unreadable(file: string, what: string, cause?: unknown): OperationalError {
  return new OperationalError(
    "IDENTITY_UNREADABLE",
    `${file} ${what}: restore it from a backup, or enrol the device again.`,
    { details: { file }, ...(cause === undefined ? {} : { cause }) },
  );
}
