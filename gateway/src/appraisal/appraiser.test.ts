/** The appraiser over a real lane: what it states of a device, what it asks, and what becomes of statements. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { verifyResult } from "@tamga/ledger-core/wire/attestation-result";
import {
  parseChallengeMessage,
  parseResultMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import { parseGatewayClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { DownlinkKind } from "@tamga/ledger-core/wire/topic";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  banksOf,
  bootTexts,
  claims,
  evidenceOf,
  madeTpm,
} from "../../../test/support/attestation-samples.ts";
import {
  evidenceLog,
  evidenceStatement,
} from "../../../test/support/evidence-statement-samples.ts";
import { MadeTpm } from "../../../test/support/made-quote.ts";
import { soon } from "../../../test/support/soon.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import type { ReferenceValues } from "../attestation/reference-values.ts";
import type { Admission } from "../lane/admission.ts";
import { admission, laneIdentity, openLane, orderNow, signer } from "../lane/lane-fixture.ts";
import { laneSchema } from "../lane/lane-schema.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { challengeLookMs } from "../limits.ts";
import type { AdmissionPolicy } from "./admission-policy.ts";
import type { AppraiserOptions } from "./appraiser.ts";
import { Appraiser } from "./appraiser.ts";
import { ChallengeNonces } from "./challenge-nonces.ts";

const { nonce: _, ...unasked } = claims;
const { device, issuedAt } = claims;
const { channel } = laneIdentity;
const pcr7 = toHex(banksOf(bootTexts)[0]?.values[0]?.value ?? new Uint8Array());
const references: ReferenceValues = {
  digest: mint<Digest>(nodeCrypto.sha256(utf8("values"))),
  pcrs: new Map([[7, new Set([pcr7])]]),
  ageMax: 60,
};
const stream = present(claims.streams[0], "a stream of readings").stream;
const accepting: AdmissionPolicy = {
  pending: "accept",
  stale: "accept",
  contraindicated: "accept",
};
const chain = [Uint8Array.of(1)];
let directory: string;
let lane: SqliteLane;
let clock: ManualClock;
let nonces: ChallengeNonces;
let sequence: bigint;
let end: AbortController;
let running: Promise<void>[];
let sent: { readonly kind: DownlinkKind; readonly payload: Uint8Array }[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-appraiser-"));
  clock = new ManualClock(unixMillis(issuedAt * 1_000));
  lane = openLane(join(directory, "lane.db"), undefined, { clock });
  nonces = new ChallengeNonces(randomBytes(32));
  sequence = 0n;
  sent = [];
  end = new AbortController();
  running = [];
});
afterEach(async () => {
  end.abort();
  await Promise.all(running);
  lane.close();
  rmSync(directory, { recursive: true });
});

/** An appraiser that runs; each admission is a commit of its own. */
class Site {
  readonly appraiser: Appraiser;
  isOnline = true;
  /** Commits that fail from now on. */
  failures = 0;
  readonly #hasTpm: boolean;
  readonly #stop = new AbortController();

