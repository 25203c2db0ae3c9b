/**
 * The appraiser of one channel (RFC 9334): asks devices for evidence, judges what comes into the lane, states
 * the result there and tells the device. What it knows it reads out of the lane, so a restart forgets nothing.
 */

import { present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import {
  encodeChallengeMessage,
  encodeResultMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { DownlinkKind } from "@tamga/ledger-core/wire/topic";
import type { ReferenceValues } from "../attestation/reference-values.ts";
import type { AdmittedBatch } from "../ingest/admission-queue.ts";
import type { ResultAdmission } from "../lane/admission.ts";
import type { LanePlace } from "../lane/lane.ts";
import type { KeyedLaneSigner } from "../lane/lane-signer.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { attestedDevicesMax, challengeLookMs, evidencePerPageMax } from "../limits.ts";
import { requirePcrs } from "../reference-file.ts";
import type { AdmissionOrder, AdmissionPolicy } from "./admission-policy.ts";
import { orderFor } from "./admission-policy.ts";
import type { ChallengeNonces } from "./challenge-nonces.ts";
import { conclude, referencesOf } from "./conclude.ts";
import type { DeviceAttestation, Standing } from "./standing.ts";
import { readStanding, stateOf } from "./standing.ts";

export type AppraiserOptions = {
  readonly lane: SqliteLane;
  readonly channel: Identifier;
  readonly references: ReferenceValues;
  readonly registry: {
    /** The TPM that a device was enrolled with, after its maker's chain was verified. */
    readonly tpmOf: (device: Identifier) => Claim | undefined;
    /** Devices of this channel that may speak. */
    readonly devices: () => readonly Identifier[];
  };
  /** The gateway's key. */
  readonly signer: KeyedLaneSigner;
  readonly gatewayChain: readonly Uint8Array[];
  /** Resolves after the commit that holds it. */
  readonly admit: (admission: ResultAdmission) => Promise<unknown>;
  /** @returns false where the device is not on the line. */
  readonly send: (device: Identifier, kind: DownlinkKind, payload: Uint8Array) => boolean;
  readonly nonces: ChallengeNonces;
  readonly policy: AdmissionPolicy;
  /** Milliseconds between two nonces for a device on the line. */
  readonly challengeEveryMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Claim = { readonly attestationKey: Uint8Array };

/** A device on the line, from its first question on. */
type AttestedLine = { challengedAt: MonotonicMillis | undefined; hasChain: boolean };

export class Appraiser {
  readonly #options: AppraiserOptions;
  /** The least recently asked for first. */
  readonly #standings = new Map<Identifier, Standing>();
  /** Each statement asks; a device that was enrolled anew connects anew. */
  readonly #claims = new Map<Identifier, { readonly claim: Claim | undefined }>();
  readonly #lines = new Map<Identifier, AttestedLine>();
  /** Leaves of evidence whose result is on its way into the lane. */
  readonly #concluding = new Set<string>();
  /** By device, what was last stated about it without new evidence. */
  readonly #marked = new Map<Identifier, string>();
  readonly #failure = Promise.withResolvers<never>();

  /** Throws REFERENCES_EMPTY: values that hold nothing to anything would affirm every boot. */
  constructor(options: AppraiserOptions) {
    requirePcrs(options.references);
    this.#options = options;
    this.#failure.promise.catch(() => undefined);
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

  /** After a commit: judges new evidence, and tells devices what was concluded. */
  committed(batch: AdmittedBatch): void {
    for (const { admission, admitted } of batch) {
      if (admitted.outcome !== "accepted") continue;
      if (admission.kind === "statement" && admission.type === "evidence")
        this.#judge(admission.device, admitted);
      if (admission.kind !== "result") continue;
      const { device, state, codes, evidence } = admission;
      this.#standings.delete(device);
      if (evidence !== undefined) this.#concluding.delete(keyOf(evidence));
      const facts = { event: "device.appraised", device, state, codes } as const;
      if (state === "affirming") this.#options.logger.info(facts, "a device was appraised");
      else this.#options.logger.warn(facts, "a device's state is not affirmed");
      this.#tell(device);
    }
  }

  /** A connection begins: nothing was sent on it. */
  online(device: Identifier): void {
    this.#lines.delete(device);
    this.#claims.delete(device);
  }

  offline(device: Identifier): void {
    this.#lines.delete(device);
  }

  /** The device asked its first question on this connection, so it listens. */
  listens(device: Identifier): void {
    if (this.#lines.has(device) || this.#claim(device) === undefined) return;
    this.#lines.set(device, { challengedAt: undefined, hasChain: false });
    this.#tell(device);
    this.#challenge(device);
  }

  /** Judges what waits from before, then asks whoever is on the line now and then. */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const asking = async () => {
      await this.#catchUp(signal);
      while (!signal.aborted) {
        await this.#options.clock.sleep(challengeLookMs, { signal });
        for (const device of this.#lines.keys()) this.#challenge(device);
      }
    };
    await Promise.race([asking(), this.#failure.promise]);
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
    this.#admit({ kind: "result", device, state, codes, ...evidence });
  }

  /** @param again where it was judged by other values before. */
  #judge(device: Identifier, place: LanePlace, again = false): void {
    const { lane, channel, references, signer, nonces, clock } = this.#options;
    const claim = this.#claim(device);
    if (claim === undefined || this.#concluding.has(keyOf(place))) return;
    this.#concluding.add(keyOf(place));
    const { attestationKey } = claim;
    const of = { device, place: { ...place, identity: identityAt(lane, place) }, again };
    const drawnAt = (nonce: Uint8Array) => nonces.drawnAt({ channel, device }, nonce);
    const now = clock.now();
    this.#admit(conclude({ lane, references, signer, drawnAt }, { ...of, attestationKey, now }));
  }

  /** A commit that fails ends the channel, as it does for a statement. */
  #admit(admission: ResultAdmission): void {
    this.#options.admit(admission).catch((error: unknown) => this.#failure.reject(error));
  }

  #tell(device: Identifier): void {
    const { lane, send, gatewayChain } = this.#options;
    const line = this.#lines.get(device);
    if (line === undefined) return;
    const { refused, believed, newest } = this.#standing(device);
    const told = refused ?? believed ?? newest;
    if (told === undefined) return;
    const { row } = told;
    const result = present(lane.log(row.lane).entry(row.leafIndex), "leaf of a stored row");
    const chain = line.hasChain ? [] : gatewayChain;
    if (send(device, "result", encodeResultMessage({ result, gatewayChain: chain })))
      line.hasChain = true;
  }

  #challenge(device: Identifier): void {
    const { channel, nonces, send, challengeEveryMs, clock } = this.#options;
    const line = this.#lines.get(device);
    if (line === undefined) return;
    const at = clock.monotonic();
    const { challengedAt } = line;
    if (challengedAt !== undefined && at - challengedAt < challengeEveryMs) return;
    const nonce = nonces.draw({ channel, device }, clock.now());
    if (send(device, "challenge", encodeChallengeMessage({ nonce }))) line.challengedAt = at;
  }

  /** Evidence whose result a crash lost, or that came before there were values; and values that changed. */
  async #catchUp(signal: AbortSignal): Promise<void> {
    const { lane, registry, references, signer } = this.#options;
    for (const device of registry.devices()) {
      if (this.#claim(device) === undefined) continue;
      const { believed, refused } = this.#standing(device);
      const before = believed && referencesOf(signer, believed.claims);
      const evidence = believed?.row.evidence;
      const isRefused = keyOf(refused?.row.evidence) === keyOf(evidence);
      if (before !== undefined && evidence !== undefined && !isRefused)
        if (!equal(before, references.digest)) this.#judge(device, evidence, true);
      for (let after: LanePlace | undefined; !signal.aborted; ) {
        const page = lane.results.unanswered(device, after, evidencePerPageMax);
        for (const place of page) this.#judge(device, place);
        after = page.at(-1);
        if (page.length < evidencePerPageMax) break;
        // Between two pages others have their turn, and what was concluded is committed.
        await this.#options.clock.sleep(1, { signal });
      }
    }
  }
}

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
