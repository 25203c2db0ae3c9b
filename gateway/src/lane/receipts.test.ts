/** Receipts out of the lane's file, each judged by the receipt verifier alone. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { present } from "@tamga/ledger-core/base/assert";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Receipt } from "@tamga/ledger-core/receipt/receipt";
import { encodeReceipt, parseReceipt } from "@tamga/ledger-core/receipt/receipt";
import { verifyGateway } from "@tamga/ledger-core/receipt/verify-gateway";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { encodeBody } from "@tamga/ledger-core/wire/body";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import { attestationStream } from "@tamga/ledger-core/wire/evidence-statement";
import type { RevokedKey } from "@tamga/ledger-core/wire/revocation-list";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claims, evidenceOf } from "../../../test/support/attestation-samples.ts";
import { evidenceLog } from "../../../test/support/evidence-statement-samples.ts";
import type { Bundle } from "../../../test/support/synthetic-channel.ts";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import type { StatementAdmission } from "./admission.ts";
import type { BodyStore } from "./body-store.ts";
import { identifier, openLane, refusal } from "./lane-fixture.ts";
import { createLaneSigner } from "./lane-signer.ts";
import type { ReceiptSources, ReceiptWanted } from "./receipts.ts";
import { assembleReceipt } from "./receipts.ts";
import type { SqliteLane } from "./sqlite-lane.ts";
import { restoredMarker } from "./sqlite-lane.ts";

const incarnation = new Uint8Array(16).fill(7);
const sha256 = nodeCrypto.sha256;
let directory: string;
let lane: SqliteLane;
let channel: SyntheticChannel;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-receipts-"));
});
afterEach(() => {
  lane.close();
  rmSync(directory, { recursive: true });
});

/** The lane's gateway is the synthetic channel's own, so its certificates fit. */
function open(bodies?: BodyStore): void {
  const { consortium, channel: name, channelId } = channel.policy;
  lane = openLane(join(directory, "lane.db"), undefined, {
    signer: createLaneSigner(nodeCrypto, channel.gateway.key.privateKey),
    identity: { consortium, channel: name, gateway: channel.gateway.name, channelId },
    ...(bodies === undefined ? {} : { bodies }),
  });
}

function start(revoked: readonly RevokedKey[] = [], bodies?: BodyStore): void {
  channel = new SyntheticChannel({ revoked });
  open(bodies);
}

const sources = (): ReceiptSources => ({
  lane,
  ledger: {
    consistency: (size1, size2) => channel.log.consistency(Number(size1), Number(size2)),
  },
  evidenceOf: (_log, { evidence }) => evidence,
  crypto: nodeCrypto,
  deviceChain: (device) => (device === channel.device.name ? channel.device.chain : undefined),
  gatewayChain: channel.gateway.chain,
});

function admissionOf(
  statement: Uint8Array,
  type: StatementAdmission["type"],
  range: StatementAdmission["range"],
  bundle?: Bundle,
): StatementAdmission {
  const parsed = parseStatement(statement);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  const body = bundle === undefined ? undefined : encodeBody(bundle);
  return {
    kind: "statement",
    device: channel.device.name,
    bytes: statement,
    identity: identityOf(sha256, parsed.value.part),
    type,
    stream: identifier("p1"),
    incarnation,
    range,
    ...(body === undefined
      ? {}
      : {
          body: {
            encoding: "brotli",
            length: body.length,
            bytes: new Uint8Array(brotliCompressSync(body)),
          },
        }),
  };
}

/** A heartbeat at sequence 0 and a bundle of two readings at 1 and 2, made after a checkpoint. */
function admitTwo(): Bundle {
  const { size, root } = channel.log.head();
  const heartbeat = channel.statement("heartbeat", { incarnation, range: { first: 0n, count: 1 } });
  const range = { first: 1n, count: 2 };
  const position = { incarnation, range, checkpoint: { size, root } };
  const bundle = channel.bundle({ position });
  lane.admit([
    admissionOf(heartbeat, "heartbeat", { first: 0n, count: 1 }),
    admissionOf(bundle.statement, "bundle", range, bundle),
  ]);
  return bundle;
}

/** Orders and seals the lane as it stands. */
function seal(revocations: readonly RevokedKey[] = []): void {
  const { statement, head } = lane.laneHeadStatement(channel.revocations());
  const evidence = channel.evidence(channel.log.append(statement));
  lane.ordered({ head, statement, evidence, revocations });
}

