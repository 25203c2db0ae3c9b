/**
 * The appraiser of one channel (RFC 9334): asks devices for evidence, judges what comes into the lane, states
 * the result there and tells the device. What it knows it reads out of the lane, so a restart forgets nothing.
 */

import { present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { ReferenceValues } from "../attestation/reference-values.ts";
import type { AdmittedBatch } from "../ingest/admission-queue.ts";
import type { ResultAdmission } from "../lane/admission.ts";
import type { LanePlace } from "../lane/lane.ts";
import type { KeyedLaneSigner } from "../lane/lane-signer.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { attestedDevicesMax, challengeLookMs } from "../limits.ts";
import { raceAbort } from "../race-abort.ts";
import { requirePcrs } from "../reference-file.ts";
import type { AdmissionOrder, AdmissionPolicy } from "./admission-policy.ts";
import { orderFor } from "./admission-policy.ts";
import type { AttestedLinesOptions } from "./attested-lines.ts";
import { AttestedLines } from "./attested-lines.ts";
import { conclude, referencesOf } from "./conclude.ts";
import type { DeviceAttestation, Standing } from "./standing.ts";
import { readStanding, stateOf } from "./standing.ts";

export type AppraiserOptions = AttestedLinesOptions & {
  readonly lane: SqliteLane;
  readonly references: ReferenceValues;
  readonly registry: {
    /** The TPM that a device was enrolled with, after its maker's chain was verified. */
    readonly tpmOf: (device: Identifier) => Claim | undefined;
    /** Devices of this channel that may speak. */
    readonly devices: () => readonly Identifier[];
  };
  /** The gateway's key. */
  readonly signer: KeyedLaneSigner;
  /** Resolves after the commit that holds it. */
  readonly admit: (admission: ResultAdmission) => Promise<unknown>;
  readonly policy: AdmissionPolicy;
  readonly logger: Logger;
};

type Claim = { readonly attestationKey: Uint8Array };

export class Appraiser {
  readonly #options: AppraiserOptions;
  /** The least recently asked for first. */
  readonly #standings = new Map<Identifier, Standing>();
  /** Each statement asks; a device that was enrolled anew connects anew. */
  readonly #claims = new Map<Identifier, { readonly claim: Claim | undefined }>();
  readonly #lines: AttestedLines;
  /** Devices that may have evidence without a result. */
  readonly #waiting = new Set<Identifier>();
  /** Leaves of evidence up to which each device has its results. */
  readonly #answered = new Map<Identifier, LanePlace>();
  #wake: () => void = () => undefined;
  /** By device, what was last stated about it without new evidence. */
  readonly #marked = new Map<Identifier, string>();

  /** Throws REFERENCES_EMPTY: values that hold nothing to anything would affirm every boot. */
  constructor(options: AppraiserOptions) {
    requirePcrs(options.references);
    this.#options = options;
    this.#lines = new AttestedLines(options);
  }

  /** How the device stands. */
  of(device: Identifier): DeviceAttestation {
    const { references, clock } = this.#options;
    if (this.#claim(device) === undefined)
      return { state: "none", code: null, statedAt: null, asked: false };
    const nowSeconds = Math.floor(clock.now() / 1_000);
    return stateOf(this.#standing(device), { nowSeconds, ageMax: references.ageMax });
  }

  /**
   * What becomes of a statement that verified and goes to the lane next. Evidence and its stream are always
   * taken: nothing else would ever mend a state. Where the order is to mark, the mark goes to the lane first.
   */
  order(device: Identifier, stream: Identifier): AdmissionOrder {
    if (stream === attestationStream) return { rule: "accept", code: "" };
    const { state } = this.of(device);
    const order = orderFor(this.#options.policy, { state });
    if (order.rule === "mark" && (state === "pending" || state === "stale"))
      this.#mark(device, state);
    return order;
  }

  /** After a commit: notes new evidence, and tells devices what was concluded. */
  committed(batch: AdmittedBatch): void {
    for (const { admission, admitted } of batch) {
      if (admitted.outcome !== "accepted") continue;
      if (admission.kind === "statement" && admission.type === "evidence")
        this.#mayWait(admission.device);
      if (admission.kind !== "result") continue;
      const { device, state, codes } = admission;
      this.#standings.delete(device);
      const facts = { event: "device.appraised", device, state, codes } as const;
      if (state === "affirming") this.#options.logger.info(facts, "a device was appraised");
      else this.#options.logger.warn(facts, "a device's state is not affirmed");
      this.#lines.tell(device, this.#resultOf(device));
    }
  }

  /** A connection begins: nothing was sent on it, and the device may have been enrolled anew. */
  online(device: Identifier): void {
    this.#lines.offline(device);
    this.#claims.delete(device);
  }

  offline(device: Identifier): void {
    this.#lines.offline(device);
  }

  /** The device asked its first question on this connection, so it listens. */
  listens(device: Identifier): void {
    if (this.#claim(device) !== undefined) this.#lines.begin(device, this.#resultOf(device));
  }

  /** Judges what waits from before and what comes, and asks whoever is on the line now and then. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await Promise.race([this.#judgeAll(signal), this.#lines.run({ signal })]);
  }

  /** One piece of evidence of each device by turns: none keeps the others waiting. */
  async #judgeAll(signal: AbortSignal): Promise<void> {
    for (const device of this.#options.registry.devices()) {
      if (this.#claim(device) === undefined) continue;
      await this.#judgeAnew(device, signal);
      this.#waiting.add(device);
    }
    while (!signal.aborted) {
      const more = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      for (const device of [...this.#waiting]) await this.#judgeNext(device, signal);
      if (this.#waiting.size === 0) await raceAbort(more, signal);
    }
  }

  #mayWait(device: Identifier): void {
    if (this.#claim(device) === undefined) return;
    this.#waiting.add(device);
    this.#wake();
  }

  #standing(device: Identifier): Standing {
    const standing = this.#standings.get(device) ?? readStanding(this.#options.lane, device);
    return remember(this.#standings, device, standing);
  }

  #claim(device: Identifier): Claim | undefined {
    const known = this.#claims.get(device) ?? { claim: this.#options.registry.tpmOf(device) };
    return remember(this.#claims, device, known).claim;
  }

  /** Says once that statements from here on are taken without evidence that is good for them. */
  #mark(device: Identifier, state: "pending" | "stale"): void {
    const { lane } = this.#options;
    const { believed, newest } = this.#standing(device);
    const row = state === "stale" ? believed?.row.evidence : undefined;
    const key = `${state} ${row === undefined ? "" : keyOf(row)}`;
    if (this.#marked.get(device) === key) return;
    remember(this.#marked, device, key);
    const stated = newest?.row.evidence;
    const isStated = newest?.claims.state === state && keyOf(stated) === keyOf(row);
    if (isStated) return;
    const codes = state === "stale" ? ["EVIDENCE_TOO_OLD"] : ["EVIDENCE_MISSING"];
    const evidence =
      row === undefined ? {} : { evidence: { ...row, identity: identityAt(lane, row) } };
    // In one turn with the statement that it is about, which goes into the same queue behind it.
    this.#admit({ kind: "result", device, state, codes, ...evidence }).then(
      (isStored) => {
        if (!isStored) this.#marked.delete(device);
      },
      // What is no fault of the disk is the statement's fault too, which says it.
      () => this.#marked.delete(device),
    );
  }

  /** The oldest evidence of a device that has no result. */
  async #judgeNext(device: Identifier, signal: AbortSignal): Promise<void> {
    const [place] = this.#options.lane.results.unanswered(device, this.#answered.get(device), 1);
    if (place === undefined) {
      this.#waiting.delete(device);
      return;
    }
    if (await this.#judge(device, { place, again: false }, signal))
      remember(this.#answered, device, place);
  }

  /** What counts of a device, where other values than today's judged it. */
  async #judgeAnew(device: Identifier, signal: AbortSignal): Promise<void> {
    const { references, signer } = this.#options;
    const { believed, refused } = this.#standing(device);
    const before = believed && referencesOf(signer, believed.claims);
    const place = believed?.row.evidence;
    if (before === undefined || place === undefined || equal(before, references.digest)) return;
    // By those of today it cannot be judged, as an earlier start has said.
    if (keyOf(refused?.row.evidence) === keyOf(place)) return;
    await this.#judge(device, { place, again: true }, signal);
  }

  /**
   * It is work of this very thread: the rest after it leaves three quarters to what comes in.
   *
   * @returns false where the result could not be stored, which passes by itself or ends the channel elsewhere.
   */
  async #judge(
    device: Identifier,
    { place, again }: { readonly place: LanePlace; readonly again: boolean },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { lane, channel, references, signer, nonces, clock } = this.#options;
    const claim = this.#claim(device);
    if (claim === undefined) {
      this.#waiting.delete(device);
      return false;
    }
    const began = clock.monotonic();
    const { attestationKey } = claim;
    const named = { ...place, identity: identityAt(lane, place) };
    const drawnAt = (nonce: Uint8Array) => nonces.drawnAt({ channel, device }, nonce);
    const of = { device, place: named, again, attestationKey, now: clock.now() };
    const result = conclude({ lane, references, signer, drawnAt }, of);
    const rest = restFactor * (clock.monotonic() - began);
    const isStored = await this.#admit(result);
    const ms = isStored ? rest : challengeLookMs;
    if (ms > 0) await clock.sleep(ms, { signal });
    return isStored;
  }

  /** A full disk passes; what it kept from being stated is stated then. */
  async #admit(admission: ResultAdmission): Promise<boolean> {
    try {
      await this.#options.admit(admission);
      return true;
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      const { code } = error;
      const facts = { event: "result.waits", device: admission.device, code } as const;
      this.#options.logger.warn(facts, "a result could not be stored");
      return false;
    }
  }

  #resultOf(device: Identifier): Uint8Array | undefined {
    const { refused, believed, newest } = this.#standing(device);
    const row = (refused ?? believed ?? newest)?.row;
    if (row === undefined) return undefined;
    return present(this.#options.lane.log(row.lane).entry(row.leafIndex), "leaf of a stored row");
  }
}

/** Of the time that a judgement took. */
const restFactor = 3;

/** Of as many devices as the limit allows; whoever was asked for longest ago is forgotten. */
function remember<T>(known: Map<Identifier, T>, device: Identifier, value: T): T {
  known.delete(device);
  known.set(device, value);
  const [oldest] = known.keys();
  if (known.size > attestedDevicesMax && oldest !== undefined) known.delete(oldest);
  return value;
}

function identityAt(lane: SqliteLane, place: LanePlace) {
  const row = lane.at(place);
  return present(row && "identity" in row ? row.identity : undefined, "row of evidence");
}

function keyOf(place: LanePlace | undefined): string {
  return place === undefined ? "" : `${place.lane}/${place.leafIndex}`;
}
