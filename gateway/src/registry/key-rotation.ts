/** Certifies a device's next signing key: what its present key and the next one ask for together (WIRE.md §12.4). */

import { equal } from "@tamga/ledger-core/base/bytes";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { certifyQualifier } from "@tamga/ledger-core/tpm/certify-qualifier";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type {
  RotationFault,
  RotationMessage,
  TpmKeyProof,
  VerifiedRotation,
} from "@tamga/ledger-core/wire/key-rotation";
import {
  encodeRotationMessage,
  parseRotationMessage,
  verifyRotation,
} from "@tamga/ledger-core/wire/key-rotation";
import type { RenewalOutcome } from "@tamga/ledger-core/wire/renewed-message";
import type { MessageFault } from "@tamga/ledger-core/wire/uplink-message";
import type { EnrolmentFault, EnrolmentParts, SiteFacts } from "./enrolment.ts";
import { issueCertificates, judgeKeys } from "./enrolment.ts";
import { judgeTpmKey } from "./judge-tpm-key.ts";
import type { DeviceKey } from "./key-row.ts";
import { isOfSiteCa } from "./organisation-certificate.ts";

/**
 * Which requests need no operator. `proven`: those that leave nothing weaker, a key file for a key file, and a key
 * that is proved to be in the TPM that the device was enrolled with. `automatic`: all; `operator`: none.
 */
export const rotationPolicies = ["proven", "operator", "automatic"] as const;
export type RotationPolicy = (typeof rotationPolicies)[number];

export type RotationRefusal =
  | RotationFault
  | EnrolmentFault
  /** A key that was replaced since asks for, or is, the device's next one. */
  | { readonly code: "ROTATION_REPLAYED" }
  /** The device was enrolled with no TPM, so nobody knows this attestation key. */
  | { readonly code: "ROTATION_TPM_UNKNOWN" };

type Asked = { readonly device: Identifier; readonly message: RotationMessage };
type Judged = {
  readonly rotation: VerifiedRotation;
  /** Of the device, in the order of their admission. */
  readonly keys: readonly DeviceKey[];
  readonly isProven: boolean;
};

/**
 * Answers a request, which may come again until its answer has arrived. Faults: {@link RotationRefusal}, told to the
 * device by their code.
 */
export async function rotateKey(
  parts: EnrolmentParts & { readonly policy: RotationPolicy },
  site: SiteFacts,
  asked: Asked & { readonly now: UnixMillis },
): Promise<Result<RenewalOutcome, RotationRefusal>> {
  const judged = await judge(parts, site, asked);
  if (!judged.ok) return judged;
  const { rotation, keys, isProven } = judged.value;
  const { identity, claims } = rotation;
  const newest = keys.at(-1);
  const isNewest = (kid: Uint8Array) => newest !== undefined && equal(newest.kid, kid);
  if (isReplaced(keys, rotation)) return err({ code: "ROTATION_REPLAYED" });
  const said = parts.registry.rotations.find(identity);
  if (said !== undefined && said.type !== "waiting") return ok(said);
  // The next key signs already for whoever lost the answer; from a key that was replaced only an operator goes on.
  const isInOrder = isNewest(claims.from) || isNewest(claims.to);
  const { policy } = parts;
  const isFree = policy === "automatic" || (policy === "proven" && isProven);
  if (isInOrder && isFree) return certify(parts, site, { ...asked, rotation });
  parts.registry.rotations.wait(rowOf(asked, rotation));
  return ok({ type: "waiting" });
}

/** An operator lets a request that waits. Faults: DEVICE_UNKNOWN where none does; {@link RotationRefusal}. */
export async function approveRotation(
  parts: EnrolmentParts,
  site: SiteFacts,
  { device, now }: { readonly device: Identifier; readonly now: UnixMillis },
): Promise<Result<RenewalOutcome, RotationRefusal | MessageFault>> {
  const waiting = parts.registry.rotations.waiting().find((one) => one.device === device);
  if (waiting === undefined) return err({ code: "DEVICE_UNKNOWN" });
  const message = parseRotationMessage(waiting.message);
  if (!message.ok) return message;
  return approveAsked(parts, site, { device, message: message.value, now });
}

