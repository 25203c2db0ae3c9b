/** What an appraiser concluded: an EAR (draft-ietf-rats-ear) that the gateway signs as a CWT (WIRE.md §19.3). */

import type { Digest } from "../base/bytes.ts";
import { equal, fromHex, parseDigest, toHex } from "../base/bytes.ts";
import type { CborFault, CborValue } from "../base/cbor.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Algorithm, CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { algorithmOf, coseAlgorithms, signatureLengthFits, thumbprint } from "./algorithm.ts";
import type { CoseFault } from "./cose.ts";
import { encodeSign1, parseSign1, sigStructure } from "./cose.ts";
import type { FieldFault } from "./field-reader.ts";
import { FieldReader } from "./field-reader.ts";
import type { Identifier } from "./identifier.ts";
import { attestationNonceBytesMax, attestationResultBytesMax } from "./limits.ts";

export const resultProfile = "tag:ietf.org,2026:rats/ear#05";
export const resultType = `application/eat+cwt; eat_profile="${resultProfile}"`;
const typeFamily = 'application/eat+cwt; eat_profile="tag:ietf.org,2026:rats/ear#';
const secondsMax = 253_402_300_799;

/** Tiers of draft-ietf-rats-ar4si, §2.3.2, by their number. */
export const trustTiers = { none: 0, affirming: 2, warning: 32, contraindicated: 96 } as const;
export type TrustTier = keyof typeof trustTiers;

/** Claims of a trustworthiness vector (AR4SI §2.3.4), in the order of their keys. 0 says nothing. */
export const trustClaims = [
  "instance-identity",
  "configuration",
  "executables",
  "file-system",
  "hardware",
  "runtime-opaque",
  "storage-opaque",
  "sourced-data",
] as const;
export type TrustClaim = (typeof trustClaims)[number];
/** Each −128 to 127; a claim that is not here is 0. */
export type TrustVector = Partial<Readonly<Record<TrustClaim, number>>>;

/** What is appraised apart: what booted, and the agent's own code. */
export const appraisedModules = ["agent", "platform"] as const;
export type AppraisedModule = (typeof appraisedModules)[number];

export type AttestationResult = {
  readonly device: Identifier;
  /** Seconds since 1970, by the appraiser's clock. */
  readonly issuedAt: number;
  /** Name and version of the appraiser. */
  readonly appraiser: { readonly developer: string; readonly build: string };
  /** Of the evidence. */
  readonly nonce?: Uint8Array;
  readonly evidence: Digest;
  /** Of the reference values that the evidence was held to. */
  readonly references: Digest;
  readonly modules: Readonly<Record<AppraisedModule, TrustVector>>;
};

export type ResultFault =
  | CborFault
  | CoseFault
  | FieldFault
  | { readonly code: "RESULT_TYPE_UNKNOWN" | "RESULT_VERSION_UNKNOWN" }
  | { readonly code: "RESULT_KEY_MISMATCH" | "RESULT_SIGNATURE_WRONG" }
  /** A status that its own vector contradicts. */
  | { readonly code: "RESULT_STATUS_WRONG"; readonly module: AppraisedModule };

/** The tier that one claim's value is in (AR4SI §2.3.3); negative values are the appraiser's own and as trusted. */
export function tierOf(value: number): TrustTier {
  const size = value < 0 ? -value : value;
  if (size < 2) return "none";
  if (size < 32) return "affirming";
  return size < 96 ? "warning" : "contraindicated";
}

/** The worst tier of the claims that say something; `none` where none does. */
export function statusOf(vector: TrustVector): TrustTier {
  let worst: TrustTier = "none";
  for (const value of Object.values(vector)) {
    const tier = tierOf(value);
    if (trustTiers[tier] > trustTiers[worst]) worst = tier;
  }
  return worst;
}

/** One word for both modules: the platform's tier, but a warning where only the agent's own is one. */
export function overallTier({ agent, platform }: AttestationResult["modules"]): TrustTier {
  const tiers = { agent: statusOf(agent), platform: statusOf(platform) };
  return tiers.platform === "affirming" && tiers.agent === "warning" ? tiers.agent : tiers.platform;
}

/** The parts to sign: `toBeSigned` by the gateway's key, then {@link encodeSignedResult}. */
export function prepareResult(
  result: AttestationResult,
  key: { readonly algorithm: Algorithm; readonly kid: Digest },
): {
  readonly protectedBytes: Uint8Array;
  readonly payload: Uint8Array;
  readonly toBeSigned: Uint8Array;
} {
  const protectedBytes = encodeCbor(
    new Map<number, CborValue>([
      [1, coseAlgorithms[key.algorithm]],
      [4, key.kid],
      [16, resultType],
    ]),
  );
  const payload = encodeCbor(claimsOf(result));
  return { protectedBytes, payload, toBeSigned: sigStructure({ protectedBytes, payload }) };
}

export function encodeSignedResult(
  { protectedBytes, payload }: Omit<ReturnType<typeof prepareResult>, "toBeSigned">,
  signature: Uint8Array,
): Uint8Array {
  return encodeSign1({ protectedBytes, payload, signature });
}

