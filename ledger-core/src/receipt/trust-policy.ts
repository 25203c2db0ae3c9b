/** The trust policy: which channel, whose CAs, which validators (WIRE.md §14). All trust starts here. */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { toBase64, toHex } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { encodeCbor } from "../base/cbor.ts";
import { isPrimeOrderKey } from "../base/ed25519-point.ts";
import { quorumOf } from "../base/quorum.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { SecondPublicKey, Validator } from "../wire/channel-claims.ts";
import { mlDsa44KeyBytes } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import { validatorsMax } from "../wire/limits.ts";
import { channelOrigin } from "../wire/log-origin.ts";
import type { TrustedCa } from "./certificate-chain.ts";
import type { CertificateFault } from "./x509-certificate.ts";
import { parseCertificate } from "./x509-certificate.ts";

/** What a trust policy says; CAs as DER. */
export type TrustPolicyContent = {
  readonly consortium: Identifier;
  readonly channel: Identifier;
  /** Identity of the channel-open statement. */
  readonly channelId: Digest;
  /** 16 bytes. */
  readonly channelIncarnation: Uint8Array;
  /** True when the channel was opened anew after a loss: its origin then names the incarnation. */
  readonly reopened: boolean;
  readonly organisations: readonly { readonly name: Identifier; readonly ca: Uint8Array }[];
  readonly validators: readonly Validator[];
  /** Cosignatures that seal a checkpoint: exactly `quorumOf(validators.length)`. */
  readonly quorum: number;
  /** Second keys, of validators that cosign with ML-DSA-44 beside Ed25519. */
  readonly mlDsa44?: MlDsaTrust;
};

export type MlDsaTrust = {
  /** Whether a checkpoint counts only where a quorum has cosigned it with these keys too. */
  readonly required: boolean;
  /** Of some validators, by name; 1,312 bytes each. */
  readonly keys: readonly SecondPublicKey[];
};

/** A judged policy; only {@link judgeTrustPolicy} makes it. */
export type TrustPolicy = Brand<
  TrustPolicyContent & {
    /** The name of the channel's log. */
    readonly origin: string;
    readonly trustedCas: readonly TrustedCa[];
  },
  "TrustPolicy"
>;

export type TrustPolicyFault =
  | { readonly code: "TRUST_NO_ORGANISATION" }
  | { readonly code: "TRUST_NO_VALIDATOR" }
  | { readonly code: "TRUST_TOO_MANY"; readonly limit: number }
  | { readonly code: "TRUST_NAME_REPEATED"; readonly name: string }
  | { readonly code: "TRUST_KEY_REPEATED"; readonly name: string }
  | { readonly code: "TRUST_KEY_BAD"; readonly name: string }
  | { readonly code: "TRUST_ORGANISATION_UNKNOWN"; readonly name: string }
  | {
      readonly code: "TRUST_CA_BAD";
      readonly name: string;
      readonly cause: CertificateFault | { readonly code: "CHAIN_ISSUER_NOT_CA" };
    }
  | { readonly code: "TRUST_ML_DSA_STRANGER"; readonly name: string }
  | { readonly code: "TRUST_ML_DSA_KEY_BAD"; readonly name: string }
  | { readonly code: "TRUST_ML_DSA_TOO_FEW"; readonly have: number; readonly needed: number }
  | { readonly code: "TRUST_QUORUM_TOO_SMALL"; readonly quorum: number; readonly needed: number }
  | { readonly code: "TRUST_QUORUM_TOO_LARGE"; readonly quorum: number; readonly needed: number };

/**
 * Judges a policy as a whole. An organisation may appear more than once, with one CA each, so that a
 * CA can be followed by another; validators are distinct by name and by key.
 * Faults: TRUST_*.
 */
export function judgeTrustPolicy(
  content: TrustPolicyContent,
): Result<TrustPolicy, TrustPolicyFault> {
  const { organisations, validators, quorum } = content;
  if (organisations.length === 0) return err({ code: "TRUST_NO_ORGANISATION" });
  if (validators.length === 0) return err({ code: "TRUST_NO_VALIDATOR" });
  if (organisations.length > validatorsMax || validators.length > validatorsMax)
    return err({ code: "TRUST_TOO_MANY", limit: validatorsMax });
  const trustedCas: TrustedCa[] = [];
  for (const { name, ca } of organisations) {
    const parsed = parseCertificate(ca);
    if (!parsed.ok) return err({ code: "TRUST_CA_BAD", name, cause: parsed.fault });
    const { basicConstraints, keyUsage } = parsed.value;
    if (basicConstraints?.ca !== true || keyUsage?.keyCertSign !== true)
      return err({ code: "TRUST_CA_BAD", name, cause: { code: "CHAIN_ISSUER_NOT_CA" } });
    trustedCas.push({ name, certificate: parsed.value });
  }
  const fault = judgeValidators(content) ?? judgeMlDsa(content);
  if (fault !== undefined) return err(fault);
  const needed = quorumOf(validators.length);
  if (quorum < needed) return err({ code: "TRUST_QUORUM_TOO_SMALL", quorum, needed });
  if (quorum > needed) return err({ code: "TRUST_QUORUM_TOO_LARGE", quorum, needed });
  const origin = channelOrigin({ ...content, incarnation: content.channelIncarnation });
  return ok(mint<TrustPolicy>({ ...content, origin, trustedCas }));
}

