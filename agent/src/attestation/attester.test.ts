/** What the attester puts together an appraiser reads, and what one would refuse it does not put together. */

import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { eventLogBytesMax } from "@tamga/ledger-core/tpm/event-log";
import { parseEvidence } from "@tamga/ledger-core/wire/attestation-evidence";
import { streamHeadsMax } from "@tamga/ledger-core/wire/limits";
import { expect, test } from "vitest";
import {
  banksOf,
  bootLog,
  bootTexts,
  claims,
  clockInfo,
  evidenceOf,
  madeTpm,
} from "../../../test/support/attestation-samples.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { closeEvidence, prepareEvidence } from "./attester.ts";

const { eventLog: _, ...state } = claims;
const banks = banksOf(bootTexts);
const prepared = unwrap(prepareEvidence(nodeCrypto, state, bootLog(bootTexts)));

test("names the log by its digest, and is what the wire has", () => {
  const quote = madeTpm.quote(prepared.qualifying, banks, clockInfo);
  expect(closeEvidence(nodeCrypto, prepared, { quote, banks })).toEqual({
    ok: true,
    value: evidenceOf(),
  });
  const bare = unwrap(prepareEvidence(nodeCrypto, state));
  const unlogged = madeTpm.quote(bare.qualifying, banks, clockInfo);
  const evidence = unwrap(closeEvidence(nodeCrypto, bare, { quote: unlogged, banks }));
  expect(unwrap(parseEvidence(evidence)).eventLog).toBeUndefined();
});

test("refuses a quote of other claims, one that is none, and values that moved on", () => {
  const bound = madeTpm.quote(prepared.qualifying, banks, clockInfo);
  const close = (quote: typeof bound, values = banks) =>
    closeEvidence(nodeCrypto, prepared, { quote, banks: values });
  const free = madeTpm.quote(new Uint8Array(32), banks, clockInfo);
  expect(close(free)).toMatchObject({ fault: { code: "ATTEST_QUOTE_NOT_BOUND" } });
  expect(close({ ...bound, attest: new Uint8Array(9) })).toMatchObject({
    fault: { code: "ATTEST_QUOTE_MALFORMED" },
  });
  expect(close(bound, banksOf(["more"]))).toMatchObject({ fault: { code: "ATTEST_PCRS_MOVED" } });
});

test("keeps to its limits, and evidence that is full does too", () => {
  const [head] = state.streams;
  if (head === undefined) throw new Error("a stream");
  const of = (count: number) => ({
    ...state,
    streams: Array.from({ length: count }, () => ({ ...head, next: 2n ** 64n - 1n })),
  });
  const full = unwrap(prepareEvidence(nodeCrypto, of(streamHeadsMax), bootLog([])));
  const quote = madeTpm.quote(full.qualifying, banks, clockInfo);
  const evidence = unwrap(closeEvidence(nodeCrypto, full, { quote, banks }));
  expect(unwrap(parseEvidence(evidence)).streams).toHaveLength(streamHeadsMax);
  expect(prepareEvidence(nodeCrypto, of(streamHeadsMax + 1))).toMatchObject({
    fault: { code: "ATTEST_TOO_MANY_STREAMS" },
  });
  const log = (bytes: number) => prepareEvidence(nodeCrypto, state, new Uint8Array(bytes)).ok;
  expect([log(eventLogBytesMax), log(eventLogBytesMax + 1)]).toEqual([true, false]);
});
