/** Whether an organisation's statements on device keys are valid. Pure. */

import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { RevocationReason } from "../wire/channel-claims.ts";
import { parseChannelClaims, revocationReasons } from "../wire/channel-claims.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import type { ParsedStatement } from "../wire/statement.ts";
import type { ChannelChange } from "./channel-content.ts";
import type { ChannelState } from "./channel-state.ts";
import type { TransactionFault } from "./transaction-fault.ts";

export function judgeRevocation(
  state: ChannelState,
  statement: ParsedStatement,
): Result<ChannelChange, TransactionFault> {
  const { memory, limits } = state.context;
  const { issuer } = statement.header;
  const cas = state.trust.trustedCas.filter((ca) => ca.name === issuer);
  if (cas.length === 0) return err({ code: "ORGANISATION_UNKNOWN", name: issuer });
  if (!cas.some((ca) => memory.verify(statement, ca.certificate.publicKey).ok))
    return err({ code: "SIGNATURE_WRONG" });
  const parsed = parseChannelClaims("device", statement.claims);
  if (!parsed.ok) return parsed;
  const { device, kid, reason, since } = parsed.value;
  const revoked = { kid, reason: revocationReasons.indexOf(reason), since: BigInt(since) };
  const known = state.revocations.find(kid);
  if (known !== undefined && !worsens(revoked, known))
    return err({ code: "KEY_REVOKED", revoked: known });
  const { revocationsMax } = limits;
  if (known === undefined && state.revocations.entries.length >= revocationsMax)
    return err({ code: "REVOCATIONS_FULL", limit: revocationsMax });
  return ok({ type: "key-revoked", device, revoked });
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
