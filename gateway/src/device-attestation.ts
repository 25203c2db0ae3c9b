/** In which state each device was last seen, judged anew from what is in the lane: nothing of it is kept elsewhere. */

import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseTpmAttest } from "@tamga/ledger-core/tpm/tpm-attest";
import type { Evidence } from "@tamga/ledger-core/wire/attestation-evidence";
import { statusOf } from "@tamga/ledger-core/wire/attestation-result";
import { parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { openEvidence } from "@tamga/ledger-core/wire/evidence-statement";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { appraise, clockAheadMax } from "./attestation/appraise.ts";
import type { ReferenceValues } from "./attestation/reference-values.ts";
import { decodeBodyBounded } from "./lane/body-codec.ts";
import type { SqliteLane } from "./lane/sqlite-lane.ts";
import type { StatementRow } from "./lane/statement-rows.ts";
import { attestedDevicesMax, evidenceLookedAtMax } from "./limits.ts";
import { requirePcrs } from "./reference-file.ts";

/**
 * `none`: enrolled without a TPM. `pending`: no evidence in the lane yet. `refused`: the newest cannot be believed.
 * `stale`: it was good once, and is older than the reference values' `max_age`. The others are the result's.
 */
export const attestationStates = [
  "none",
  "pending",
  "affirming",
  "warning",
  "contraindicated",
  "refused",
  "stale",
] as const;
export type AttestationState = (typeof attestationStates)[number];

export type DeviceAttestation = {
  readonly state: AttestationState;
  /** Stable code of why it is not affirming; null where there is none. */
  readonly code: string | null;
  /** By the device's clock, which the quote binds; null without evidence. */
  readonly statedAt: string | null;
};

type Judged = Pick<DeviceAttestation, "state" | "code"> & { readonly issuedAt: number };
type Candidate = {
  readonly bytes: Uint8Array;
  readonly evidence: Evidence;
  readonly row: StatementRow;
};

export type DeviceAttestationOptions = {
  readonly references: ReferenceValues;
  /** The TPM that a device was enrolled with, as the registry has it. */
  readonly registry: {
    readonly tpmOf: (device: Identifier) => { readonly attestationKey: Uint8Array } | undefined;
  };
  /** Undefined of a channel that is stopped. */
  readonly laneOf: (device: Identifier) => SqliteLane | undefined;
};

export class DeviceAttestations {
  readonly #options: DeviceAttestationOptions;
  /** By device, with the newest leaf that was judged: a quote is checked once. */
  readonly #judged = new Map<Identifier, { readonly key: string; readonly judged: Judged }>();

  /** Throws REFERENCES_EMPTY: values that hold nothing to anything would affirm every boot. */
  constructor(options: DeviceAttestationOptions) {
    requirePcrs(options.references);
    this.#options = options;
  }

  /** @param nowSeconds since 1970. */
  of(device: Identifier, nowSeconds: number): DeviceAttestation {
    const { registry, laneOf, references } = this.#options;
    const claim = registry.tpmOf(device);
    if (claim === undefined) return { state: "none", code: null, statedAt: null };
    const lane = laneOf(device);
    const rows = lane?.evidence(device, evidenceLookedAtMax) ?? [];
    const newest = rows[0];
    if (lane === undefined || newest === undefined)
      return { state: "pending", code: null, statedAt: null };
    const key = `${newest.lane}/${newest.leafIndex}`;
    const known = this.#judged.get(device);
    const judged =
      known?.key === key
        ? known.judged
        : this.#judge(lane, rows, {
            device,
            attestationKey: claim.attestationKey,
          });
    this.#remember(device, { key, judged });
    const statedAt = new Date(judged.issuedAt * 1_000).toISOString();
    return { ...aged(judged, { nowSeconds, ageMax: references.ageMax }), statedAt };
  }

  #judge(
    lane: SqliteLane,
    rows: readonly StatementRow[],
    of: { readonly device: Identifier; readonly attestationKey: Uint8Array },
  ): Judged {
    const { references } = this.#options;
    const candidates = rows.flatMap((row) => candidateOf(lane, row) ?? []);
    const [newest] = candidates.toSorted((a, b) => orderOf(b.evidence) - orderOf(a.evidence));
    // Each was opened before it came into the lane.
    if (newest === undefined) return { state: "refused", code: "EVIDENCE_UNREADABLE", issuedAt: 0 };
    const { issuedAt } = newest.evidence;
    const log = logOf(lane, newest.row);
    const appraised = appraise(nodeCrypto, newest.bytes, {
      references,
      context: {
        ...of,
        // A claim is in the registry only where its maker's chain was verified at enrolment.
        isEndorsed: true,
        // Its age is judged at each look.
        now: issuedAt,
        ...(log === undefined ? {} : { log }),
        appraiser: { developer: "Tamga", build: "0.1.0" },
      },
    });
    if (!appraised.ok) return { state: "refused", code: appraised.fault.code, issuedAt };
    const { result, findings } = appraised.value;
    const platform = statusOf(result.modules.platform);
    const agent = statusOf(result.modules.agent);
    const code = findings[0]?.code ?? null;
    return {
      state: platform === "affirming" && agent === "warning" ? agent : platform,
      code,
      issuedAt,
    };
  }

  #remember(device: Identifier, entry: { readonly key: string; readonly judged: Judged }): void {
    this.#judged.delete(device);
    this.#judged.set(device, entry);
    const [oldest] = this.#judged.keys();
    if (this.#judged.size > attestedDevicesMax && oldest !== undefined) this.#judged.delete(oldest);
  }
}

/** What was good grows stale; what was not stays what it was. */
function aged(
  { state, code, issuedAt }: Judged,
  { nowSeconds, ageMax }: { readonly nowSeconds: number; readonly ageMax: number },
): Pick<DeviceAttestation, "state" | "code"> {
  if (state === "refused" || state === "contraindicated") return { state, code };
  if (issuedAt - nowSeconds > clockAheadMax)
    return { state: "refused", code: "EVIDENCE_FROM_FUTURE" };
  return nowSeconds - issuedAt > ageMax
    ? { state: "stale", code: "EVIDENCE_TOO_OLD" }
    : { state, code };
}

function candidateOf(lane: SqliteLane, row: StatementRow): Candidate | undefined {
  const bytes = lane.log(row.lane).entry(row.leafIndex);
  const statement = bytes === undefined ? undefined : parseStatement(bytes);
  if (statement === undefined || !statement.ok) return undefined;
  const { header, claims } = statement.value;
  const parsed = parseDeviceClaims("evidence", claims);
  const evidence = parsed.ok ? openEvidence(header, parsed.value) : undefined;
  if (!parsed.ok || evidence === undefined || !evidence.ok) return undefined;
  return { bytes: parsed.value.evidence, evidence: evidence.value, row };
}

/** A backlog may come after what is newer: the TPM's own count of resets and clock say which is the newest. */
function orderOf({ quote }: Evidence): number {
  const attest = parseTpmAttest(quote.attest);
  if (!attest.ok) return -1;
  const { resetCount, clock } = attest.value.clockInfo;
  return resetCount * 2 ** 44 + Number(clock);
}

function logOf(lane: SqliteLane, row: StatementRow): Uint8Array | undefined {
  const body = lane.body(row);
  const log = body === undefined ? undefined : decodeBodyBounded(body);
  return log?.ok === true ? log.value : undefined;
}
