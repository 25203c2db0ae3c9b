/** The lane with a real ledger: opened, ordered, restarted, put back to an older copy, and proven. */

import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { monotonicMillis, unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { openSoloLedger } from "@tamga/ledger-core/ledger/open-solo-ledger";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { keyKindUri, roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import { sealsOf } from "@tamga/ledger-core/receipt/seal-evidence";
import { verifyReceipt } from "@tamga/ledger-core/receipt/verify-receipt";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import { encodeDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createCertificate, createKey } from "../../../test/support/certificate-builder.ts";
import { LedgerSite, signStatement, site } from "../../../test/support/ledger-site.ts";
import type { StatementAdmission } from "./admission.ts";
import { meter, openLane } from "./lane-fixture.ts";
import { createLaneSigner } from "./lane-signer.ts";
import { assembleReceipt } from "./receipts.ts";
import type { SqliteLane } from "./sqlite-lane.ts";
import { evidenceOf } from "./surviving-head.ts";

const { signal } = new AbortController();
const owner = new LedgerSite();
const gateway = owner.gateway("gate-1");
const deviceKey = createKey("ES256");
const deviceChain = [
  createCertificate({
    subject: meter,
    publicKey: deviceKey,
    issuer: { subject: site.organisation, key: owner.caKey },
    uris: [roleUri("device", { channel: site.channel, name: meter }), keyKindUri("file")],
  }),
];
const incarnation = new Uint8Array(16).fill(3);
let directory: string;
let ledger: Ledger;
let lane: SqliteLane;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-lane-ledger-"));
  const validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
  ledger = await openSoloLedger({
    path: join(directory, "ledger.db"),
    votesPath: join(directory, "votes.db"),
    crypto: nodeCrypto,
    clock: new SystemClock(),
    validatorKey,
    openChannel: () => owner.openChannel(validatorKey.publicKey),
  });
});
afterEach(async () => {
  lane.close();
  await ledger.close();
  rmSync(directory, { recursive: true });
});

const path = () => join(directory, "lane.db");

/** Starts the lane with what the ledger knows, and has it opened there. */
async function start(): Promise<void> {
  lane = openLane(path(), ledger.lane(gateway.name), {
    clock: new SystemClock(),
    signer: createLaneSigner(nodeCrypto, gateway.key.privateKey),
    identity: {
      consortium: site.consortium,
      channel: site.channel,
      gateway: gateway.name,
      channelId: ledger.channel.id,
    },
  });
  const statement = lane.laneOpenStatement();
  await order({ statement, consistency: [], certificates: gateway.chain });
}

async function order(transaction: Transaction): Promise<bigint> {
  const submitted = await ledger.submit(transaction, { signal });
  if (!submitted.ok) throw new Error(submitted.fault.code);
  return submitted.value.index;
}

async function orderHead(): Promise<void> {
  const last = present(ledger.lane(gateway.name), "open lane");
  const { statement, head } = lane.laneHeadStatement(ledger.revocations().head);
  const consistency = lane.consistency(last.head.size, head.size);
  const index = await order({ statement, consistency, certificates: [] });
  const sealed = present(ledger.sealed(), "seal");
  const seals = sealsOf(nodeCrypto, ledger.trustPolicy, sealed);
  const { size } = sealed;
  const evidence = { index, size, path: ledger.inclusion(index, size), seals };
  lane.ordered({ head, statement, evidence, revocations: ledger.revocations(index).entries });
}

/** A heartbeat that takes one sequence. */
function heartbeat(sequence: number): StatementAdmission {
  const range = { first: BigInt(sequence), count: 1 };
  const claims = encodeDeviceClaims({
    kind: "heartbeat",
    position: { incarnation, range, bootId: new Uint8Array(16) },
    now: unixMillis(1_750_000_000_000),
    monotonic: monotonicMillis(sequence),
    clock: "rtc",
    backlog: 0n,
  });
  const bytes = signStatement({ issuer: meter, key: deviceKey }, "heartbeat", claims, {
    subject: site.organisation,
  });
  const parsed = parseStatement(bytes);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  const identity = identityOf(nodeCrypto.sha256, parsed.value.part);
  const { subject: stream } = parsed.value.header;
  return {
    kind: "statement",
    device: meter,
    bytes,
    identity,
    type: "heartbeat",
    stream,
    incarnation,
    range,
  };
}

/** The verifier's word on the final receipt of a sequence. */
function verdict(sequence: bigint): string {
  const receipt = assembleReceipt(
    {
      lane,
      ledger,
      evidenceOf: (log, ordered) => evidenceOf({ ledger, crypto: nodeCrypto }, log, ordered),
      crypto: nodeCrypto,
      deviceChain: () => deviceChain,
      gatewayChain: gateway.chain,
    },
    { device: meter, incarnation, sequence },
  );
  if (!receipt.ok) return receipt.fault.code;
  const verified = verifyReceipt(nodeCrypto, ledger.trustPolicy, receipt.value);
  return verified.ok ? "valid" : verified.fault.code;
}

it("goes on after a restart, and after a roll-back in an incarnation that the ledger takes", async () => {
  await start();
  const sent = [0, 1, 2, 3].map(heartbeat);
  lane.admit(sent.slice(0, 1));
  await orderHead();
  lane.admit(sent.slice(1, 2));
  expect([verdict(0n), verdict(1n)]).toEqual(["valid", "RECEIPT_NOT_FINAL"]);
  const first = lane.origin;
  lane.close();
  copyFileSync(path(), `${path()}.backup`);
  await start();
  expect(lane.origin).toBe(first);
  lane.admit(sent.slice(2, 3));
  await orderHead();
  expect([verdict(1n), verdict(2n)]).toEqual(["valid", "valid"]);
  lane.close();

  copyFileSync(`${path()}.backup`, path());
  await start();
  expect(lane.origin).not.toBe(first);
  expect(lane.needsAllOf(meter)).toBe(true);
  expect(ledger.lane(gateway.name)?.incarnation).toEqual(lane.incarnation);
  expect(lane.missing(meter, incarnation, { first: 0n, count: 4 })).toEqual([
    { first: 2n, count: 2 },
  ]);
  lane.admit(sent);
  expect(lane.size()).toBe(4n);
  await orderHead();
  expect([0n, 1n, 2n, 3n].map(verdict)).toEqual(["valid", "valid", "valid", "valid"]);
});