function receiptOf(wanted: ReceiptWanted): Receipt {
  const receipt = assembleReceipt(sources(), wanted);
  if (!receipt.ok) throw new Error(receipt.fault.code);
  const bytes = encodeReceipt(receipt.value);
  const parsed = parseReceipt(bytes);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  expect(encodeReceipt(parsed.value)).toEqual(bytes);
  return parsed.value;
}

function verdict(receipt: Receipt) {
  const gateway = verifyGateway(nodeCrypto, channel.policy, {
    gateway: channel.gateway.name,
    chain: channel.gateway.chain,
  });
  if (!gateway.ok) throw new Error(gateway.fault.code);
  return verifyReceipt(nodeCrypto, channel.policy, receipt, { provisionalUnder: gateway.value });
}

const reading = (sequence: bigint): ReceiptWanted => ({
  device: channel.device.name,
  incarnation,
  sequence,
});

const wholeBundle = () => ({
  device: channel.device.name,
  incarnation,
  sequence: 1n,
  whole: true,
});

function codeOf(wanted: ReceiptWanted, over: Partial<ReceiptSources> = {}): string {
  const receipt = assembleReceipt({ ...sources(), ...over }, wanted);
  return receipt.ok ? "ok" : receipt.fault.code;
}

describe("a receipt from the lane", () => {
  it("is final and verifies below the ordered head, and survives a restart", () => {
    start();
    const bundle = admitTwo();
    seal();
    for (let restarts = 0; restarts < 2; restarts++) {
      for (const index of [0, 1]) {
        const receipt = receiptOf(reading(1n + BigInt(index)));
        const expected = bundle.disclose(index);
        const plain = new Uint8Array(expected.reading);
        expect(receipt.disclosed).toEqual({ ...expected, reading: plain });
        const verified = verdict(receipt);
        expect(verified).toMatchObject({ ok: true, value: { reading: { index } } });
        expect(verified.ok && verified.value.final !== undefined).toBe(true);
      }
      lane.close();
      open();
    }
  });

  it("is provisional above it, and under the gateway's signature alone", () => {
    start();
    admitTwo();
    const receipt = receiptOf(reading(2n));
    expect(receipt.final).toBeUndefined();
    expect(verdict(receipt).ok).toBe(true);
    expect(verifyReceipt(nodeCrypto, channel.policy, receipt)).toMatchObject({
      fault: { code: "RECEIPT_NOT_FINAL" },
    });
  });

  it("stands for whole statements too: a heartbeat, a bundle without its body, a rejection", () => {
    start();
    admitTwo();
    lane.admit([refusal(utf8("garbage"), { device: channel.device.name })]);
    seal();
    const whole = receiptOf({
      device: channel.device.name,
      incarnation,
      sequence: 1n,
      whole: true,
    });
    const receipts = [receiptOf(reading(0n)), whole, receiptOf({ leafIndex: 3n })];
    for (const receipt of receipts) {
      expect(receipt.disclosed).toBeUndefined();
      expect(verdict(receipt).ok).toBe(true);
    }
    expect(receiptOf({ leafIndex: 2n, lane: 1 })).toEqual(whole);
  });

  it("stands for evidence, with its log beside it and without", () => {
    start();
    const admissions = [evidenceLog, undefined].map((log, at): StatementAdmission => {
      const range = { first: BigInt(at), count: 1 };
      const position = { incarnation, range, bootId: claims.bootId };
      const device = { ...claims, device: channel.device.name };
      const statement = channel.sign(channel.device, "evidence", "attestation", {
        kind: "evidence",
        position,
        evidence: evidenceOf({ claims: device }),
      });
      const body: EncodedBody | undefined =
        log === undefined ? undefined : { encoding: "identity", length: log.length, bytes: log };
      return {
        ...admissionOf(statement, "evidence", range),
        stream: attestationStream,
        ...(body === undefined ? {} : { body }),
      };
    });
    expect(lane.admit(admissions).map(({ outcome }) => outcome)).toEqual(["accepted", "accepted"]);
    seal();
    lane.close();
    open();
    seal();
    for (const sequence of [0n, 1n]) {
      const wanted = { device: channel.device.name, incarnation, sequence };
      expect(verdict(receiptOf(wanted))).toMatchObject({
        ok: true,
        value: { claims: { kind: "evidence" }, statement: { subject: "attestation" } },
      });
      const row = present(lane.find(wanted), "row of the evidence");
      expect(row.kind).toBe("evidence");
      expect(lane.body(row)?.bytes).toEqual(sequence === 0n ? evidenceLog : undefined);
    }
  });

  it("shows the neighbours in the list of revoked keys that its head names", () => {
    const keys = [0, 1, 2].map(
      (i): RevokedKey => ({ kid: sha256(Uint8Array.of(i)), reason: 0, since: 1_000n }),
    );
    start(keys);
    admitTwo();
    seal(keys);
    const receipt = receiptOf(reading(1n));
    expect(verdict(receipt)).toMatchObject({ ok: true, value: { final: { revokedKeys: 3n } } });
    lane.close();
    open();
    expect(receiptOf(reading(1n))).toEqual(receipt);
  });

  it("is provable in a closed incarnation, and in the next for what had to move", () => {
    start();
    admitTwo();
    seal();
    const moved = channel.statement("heartbeat", { incarnation, range: { first: 9n, count: 1 } });
    lane.admit([admissionOf(moved, "heartbeat", { first: 9n, count: 1 })]);
    lane.close();
    writeFileSync(restoredMarker(join(directory, "lane.db")), "");
    open();
    expect(lane.current.ordinal).toBe(2);
    const old = receiptOf(reading(2n));
    expect(old.lane.incarnation).not.toEqual(lane.incarnation);
    expect(verdict(old)).toMatchObject({ ok: true, value: { reading: { index: 1 } } });
    const now = receiptOf(reading(9n));
    expect(now.lane.incarnation).toEqual(lane.incarnation);
    expect(verdict(now).ok).toBe(true);
    seal();
    expect(verdict(receiptOf(reading(9n)))).toMatchObject({ ok: true });
    expect(receiptOf(reading(9n)).final).toBeDefined();
  });
});

