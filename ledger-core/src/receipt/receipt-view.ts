/** A verified receipt as JSON values: bytes as hexadecimal, 64-bit counters as decimal strings. */

import type { Digest } from "../base/bytes.ts";
import { toHex } from "../base/bytes.ts";
import { dlmsUnits, formatQuantity } from "../wire/quantity.ts";
import type { Reading, RegisterValue } from "../wire/reading.ts";
import { obisText } from "./describe-receipt.ts";
import { organisationNames, trustPolicyDigest } from "./trust-policy.ts";
import type { VerifiedReceipt } from "./verify-receipt.ts";
import type { VerifiedSeal } from "./verify-seal.ts";

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** The object that `--json` prints; field names are those of {@link VerifiedReceipt}. */
export function viewReceipt(
  sha256: (bytes: Uint8Array) => Digest,
  receipt: VerifiedReceipt,
): JsonValue {
  const { policy, reading, final, gateway, ...plain } = receipt;
  return toJson({
    valid: true,
    ...plain,
    ...(reading && { reading: { ...reading, reading: viewReading(reading.reading) } }),
    gateway: { gateway: gateway.gateway, organisation: gateway.organisation },
    ...(final && {
      final: {
        notAfter: final.notAfter,
        revokedKeys: final.revokedKeys,
        leafIndex: final.head.leafIndex,
        seal: final.head.seal,
        mlDsa: final.mlDsa,
      },
    }),
    trustPolicy: {
      consortium: policy.consortium,
      channel: policy.channel,
      organisations: organisationNames(policy),
      validators: policy.validators.length,
      quorum: policy.quorum,
      digest: trustPolicyDigest(sha256, policy),
    },
  });
}

/** The object for a bare checkpoint. */
export function viewSeal(seal: VerifiedSeal): JsonValue {
  return toJson({ valid: true, ...seal });
}

/** A fault's own fields, as they are. */
export function toJson(value: unknown): JsonValue {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.map(([key, item]) => [key, toJson(item)]));
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? value
    : null;
}

function viewReading(reading: Reading): unknown {
  const { registers, ...rest } = reading;
  return { ...rest, ...(registers && { registers: registers.map(viewRegister) }) };
}

/** As `tamga-agent decode --json` writes registers. */
function viewRegister({ key, value, status, captureTime }: RegisterValue): unknown {
  return {
    ...("obis" in key ? { obis: obisText(key.obis) } : { name: key.name }),
    ...("text" in value
      ? { value: value.text }
      : { value: formatQuantity(value.quantity), unit: dlmsUnits[value.quantity.unit] }),
    status,
    captureTime,
  };
}