function judgeValidators(content: TrustPolicyContent): TrustPolicyFault | undefined {
  const names = new Set<string>();
  const keys = new Set<string>();
  for (const { name, organisation, publicKey } of content.validators) {
    if (names.has(name)) return { code: "TRUST_NAME_REPEATED", name };
    if (keys.has(toHex(publicKey))) return { code: "TRUST_KEY_REPEATED", name };
    if (!isPrimeOrderKey(publicKey)) return { code: "TRUST_KEY_BAD", name };
    if (!content.organisations.some((known) => known.name === organisation))
      return { code: "TRUST_ORGANISATION_UNKNOWN", name: organisation };
    names.add(name);
    keys.add(toHex(publicKey));
  }
  return undefined;
}

/** Each second key is one validator's and no other's, and there are enough where they are required. */
function judgeMlDsa({ validators, mlDsa44 }: TrustPolicyContent): TrustPolicyFault | undefined {
  if (mlDsa44 === undefined) return undefined;
  const names = new Set<string>();
  const keys = new Set<string>();
  for (const { validator: name, publicKey } of mlDsa44.keys) {
    if (names.has(name)) return { code: "TRUST_NAME_REPEATED", name };
    if (keys.has(toHex(publicKey))) return { code: "TRUST_KEY_REPEATED", name };
    if (publicKey.length !== mlDsa44KeyBytes) return { code: "TRUST_ML_DSA_KEY_BAD", name };
    if (!validators.some((known) => known.name === name))
      return { code: "TRUST_ML_DSA_STRANGER", name };
    names.add(name);
    keys.add(toHex(publicKey));
  }
  const have = mlDsa44.keys.length;
  const needed = quorumOf(validators.length);
  return mlDsa44.required && have < needed
    ? { code: "TRUST_ML_DSA_TOO_FEW", have, needed }
    : undefined;
}

/** The organisations of a policy, each once, in its order. */
export function organisationNames(policy: TrustPolicyContent): readonly Identifier[] {
  return [...new Set(policy.organisations.map(({ name }) => name))];
}

/**
 * SHA-256 over the deterministic CBOR of what the policy says, so that white space in its file does not
 * count: what two people compare out of band before they trust a receipt.
 */
export function trustPolicyDigest(
  sha256: (bytes: Uint8Array) => Digest,
  policy: TrustPolicyContent,
): Digest {
  const fields = new Map<string, CborValue>([
    ["version", trustPolicyVersion],
    ["consortium", policy.consortium],
    ["channel", policy.channel],
    ["channelId", policy.channelId],
    ["channelIncarnation", policy.channelIncarnation],
    ["reopened", policy.reopened],
    ["organisations", policy.organisations.map(({ name, ca }) => [name, ca])],
    ["validators", policy.validators.map((v) => [v.name, v.organisation, v.publicKey])],
    ["quorum", policy.quorum],
  ]);
  if (policy.mlDsa44 !== undefined) {
    const { required, keys } = policy.mlDsa44;
    fields.set("mlDsa44", [required, keys.map((key) => [key.validator, key.publicKey])]);
  }
  return sha256(encodeCbor(fields));
}

export const trustPolicyVersion = 1;

/** A digest as people read it to each other: lower-case hexadecimal in groups of four. */
export function groupedHex(digest: Digest): string {
  return toHex(digest).replace(/(.{4})(?=.)/g, "$1 ");
}

/** `trust.json`, indented, with a line end. `trust-policy-file.ts` reads it. */
export function encodeTrustPolicy(policy: TrustPolicyContent): string {
  const content = {
    version: trustPolicyVersion,
    consortium: policy.consortium,
    channel: policy.channel,
    channelId: toHex(policy.channelId),
    channelIncarnation: toHex(policy.channelIncarnation),
    reopened: policy.reopened,
    organisations: policy.organisations.map(({ name, ca }) => ({ name, ca: toBase64(ca) })),
    validators: policy.validators.map(({ name, organisation, publicKey }) => ({
      name,
      organisation,
      publicKey: toBase64(publicKey),
    })),
    quorum: policy.quorum,
    ...(policy.mlDsa44 && {
      mlDsa44: {
        required: policy.mlDsa44.required,
        keys: policy.mlDsa44.keys.map(({ validator, publicKey }) => ({
          validator,
          publicKey: toBase64(publicKey),
        })),
      },
    }),
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}