/** An operator lets a request that he holds in his hand; asked again he gets the same. Faults: {@link RotationRefusal}. */
export async function approveAsked(
  parts: EnrolmentParts,
  site: SiteFacts,
  asked: Asked & { readonly now: UnixMillis },
): Promise<Result<RenewalOutcome, RotationRefusal>> {
  const judged = await judge(parts, site, asked);
  if (!judged.ok) return judged;
  const { rotation, keys } = judged.value;
  if (isReplaced(keys, rotation)) return err({ code: "ROTATION_REPLAYED" });
  const said = parts.registry.rotations.find(rotation.identity);
  return said?.type === "certified" ? ok(said) : certify(parts, site, { ...asked, rotation });
}

/** Certified before, and replaced since: whoever brings it back has an old request, or an old key. */
function isReplaced(keys: readonly DeviceKey[], { claims }: VerifiedRotation): boolean {
  const at = keys.findIndex(({ kid }) => equal(kid, claims.to));
  return at !== -1 && at < keys.length - 1;
}

async function judge(
  { ca, registry, tpmRoots = [] }: EnrolmentParts,
  { channel, gateway }: SiteFacts,
  { device, message }: Asked,
): Promise<Result<Judged, RotationRefusal>> {
  const keys = registry.keysOf(device);
  if (keys.length === 0) return err({ code: "RENEWAL_DEVICE_UNKNOWN" });
  if (keys.some(({ revoked }) => revoked !== undefined)) return err({ code: "DEVICE_REVOKED" });
  const { signing, tls } = message;
  const to = await judgeKeys({ device, signing, tls });
  if (!to.ok) return to;
  const rotation = verifyRotation(nodeCrypto, message, {
    address: { channel, device },
    keyOf: (kid) => keys.find((key) => equal(key.kid, kid))?.publicKey,
    to: to.value,
  });
  if (!rotation.ok) return rotation;
  const { keyKind, from } = rotation.value.claims;
  const holder = registry.key(to.value.kid)?.device;
  if (holder !== undefined && holder !== device) return err({ code: "DEVICE_KEY_TAKEN" });
  const old = keys.find((key) => equal(key.kid, from));
  // What another CA certified the site's own does not go on certifying by itself.
  const isOurs = old !== undefined && isOfSiteCa(old.chain, ca.certificate(), gateway);
  const claim = registry.tpmOf(device);
  if (message.tpm === undefined) {
    if (keyKind === "tpm") return err({ code: "TPM_CLAIM_MISSING" });
    // From a file to a file nothing is lost; a key of a known TPM is one only with that TPM's word.
    const isFile = claim === undefined && old?.keyKind === "file" && keyKind === "file";
    return ok({ rotation: rotation.value, keys, isProven: isOurs && isFile });
  }
  if (claim === undefined) return err({ code: "ROTATION_TPM_UNKNOWN" });
  const proof: TpmKeyProof = message.tpm;
  const qualifier = certifyQualifier(nodeCrypto, { device, signing, tls });
  const shown = judgeTpmKey({ ...claim, ...proof }, { key: to.value.key, qualifier }, tpmRoots);
  return shown.ok ? ok({ rotation: rotation.value, keys, isProven: isOurs }) : shown;
}

async function certify(
  { ca, registry }: EnrolmentParts,
  site: SiteFacts,
  asked: Asked & { readonly now: UnixMillis; readonly rotation: VerifiedRotation },
): Promise<Result<RenewalOutcome, RotationRefusal>> {
  const { device, message, now, rotation } = asked;
  const { signing, tls } = message;
  const { keyKind } = rotation.claims;
  const issued = await issueCertificates(ca, site, { device, keyKind, signing, tls, now });
  if (!issued.ok) return issued;
  const outcome: RenewalOutcome = { type: "certified", certificates: issued.value.message };
  const row = rowOf(asked, rotation);
  const admitted = registry.rotate(issued.value.key, issued.value.tls, { ...row, outcome });
  return admitted.ok ? ok(outcome) : admitted;
}

function rowOf(
  { device, message, now }: Asked & { readonly now: UnixMillis },
  { identity, claims }: VerifiedRotation,
) {
  const { from, to } = claims;
  const bytes = encodeRotationMessage(message);
  return { request: identity, device, from, to, message: bytes, at: now };
}
