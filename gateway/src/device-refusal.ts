/** What the `devices` commands say where they do not do what was asked. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { printable } from "@tamga/ledger-core/receipt/printable";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { tpmSentences } from "./registry/tpm-sentences.ts";

/** @throws OperationalError USAGE_DEVICE_BAD. */
export function parseDevice(text: string): Identifier {
  const parsed = parseIdentifier(text);
  if (parsed.ok) return parsed.value;
  throw new OperationalError(
    "USAGE_DEVICE_BAD",
    "A device id has 1 to 64 of the characters A-Z a-z 0-9 . _ -",
  );
}

const sentences: Readonly<Record<string, string>> = {
  DEVICE_UNKNOWN: "is not known here: let it enrol first",
  CERTIFICATE_CHAIN_BAD:
    "does not get this certificate: its chain is not a good one up to a CA of the channel's trust policy",
  CERTIFICATE_OTHER_ORGANISATION:
    "does not get this certificate: another organisation's CA issued it",
  CERTIFICATE_OTHER_DEVICE:
    "does not get this certificate: it is not for this device in this channel; see `devices csr`",
  CERTIFICATE_OTHER_KEY: "does not get this certificate: it is for another key than the request's",
  CERTIFICATE_OTHER_KIND:
    "does not get this certificate: it says another kind of key than the request; see `devices csr`",
  CERTIFICATE_OUT_OF_TIME: "does not get this certificate: it, or a CA above it, is not valid now",
  DEVICE_REVOKED: "was revoked, for ever: enrol it under another id",
  DEVICE_KEYS_FULL: "has as many keys as it may: revoke it, or use one that it has",
  DEVICE_KEY_TAKEN:
    "has the key of another device, as a copied card has: make new keys on it and enrol it again",
  ENROLMENT_OTHER_KEY: "asks with another key: see `devices list`; nothing was approved",
  CSR_KEYS_EQUAL: "has one key for statements and TLS: give it two and enrol it again",
  CSR_KEY_UNSUPPORTED: "has a key of a kind that nobody verifies: use P-256, Ed25519 or RSA",
  CSR_SIGNATURE_WRONG: "sent a request that its key did not sign: enrol it again",
  CSR_WRONG_NAME: "sent a request under another name: enrol it again",
};

/** @param detail the issuer at which a TPM's chain ends, or the code of what is wrong with a chain. */
export function refused(code: string, what: string, detail = ""): OperationalError {
  const tpm = tpmSentences[code];
  const named = detail === "" ? "" : ` Its chain ends at: ${printable(detail)}.`;
  if (tpm !== undefined) return new OperationalError(code, `${what} was refused. ${tpm}${named}`);
  const why = detail === "" ? "" : ` (${detail})`;
  return new OperationalError(code, `${what} ${sentences[code] ?? "was refused"}${why}.`);
}