/** Reads a result that this key signed. Faults: CBOR_*, COSE_*, FIELD_*, RESULT_*. */
export function verifyResult(
  crypto: CryptoPort,
  key: PublicKey,
  bytes: Uint8Array,
): Result<AttestationResult, ResultFault> {
  if (bytes.length > attestationResultBytesMax)
    return err({ code: "CBOR_TOO_LONG", limit: attestationResultBytesMax });
  const part = parseSign1(bytes);
  if (!part.ok) return part;
  const header = decodeCbor(part.value.protectedBytes, 1_024);
  if (!header.ok) return header;
  const fields = new FieldReader(header.value);
  const head = fields.finish({
    algorithm: algorithmOf(fields.raw(1)),
    kid: fields.digest(4),
    type: fields.text(16),
  });
  if (!head.ok) return head;
  const { algorithm, kid, type } = head.value;
  if (type !== resultType)
    return err({
      code: type.startsWith(typeFamily) ? "RESULT_VERSION_UNKNOWN" : "RESULT_TYPE_UNKNOWN",
    });
  const expected = thumbprint((message) => crypto.sha256(message), key);
  if (algorithm !== key.algorithm || !equal(kid, expected))
    return err({ code: "RESULT_KEY_MISMATCH" });
  const { signature } = part.value;
  if (
    !signatureLengthFits(key.algorithm, signature.length) ||
    !crypto.verify(key, sigStructure(part.value), signature)
  )
    return err({ code: "RESULT_SIGNATURE_WRONG" });
  const claims = decodeCbor(part.value.payload, attestationResultBytesMax);
  return claims.ok ? parseClaims(claims.value) : claims;
}

function claimsOf(result: AttestationResult): CborValue {
  const { appraiser, nonce, modules } = result;
  const appraisal = (vector: TrustVector) =>
    new Map<number, CborValue>([
      ...(nonce === undefined ? [] : [[10, nonce] as const]),
      [1000, trustTiers[statusOf(vector)]],
      [1001, new Map(trustClaims.map((claim, at) => [at, vector[claim] ?? 0]))],
      [1003, [`sha256:${toHex(result.references)}`]],
    ]);
  return new Map<number, CborValue>([
    [2, result.device],
    [6, result.issuedAt],
    [265, resultProfile],
    [266, new Map(appraisedModules.map((module) => [module, appraisal(modules[module])]))],
    [
      1004,
      new Map([
        [0, appraiser.developer],
        [1, appraiser.build],
      ]),
    ],
    [-70_006, result.evidence],
  ]);
}

type Appraisal = {
  readonly nonce?: Uint8Array;
  readonly status: number;
  readonly vector: TrustVector;
  readonly references: Digest;
};

function parseClaims(value: CborValue): Result<AttestationResult, ResultFault> {
  const fields = new FieldReader(value);
  if (fields.text(265) !== resultProfile) fields.refuse(265);
  const appraiser = fields.nested(1004);
  const named = { developer: appraiser.text(0, 64), build: appraiser.text(1, 64) };
  appraiser.close();
  const modules = fields.raw(266);
  const head = fields.finish({
    device: fields.identifier(2),
    issuedAt: fields.uint(6, secondsMax),
    appraiser: named,
    evidence: fields.digest(-70_006),
  });
  if (!head.ok) return head;
  if (!(modules instanceof Map) || modules.size !== appraisedModules.length)
    return err({ code: "FIELD_BAD", field: "266" });
  const agent = parseAppraisal(modules.get("agent"), "agent");
  if (!agent.ok) return agent;
  const platform = parseAppraisal(modules.get("platform"), "platform");
  if (!platform.ok) return platform;
  // Both are of one evidence, held to one set of values.
  const isSame =
    equal(agent.value.references, platform.value.references) &&
    equal(agent.value.nonce ?? new Uint8Array(), platform.value.nonce ?? new Uint8Array());
  if (!isSame) return err({ code: "FIELD_BAD", field: "266" });
  const { nonce, references } = platform.value;
  return ok({
    ...head.value,
    ...(nonce === undefined ? {} : { nonce }),
    references,
    modules: { agent: agent.value.vector, platform: platform.value.vector },
  });
}

function parseAppraisal(
  value: CborValue | undefined,
  module: AppraisedModule,
): Result<Appraisal, ResultFault> {
  const fields = new FieldReader(value, `266."${module}"`);
  const nonce = fields.has(10) ? { nonce: fields.bytes(10, attestationNonceBytesMax) } : {};
  const claims = fields.nested(1001);
  const vector = Object.fromEntries(
    trustClaims.map((claim, at) => [claim, claims.int(at, -128, 127)]),
  );
  claims.close();
  const [policy = ""] = fields.list(1003, 1, (item) => item.text(0));
  const digest = parseDigest(
    fromHex(policy.startsWith("sha256:") ? policy.slice(7) : "") ?? new Uint8Array(),
  );
  if (!digest.ok || policy.toLowerCase() !== policy) fields.refuse(1003);
  const parsed = fields.finish({ ...nonce, status: fields.uint(1000, 127), vector });
  if (!parsed.ok) return parsed;
  if (!digest.ok) return err({ code: "FIELD_BAD", field: `266."${module}".1003` });
  if (parsed.value.status !== trustTiers[statusOf(vector)])
    return err({ code: "RESULT_STATUS_WRONG", module });
  return ok({ ...parsed.value, references: digest.value });
}
