/** The state of a device, out of a lane's file: each state, and which of several quotes counts. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  banksOf,
  bootTexts,
  claims,
  evidenceOf,
  madeTpm,
} from "../../test/support/attestation-samples.ts";
import { evidenceLog, evidenceStatement } from "../../test/support/evidence-statement-samples.ts";
import { MadeTpm } from "../../test/support/made-quote.ts";
import type { ReferenceValues } from "./attestation/reference-values.ts";
import { DeviceAttestations } from "./device-attestation.ts";
import { openLane } from "./lane/lane-fixture.ts";
import { laneSchema } from "./lane/lane-schema.ts";
import type { SqliteLane } from "./lane/sqlite-lane.ts";
import { evidenceLookedAtMax } from "./limits.ts";

const { nonce: _, ...unasked } = claims;
const { device, issuedAt } = claims;
const pcr7 = toHex(banksOf(bootTexts)[0]?.values[0]?.value ?? new Uint8Array());
const references: ReferenceValues = {
  digest: mint<Digest>(nodeCrypto.sha256(utf8("values"))),
  pcrs: new Map([[7, new Set([pcr7])]]),
  ageMax: 60,
};
let directory: string;
let lane: SqliteLane;
let sequence = 0n;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-attestation-"));
  lane = openLane(join(directory, "lane.db"));
});
afterEach(() => {
  lane.close();
  rmSync(directory, { recursive: true });
});

function state(evidence: Uint8Array, log?: Uint8Array): void {
  const bytes = evidenceStatement({ evidence });
  const body =
    log === undefined
      ? {}
      : { body: { encoding: "identity" as const, length: log.length, bytes: log } };
  const [admitted] = lane.admit([
    {
      kind: "statement",
      device,
      bytes,
      identity: nodeCrypto.sha256(utf8(`identity ${sequence}`)),
      type: "evidence",
      stream: attestationStream,
      incarnation: new Uint8Array(16).fill(3),
      range: { first: sequence++, count: 1 },
      ...body,
    },
  ]);
  expect(admitted?.outcome).toBe("accepted");
}

const claim = { attestationKey: madeTpm.attestationKey };
const attestations = (over: Partial<ReferenceValues> = {}, hasTpm = true) =>
  new DeviceAttestations({
    references: { ...references, ...over },
    registry: { tpmOf: () => (hasTpm ? claim : undefined) },
    laneOf: () => lane,
  });
const stateAt = (now = issuedAt, of = attestations()) => {
  const { state: name, code } = of.of(device, now);
  return [name, code];
};
const good = (clock: bigint, resetCount = 3) =>
  evidenceOf({ claims: unasked, clockInfo: { clock, resetCount } });
const bad = (clock: bigint, resetCount = 3) =>
  evidenceOf({ claims: unasked, banks: banksOf(["another"]), clockInfo: { clock, resetCount } });

test("is none without a TPM, pending without evidence, and then what the evidence shows", () => {
  expect(stateAt(issuedAt, attestations({}, false))).toEqual(["none", null]);
  const one = attestations();
  expect(stateAt(issuedAt, one)).toEqual(["pending", null]);
  state(good(10n));
  expect(stateAt(issuedAt, one)).toEqual(["affirming", null]);
  const version = attestations({ agentVersions: new Set(["9.9.9"]) });
  expect(stateAt(issuedAt, version)).toEqual(["warning", "AGENT_VERSION_NOT_ALLOWED"]);
  state(bad(11n));
  expect(stateAt(issuedAt, one)).toEqual(["contraindicated", "PCR_NOT_ALLOWED"]);
});

test("grows stale when it was good, by the time that its quote binds; bad stays bad", () => {
  const one = attestations();
  state(good(10n));
  expect(stateAt(issuedAt + 60, one)).toEqual(["affirming", null]);
  expect(stateAt(issuedAt + 61, one)).toEqual(["stale", "EVIDENCE_TOO_OLD"]);
  expect(stateAt(issuedAt - 301, one)).toEqual(["refused", "EVIDENCE_FROM_FUTURE"]);
  expect(one.of(device, issuedAt).statedAt).toBe(new Date(issuedAt * 1_000).toISOString());
  state(bad(11n));
  expect(stateAt(issuedAt + 61, one)).toEqual(["contraindicated", "PCR_NOT_ALLOWED"]);
});

test("is by the TPM's clock, not by the order of arrival; a quote of before changes nothing", () => {
  state(bad(20n));
  state(good(10n));
  expect(stateAt()).toEqual(["contraindicated", "PCR_NOT_ALLOWED"]);
  state(good(5n, 4));
  expect(stateAt()).toEqual(["affirming", null]);
  for (let at = 0; at < evidenceLookedAtMax - 1; at++) state(bad(1n));
  expect(stateAt()).toEqual(["affirming", null]);
});

test("is refused where it cannot be believed: another TPM, an unsafe clock, a nonce of nobody", () => {
  state(evidenceOf({ claims: unasked, tpm: new MadeTpm("another") }));
  expect(stateAt()).toEqual(["refused", "QUOTE_OTHER_KEY"]);
  state(evidenceOf({ claims: unasked, clockInfo: { clock: 6_000n, safe: false } }));
  expect(stateAt()).toEqual(["refused", "QUOTE_CLOCK_UNSAFE"]);
  state(evidenceOf({ clockInfo: { clock: 7_000n } }));
  expect(stateAt()).toEqual(["refused", "EVIDENCE_NONCE_UNASKED"]);
});

test("holds events of the log beside it to the values, which ask for a log", () => {
  const events = new Set(bootTexts.map((text) => toHex(nodeCrypto.sha256(utf8(text)))));
  state(good(10n));
  expect(stateAt(issuedAt, attestations({ events }))).toEqual(["refused", "EVENT_LOG_MISSING"]);
  state(good(11n), evidenceLog);
  expect(stateAt(issuedAt, attestations({ events }))).toEqual(["affirming", null]);
  const fewer = attestations({ events: new Set([...events].slice(1)) });
  expect(stateAt(issuedAt, fewer)).toEqual(["contraindicated", "EVENT_NOT_ALLOWED"]);
});

test("values that name no PCR are refused: they would affirm every boot", () => {
  expect(() => attestations({ pcrs: new Map() })).toThrow("names no PCRs");
});

test("a lane's file of before evidence is taken up, with its index", () => {
  const path = join(directory, "old.db");
  openDatabase(path, { migrations: [laneSchema] }).close();
  const old = openLane(path);
  expect(old.evidence(device, evidenceLookedAtMax)).toEqual([]);
  old.close();
});