describe("no receipt", () => {
  it("is made of what is not there", () => {
    start();
    admitTwo();
    seal();
    expect(codeOf(reading(3n))).toBe("STATEMENT_NOT_HELD");
    expect(codeOf({ leafIndex: 0n })).toBe("STATEMENT_NOT_HELD");
    expect(codeOf({ leafIndex: 99n })).toBe("STATEMENT_NOT_HELD");
    expect(codeOf({ leafIndex: 1n, lane: 9 })).toBe("STATEMENT_NOT_HELD");
    expect(codeOf(reading(1n), { deviceChain: () => undefined })).toBe("DEVICE_CHAIN_NOT_HELD");
  });

  it("names a checkpoint that the sealed one does not reach", () => {
    start();
    const checkpoint = { size: 99n, root: sha256(utf8("later")) };
    const range = { first: 0n, count: 1 };
    const statement = channel.statement("heartbeat", { incarnation, range, checkpoint });
    lane.admit([admissionOf(statement, "heartbeat", range)]);
    seal();
    expect(codeOf(reading(0n))).toBe("CHECKPOINT_NOT_REACHED");
  });

  it("hides that the key was revoked by then", () => {
    const key = { kid: new SyntheticChannel().device.kid, reason: 0, since: 1_000n };
    start([key]);
    admitTwo();
    seal([{ ...key, kid: channel.device.kid }]);
    expect(codeOf(reading(1n))).toBe("KEY_REVOKED");
  });

  it("discloses a reading whose body is gone or damaged", () => {
    const kept = new Map<number, EncodedBody>();
    start([], {
      copies: 1,
      put(body) {
        kept.set(kept.size + 1, body);
        return kept.size;
      },
      get: (key) => kept.get(key),
    });
    const bundle = admitTwo();
    seal();
    const row = present(lane.find({ ...wholeBundle(), sequence: 1n }), "row");
    expect(lane.body(row)?.length).toBe(encodeBody(bundle).length);
    kept.clear();
    expect(codeOf(reading(1n))).toBe("BODY_NOT_HELD");
    kept.set(1, { encoding: "identity", length: 5, bytes: new Uint8Array(6) });
    expect(codeOf(reading(1n))).toBe("BODY_BOMB");
    expect(codeOf(wholeBundle())).toBe("ok");
  });
});
