/** Whether an organisation's statements on device keys are valid. Pure. */

import { present } from "../base/assert.ts";
import { equal, toHex } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { verifyChain } from "../receipt/certificate-chain.ts";
import { isCertificateOf, keyKindOf } from "../receipt/certificate-names.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { RevocationReason } from "../wire/channel-claims.ts";
import { parseChannelClaims, revocationReasons } from "../wire/channel-claims.ts";
import type { DeviceKeyClaims } from "../wire/governance-claims.ts";
import { parseGovernanceClaims } from "../wire/governance-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import { judgeApprovals, verifyOfficer } from "./officer.ts";
import type { TransactionFault } from "./transaction-fault.ts";
import type { TransactionGiven } from "./transaction-given.ts";

/** A key is revoked by the organisation that it belongs to; one that nobody enrolled, by any. */
export function judgeRevocation(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const { transaction, time } = given;
  const signer = verifyOfficer(state, statement, { chain: transaction.certificates, time });
  if (!signer.ok) return signer;
  const parsed = parseChannelClaims("device", statement.claims);
  if (!parsed.ok) return parsed;
  const { device, kid, reason, since } = parsed.value;
  const { organisation } = signer.value;
  const owner = ownerOf(state, parsed.value);
  if (owner !== undefined && owner !== organisation)
    return err({ code: "DEVICE_OTHER_ORGANISATION", organisation: owner });
  const revoked = { kid, reason: revocationReasons.indexOf(reason), since: BigInt(since) };
  const known = state.revocations.find(kid);
  if (known !== undefined && !worsens(revoked, known))
    return err({ code: "KEY_REVOKED", revoked: known });
  const { revocationsMax } = state.context.limits;
  if (known === undefined && state.revocations.entries.length >= revocationsMax)
    return err({ code: "REVOCATIONS_FULL", limit: revocationsMax });
  const approved = judgeApprovals(state, statement, {
    ...given,
    kind: "device",
    signer: signer.value,
  });
  if (!approved.ok) return approved;
  return ok({ type: "key-revoked", device, revoked });
}

/** To whom a key belongs: as it was enrolled, or as the gateway's open lane says; else as its name is. */
function ownerOf(
  state: ChannelState,
  { kid, device }: { readonly kid: Uint8Array; readonly device: Identifier },
): Identifier | undefined {
  const enrolled = state.deviceKeys.get(toHex(kid));
  if (enrolled !== undefined) return enrolled.organisation;
  for (const lane of state.lanes.values()) if (equal(lane.kid, kid)) return lane.organisation;
  return state.devices.get(device)?.organisation;
}

/** The device's certificate travels along: what the organisation states is what its CA certified. */
export function judgeDeviceKey(
  state: ChannelState,
  statement: ParsedStatement,
  given: TransactionGiven,
): Result<ChannelChange, TransactionFault> {
  const { time } = given;
  const signer = verifyOfficer(state, statement, { chain: [], time });
  if (!signer.ok) return signer;
  const parsed = parseGovernanceClaims("device-key", statement.claims);
  if (!parsed.ok) return parsed;
  const claims = parsed.value;
  const { organisation } = signer.value;
  const fault =
    judgeCertificate(state, claims, { ...given, organisation }) ??
    judgeEnrolment(state, claims, organisation);
  if (fault !== undefined) return err(fault);
  const approved = judgeApprovals(state, statement, {
    ...given,
    kind: "device-key",
    signer: signer.value,
  });
  if (!approved.ok) return approved;
  const { device, kid, certificate, keyKind } = claims;
  return ok({
    type: "device-key-stated",
    device: { name: device, organisation, kid, certificate, keyKind },
  });
}

function judgeCertificate(
  state: ChannelState,
  { device, kid, certificate, keyKind }: DeviceKeyClaims,
  given: TransactionGiven & { readonly organisation: Identifier },
): TransactionFault | undefined {
  const { crypto } = state.context;
  const sha256 = (bytes: Uint8Array) => crypto.sha256(bytes);
  const { trustedCas, channel } = state.trust;
  const cas = trustedCas.filter(({ name }) => name === given.organisation);
  const chain = given.transaction.certificates;
  const verified = verifyChain(crypto, chain, cas, { at: given.time });
  if (!verified.ok) return { code: "DEVICE_CHAIN_BAD", cause: verified.fault };
  const { leaf } = verified.value;
  const certified =
    isCertificateOf(leaf, "device", { channel, name: device }) &&
    equal(sha256(present(chain[0], "leaf of a chain")), certificate) &&
    equal(thumbprint(sha256, leaf.publicKey), kid) &&
    keyKindOf(leaf) === keyKind;
  return certified ? undefined : { code: "DEVICE_CERTIFICATE_MISMATCH" };
}

function judgeEnrolment(
  state: ChannelState,
  { device, kid, certificate }: DeviceKeyClaims,
  organisation: Identifier,
): TransactionFault | undefined {
  const { devicesMax, deviceKeysMax } = state.context.limits;
  const known = state.devices.get(device);
  const key = state.deviceKeys.get(toHex(kid));
  const owner = known?.organisation ?? key?.organisation ?? organisation;
  if (owner !== organisation) return { code: "DEVICE_OTHER_ORGANISATION", organisation: owner };
  if (key !== undefined && key.device !== device)
    return { code: "DEVICE_KEY_OF_OTHER", device: key.device };
  const revoked = state.revocations.find(kid);
  if (revoked !== undefined) return { code: "KEY_REVOKED", revoked };
  if (known !== undefined && equal(known.certificate, certificate))
    return { code: "DEVICE_KEY_KNOWN" };
  if (known === undefined && state.devices.size >= devicesMax)
    return { code: "DEVICES_FULL", limit: devicesMax };
  if (key === undefined && state.deviceKeys.size >= deviceKeysMax)
    return { code: "DEVICE_KEYS_FULL", limit: deviceKeysMax };
  return undefined;
}

/**
 * A revocation may be made worse and never better: a retired key turns out to be compromised, or
 * compromised since an earlier time.
 */
function worsens(next: RevokedKey, known: RevokedKey): boolean {
  if (next.reason !== compromised) return false;
  return known.reason !== compromised || next.since < known.since;
}

const compromised = revocationReasons.indexOf("compromised" satisfies RevocationReason);