  constructor(over: Partial<AppraiserOptions> = {}, hasTpm = true) {
    this.#hasTpm = hasTpm;
    const claim = { attestationKey: madeTpm.attestationKey };
    this.appraiser = new Appraiser({
      lane,
      channel,
      references,
      registry: { tpmOf: () => (hasTpm ? claim : undefined), devices: () => [device] },
      signer,
      gatewayChain: chain,
      admit: async (one) => {
        if (this.failures-- > 0) throw new OperationalError("DISK_FULL", "the disk is full");
        this.commit(one);
      },
      send: (_device, kind, payload) => {
        if (this.isOnline) sent.push({ kind, payload });
        return this.isOnline;
      },
      nonces,
      policy: accepting,
      challengeEveryMs: 60_000,
      clock,
      logger: silentLogger,
      ...over,
    });
    const signal = AbortSignal.any([end.signal, this.#stop.signal]);
    running.push(this.appraiser.run({ signal }).catch(() => undefined));
  }

  /** As a process ends: another one judges what comes. */
  stop(): void {
    this.#stop.abort();
  }

  commit(...batch: readonly Admission[]): void {
    const admitted = lane.admit(batch);
    this.appraiser.committed(
      batch.map((one, i) => ({ admission: one, admitted: present(admitted[i], "answer") })),
    );
  }

  async state(evidence: Uint8Array, log?: Uint8Array): Promise<void> {
    this.commit(evidenceAdmission(evidence, log));
    await this.settled();
  }

  /** Until all evidence in the lane has its result. */
  async settled(): Promise<void> {
    if (!this.#hasTpm) return;
    await vi.waitFor(() => expect(lane.results.unanswered(device, undefined, 1)).toEqual([]), soon);
  }

  at(nowSeconds = issuedAt) {
    clock.stepTo(nowSeconds * 1_000);
    const { state, code } = this.appraiser.of(device);
    return [state, code];
  }
}

function evidenceAdmission(evidence: Uint8Array, log?: Uint8Array): Admission {
  const body =
    log === undefined
      ? {}
      : { body: { encoding: "identity" as const, length: log.length, bytes: log } };
  return {
    kind: "statement",
    device,
    bytes: evidenceStatement({ evidence }),
    identity: nodeCrypto.sha256(utf8(`identity ${sequence}`)),
    type: "evidence",
    stream: attestationStream,
    incarnation: new Uint8Array(16).fill(3),
    range: { first: sequence++, count: 1 },
    ...body,
  };
}

const good = (counted: bigint, resetCount = 3) =>
  evidenceOf({ claims: unasked, clockInfo: { clock: counted, resetCount } });
const bad = (counted: bigint, resetCount = 3) =>
  evidenceOf({
    claims: unasked,
    banks: banksOf(["another"]),
    clockInfo: { clock: counted, resetCount },
  });
const asked = (nonce: Uint8Array, counted = 5_000n) =>
  evidenceOf({ claims: { ...claims, nonce }, clockInfo: { clock: counted } });

/** Claims of all results in the lane, in its order. */
const stated = () =>
  lane.results.list(device, undefined, 1_000).map((row) => {
    const entry = present(lane.log(row.lane).entry(row.leafIndex), "leaf");
    const { header, claims: value } = unwrap(parseStatement(entry));
    expect([header.type, header.issuer, header.subject]).toEqual(["result", "gate-1", "lane"]);
    return unwrap(parseGatewayClaims("result", value));
  });
const statesOf = () => stated().map(({ state }) => state);

test("is none without a TPM, pending without evidence, then what the evidence shows, stated in the lane", async () => {
  expect(new Site({}, false).at()).toEqual(["none", null]);
  const site = new Site();
  expect(site.at()).toEqual(["pending", null]);
  await site.state(good(10n));
  expect(site.at()).toEqual(["affirming", null]);
  await site.state(bad(11n));
  expect(site.at()).toEqual(["contraindicated", "PCR_NOT_ALLOWED"]);
  const [first, second] = stated();
  expect([first?.state, second?.state]).toEqual(["affirming", "contraindicated"]);
  expect(second?.codes).toEqual(["PCR_NOT_ALLOWED"]);
  expect(first?.evidence).toEqual(nodeCrypto.sha256(utf8("identity 0")));
  const ear = unwrap(verifyResult(nodeCrypto, signer.publicKey, present(first?.result, "EAR")));
  expect(ear.references).toEqual(references.digest);
  expect(ear.evidence).toEqual(nodeCrypto.sha256(good(10n)));
});

test("another appraiser over the same lane knows the same, and judges again by other values", async () => {
  const site = new Site();
  await site.state(good(10n));
  const later = new Site();
  expect(later.at()).toEqual(["affirming", null]);
  const digest = mint<Digest>(nodeCrypto.sha256(utf8("other values")));
  const versions = { ...references, digest, agentVersions: new Set(["9.9.9"]) };
  const other = new Site({ references: versions });
  await vi.waitFor(() => expect(statesOf()).toHaveLength(2), soon);
  expect(other.at()).toEqual(["warning", "AGENT_VERSION_NOT_ALLOWED"]);
  expect(statesOf()).toEqual(["affirming", "warning"]);
});

test("evidence that a crash left without a result is judged at the next start, once", async () => {
  lane.admit([evidenceAdmission(good(10n)), evidenceAdmission(good(11n))]);
  for (const expected of [
    ["affirming", "affirming"],
    ["affirming", "affirming"],
  ]) {
    const site = new Site();
    await site.settled();
    expect(statesOf()).toEqual(expected);
  }
});

test("grows stale when it was good, by the time that its quote binds; bad stays bad", async () => {
  const site = new Site();
  await site.state(good(10n));
  expect(site.at(issuedAt + 60)).toEqual(["affirming", null]);
  expect(site.at(issuedAt + 61)).toEqual(["stale", "EVIDENCE_TOO_OLD"]);
  expect(site.at(issuedAt - 301)).toEqual(["refused", "EVIDENCE_FROM_FUTURE"]);
  expect(site.appraiser.of(device)).toMatchObject({
    statedAt: new Date(issuedAt * 1_000).toISOString(),
    asked: false,
  });
  await site.state(bad(11n));
  expect(site.at(issuedAt + 61)).toEqual(["contraindicated", "PCR_NOT_ALLOWED"]);
});

test("is by the TPM's clock, not by the order of arrival; a quote of before changes nothing", async () => {
  const site = new Site();
  await site.state(bad(20n));
  await site.state(good(10n));
  expect(site.at()).toEqual(["contraindicated", "PCR_NOT_ALLOWED"]);
  await site.state(good(25n, 4));
  expect(site.at()).toEqual(["affirming", null]);
  for (let at = 0; at < 20; at++) await site.state(bad(BigInt(at)));
  expect(site.at()).toEqual(["affirming", null]);
  expect(statesOf()).toHaveLength(23);
});

test("a month of evidence that comes at once is judged, each by the state of its own time", async () => {
  const site = new Site();
  const batch = Array.from({ length: 100 }, (_none, at) => {
    const then = { ...unasked, issuedAt: issuedAt - 100 + at };
    return evidenceAdmission(evidenceOf({ claims: then, clockInfo: { clock: BigInt(at) } }));
  });
  site.commit(...batch.toReversed());
  await site.settled();
  expect(new Set(statesOf())).toEqual(new Set(["affirming"]));
  expect(statesOf()).toHaveLength(100);
  expect(site.at()).toEqual(["affirming", null]);
});

test("is refused where it cannot be believed, until better evidence comes", async () => {
  const site = new Site();
  await site.state(evidenceOf({ claims: unasked, tpm: new MadeTpm("another") }));
  expect(site.at()).toEqual(["refused", "QUOTE_OTHER_KEY"]);
  await site.state(evidenceOf({ claims: unasked, clockInfo: { clock: 6_000n, safe: false } }));
  expect(site.at()).toEqual(["refused", "QUOTE_CLOCK_UNSAFE"]);
  await site.state(good(7_000n));
  expect(site.at()).toEqual(["affirming", null]);
  expect(stated().map(({ result }) => result === undefined)).toEqual([true, true, false]);
});

test("a quote that is shown again is refused, as evidence and as an answer", async () => {
  const site = new Site();
  await site.state(good(10n));
  await site.state(good(20n));
  await site.state(good(10n));
  expect(site.at()).toEqual(["refused", "QUOTE_REPLAYED"]);
  const nonce = nonces.draw({ channel, device }, clock.now());
  await site.state(asked(nonce, 30n));
  expect(site.at()).toEqual(["affirming", null]);
  await site.state(asked(nonce, 30n));
  expect(site.at()).toEqual(["refused", "QUOTE_REPLAYED"]);
});

test("an answer to a nonce is fresh by the gateway's clock, and newer than all before", async () => {
  const site = new Site();
  const nonce = nonces.draw({ channel, device }, unixMillis(issuedAt * 1_000 - 30_000));
  await site.state(asked(nonce, 10n));
  expect(site.appraiser.of(device)).toEqual({
    state: "affirming",
    code: null,
    statedAt: new Date(issuedAt * 1_000 - 30_000).toISOString(),
    asked: true,
  });
  expect(stated()[0]?.asked).toBe(issuedAt * 1_000 - 30_000);
  expect(site.at(issuedAt + 31)).toEqual(["stale", "EVIDENCE_TOO_OLD"]);
  clock.stepTo(issuedAt * 1_000);
  await site.state(asked(nonces.draw({ channel, device }, clock.now()), 9n));
  expect(site.at()).toEqual(["refused", "QUOTE_CLOCK_WENT_BACK"]);
  const old = nonces.draw({ channel, device }, unixMillis(issuedAt * 1_000 - 61_000));
  await site.state(asked(old, 40n));
  expect(site.at()).toEqual(["refused", "EVIDENCE_TOO_OLD"]);
});

test("quotes that were made ahead, to be shown later, run ahead of their TPM's clock", async () => {
  const site = new Site();
  const later = (seconds: number, clockMs: bigint, resetCount = 3) =>
    evidenceOf({
      claims: { ...unasked, issuedAt: issuedAt + seconds },
      clockInfo: { clock: clockMs, resetCount },
    });
  await site.state(asked(nonces.draw({ channel, device }, clock.now()), 1_000n));
  clock.stepTo((issuedAt + 3_600) * 1_000);
  // Nobody can say so much before a TPM ran for it; what it ran for may be said.
  await site.state(later(3_600, 61_000n));
  expect(site.at(issuedAt + 3_600)).toEqual(["refused", "EVIDENCE_AHEAD_OF_TPM"]);
  await site.state(later(3_600, 3_401_000n));
  expect(site.at(issuedAt + 3_600)).toEqual(["affirming", null]);
  // Of another boot there is no answer to hold it to: its age rests on the device's word.
  await site.state(later(7_200, 3_402_000n, 4));
  expect(site.at(issuedAt + 7_200)).toEqual(["affirming", null]);
});

test("a nonce that was not drawn here, or for another device or channel, is wrong", async () => {
  const site = new Site();
  const at = clock.now();
  const other = unwrap({ ok: true as const, value: stream });
  const wrong = [
    claims.nonce ?? new Uint8Array(16),
    nonces.draw({ channel, device: other }, at),
    nonces.draw({ channel: other, device }, at),
    new ChallengeNonces(randomBytes(32)).draw({ channel, device }, at),
    nonces.draw({ channel, device }, at).map((byte, i) => (i === 7 ? byte ^ 1 : byte)),
  ];
  for (const [i, nonce] of wrong.entries()) {
    await site.state(asked(nonce, BigInt(100 + i)));
    expect(site.at(), `nonce ${i}`).toEqual(["refused", "EVIDENCE_NONCE_WRONG"]);
  }
});

test("a disk that is full holds a result back, and loses none", async () => {
  const site = new Site();
  site.failures = 2;
  site.commit(evidenceAdmission(good(10n)), evidenceAdmission(bad(11n)));
  await vi.waitFor(() => expect(site.failures).toBe(1), soon);
  expect(statesOf()).toEqual([]);
  for (let tries = 0; tries < 2; tries++) await clock.advance(challengeLookMs);
  await site.settled();
  expect(statesOf()).toEqual(["affirming", "contraindicated"]);
});

test("asks a device that listens, at once and at intervals, and tells it each result", async () => {
  const site = new Site();
  site.appraiser.online(device);
  await site.state(good(10n));
  expect(sent).toEqual([]);
  site.appraiser.listens(device);
  site.appraiser.listens(device);
  expect(sent.map(({ kind }) => kind)).toEqual(["result", "challenge"]);
  const told = unwrap(parseResultMessage(present(sent[0], "result").payload));
  expect(told.gatewayChain).toEqual(chain);
  const { nonce } = unwrap(parseChallengeMessage(present(sent[1], "challenge").payload));
  expect(nonces.drawnAt({ channel, device }, nonce)).toBe(clock.now());
  await site.state(asked(nonce, 20n));
  expect(sent.map(({ kind }) => kind)).toEqual(["result", "challenge", "result"]);
  // Its chain is known on this connection.
  expect(unwrap(parseResultMessage(present(sent[2], "result").payload)).gatewayChain).toEqual([]);
  await clock.advance(challengeLookMs);
  expect(sent).toHaveLength(3);
  await clock.advance(60_000);
  expect(sent.map(({ kind }) => kind).slice(3)).toEqual(["challenge"]);
  site.appraiser.offline(device);
  await clock.advance(120_000);
  expect(sent).toHaveLength(4);
});

test("holds events of the log beside it to the values, which ask for a log", async () => {
  const events = new Set(bootTexts.map((text) => toHex(nodeCrypto.sha256(utf8(text)))));
  const site = new Site({ references: { ...references, events } });
  await site.state(good(10n));
  expect(site.at()).toEqual(["refused", "EVENT_LOG_MISSING"]);
  await site.state(good(11n), evidenceLog);
  expect(site.at()).toEqual(["affirming", null]);
  const fewer = new Set([...events].slice(1));
  const strict = new Site({ references: { ...references, events: fewer } });
  await strict.state(good(12n), evidenceLog);
  expect(strict.at()).toEqual(["contraindicated", "EVENT_NOT_ALLOWED"]);
});

test("takes, marks or refuses statements by the state; evidence and its stream are always taken", async () => {
  const orders = (site: Site) => site.appraiser.order(device, stream);
  const rules: AdmissionPolicy = {
    pending: "quarantine",
    stale: "mark",
    contraindicated: "quarantine",
  };
  const site = new Site({ policy: rules });
  expect(orders(site)).toEqual({ rule: "quarantine", code: "ATTESTATION_PENDING" });
  expect(site.appraiser.order(device, attestationStream).rule).toBe("accept");
  await site.state(good(10n));
  expect(orders(site).rule).toBe("accept");
  await site.state(bad(11n));
  expect(orders(site)).toEqual({ rule: "quarantine", code: "ATTESTATION_CONTRAINDICATED" });
  await site.state(evidenceOf({ claims: unasked, tpm: new MadeTpm("another") }));
  expect(orders(site)).toEqual({ rule: "quarantine", code: "ATTESTATION_REFUSED" });
  expect(orders(new Site({ policy: rules }, false)).rule).toBe("accept");
  expect(orders(new Site({ policy: accepting })).rule).toBe("accept");
});

test("says once in the lane, before the statement, that there is no evidence or that it is too old", async () => {
  const policy: AdmissionPolicy = { pending: "mark", stale: "mark", contraindicated: "mark" };
  const site = new Site({ policy });
  const take = (one: Site, first: number) => {
    expect(one.appraiser.order(device, stream).rule).not.toBe("quarantine");
    one.commit({ ...admission({ first }), device });
  };
  for (const first of [0, 1]) take(site, first);
  // A restart remembers: it stands in the lane.
  const restarted = (first: number) => {
    const next = new Site({ policy });
    take(next, first);
    next.stop();
  };
  restarted(2);
  expect(statesOf()).toEqual(["pending"]);
  expect(stated()[0]).toMatchObject({ codes: ["EVIDENCE_MISSING"] });
  const [mark] = lane.results.list(device, undefined, 1);
  expect(mark?.leafIndex).toBe(1n);
  expect(lane.at({ lane: 1, leafIndex: 2n })?.kind).toBe("bundle");

  await site.state(good(10n));
  clock.stepTo((issuedAt + 61) * 1_000);
  for (const first of [3, 4]) take(site, first);
  restarted(5);
  expect(statesOf()).toEqual(["pending", "affirming", "stale"]);
  expect(stated()[2]).toMatchObject({
    codes: ["EVIDENCE_TOO_OLD"],
    evidence: stated()[1]?.evidence,
  });
  clock.stepTo(issuedAt * 1_000);
  await site.state(good(11n));
  clock.stepTo((issuedAt + 61) * 1_000);
  take(site, 6);
  expect(statesOf()).toEqual(["pending", "affirming", "stale", "affirming", "stale"]);
});

test("results and what they name move with a lane that begins anew", async () => {
  const site = new Site();
  await site.state(good(10n));
  const ordered = orderNow(lane);
  await site.state(bad(11n));
  const path = join(directory, "lane.db");
  lane.close();
  lane = openLane(path, { ...ordered, incarnation: new Uint8Array(16).fill(9) });
  const rows = lane.results.list(device, undefined, 10);
  expect(rows.map(({ lane: ordinal }) => ordinal)).toEqual([1, 2]);
  const moved = present(rows[1]?.evidence, "evidence of the second");
  expect(lane.at(moved)?.kind).toBe("evidence");
  expect(moved.lane).toBe(2);
  expect(new Site().at()).toEqual(["contraindicated", "PCR_NOT_ALLOWED"]);
});

test("values that name no PCR are refused: they would affirm every boot", async () => {
  expect(() => new Site({ references: { ...references, pcrs: new Map() } })).toThrow(
    "names no PCRs",
  );
});

test("a lane's file of before evidence is taken up, with its index", async () => {
  const path = join(directory, "old.db");
  openDatabase(path, { migrations: [laneSchema] }).close();
  const old = openLane(path);
  expect(old.results.unanswered(device, undefined, 1)).toEqual([]);
  old.close();
});
