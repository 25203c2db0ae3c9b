/** Device keys in a real ledger of one validator: enrolled, renewed, revoked, and once only over crashes. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { err } from "@tamga/ledger-core/base/result";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { openSoloLedger } from "@tamga/ledger-core/ledger/open-solo-ledger";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { roleUri } from "@tamga/ledger-core/receipt/certificate-names";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { parseGovernanceClaims } from "@tamga/ledger-core/wire/governance-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCertificate, createKey } from "../../../test/support/certificate-builder.ts";
import { createEventLog } from "../../../test/support/event-log.ts";
import { LedgerSite, site } from "../../../test/support/ledger-site.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { keysPerTurnMax } from "../limits.ts";
import { DeviceRegistry } from "../registry/device-registry.ts";
import type { KeyOrdererOptions } from "./key-orderer.ts";
import { KeyOrderer } from "./key-orderer.ts";

const owner = new LedgerSite();
const clock = new SystemClock();
const { signal } = new AbortController();
let directory: string;
let ledger: Ledger;
let registry: DeviceRegistry;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-keys-"));
  ledger = await openLedger("ledger");
  registry = new DeviceRegistry(join(directory, "registry.db"));
});
afterEach(async () => {
  registry.close();
  await ledger.close();
  rmSync(directory, { recursive: true });
});

function openLedger(file: string): Promise<Ledger> {
  const validatorKey = loadOrCreateValidatorKey(join(directory, `${file}.key`));
  return openSoloLedger({
    path: join(directory, `${file}.db`),
    votesPath: join(directory, `${file}-votes.db`),
    crypto: nodeCrypto,
    clock,
    validatorKey,
    openChannel: () => owner.openChannel(validatorKey.publicKey),
  });
}

/** Admits the key with a fresh certificate, as an enrolment or a renewal does. */
function certify(device: Identifier, key = createKey("ES256")) {
  const uris = [roleUri("device", { channel: site.channel, name: device }), "urn:x-tamga:key:file"];
  const issuer = { subject: owner.organisation, key: owner.caKey };
  const certificate = createCertificate({ subject: device, publicKey: key, issuer, uris });
  const kid = thumbprint((bytes) => nodeCrypto.sha256(bytes), key.publicKey);
  const tls = utf8(`tls ${toHex(certificate).slice(-40)}`);
  const notAfter = unixMillis(4_000_000_000_000);
  const admitted = registry.admit(
    { device, kid, publicKey: key.publicKey, keyKind: "file", chain: [certificate], notAfter },
    { fingerprint: nodeCrypto.sha256(tls), certificate: tls, notAfter },
  );
  expect(admitted.ok).toBe(true);
  return { key, kid, certificate };
}

function orderer(over: Partial<KeyOrdererOptions> = {}) {
  return new KeyOrderer({
    statements: registry.keyStatements,
    isOurs: () => true,
    channel: { id: ledger.channel.id, name: site.channel, subject: name("channel") },
    organisation: {
      name: owner.organisation,
      kid: thumbprint((bytes) => nodeCrypto.sha256(bytes), owner.caKey.publicKey),
    },
    signer: owner.signer,
    clock,
    logger: createEventLog(),
    ...over,
  });
}
const submit = (transaction: Parameters<Ledger["submit"]>[0]) =>
  ledger.submit(transaction, { signal });
const order = (one = orderer()) => one.order(submit, signal);

/** What the channel's log says of device keys, in its order. */
function stated(of: Ledger = ledger) {
  const said = [];
  for (let index = 0n; index < BigInt(of.status().size); index++) {
    const statement = unwrap(parseStatement(present(of.entry(index), "leaf")));
    if (statement.header.type !== "device-key") continue;
    const { device, certificate } = unwrap(parseGovernanceClaims("device-key", statement.claims));
    said.push([device, toHex(certificate)]);
  }
  return said;
}
const stands = (device: Identifier, certificate: Uint8Array) => [
  device,
  toHex(nodeCrypto.sha256(certificate)),
];
const [first, second] = [name("meter-1"), name("meter-2")];

test("an enrolment and a renewal are transactions, each once", async () => {
  const one = certify(first);
  expect(registry.list()).toMatchObject([{ device: first, ordered: false }]);
  expect(await order()).toBe(true);
  expect(await order()).toBe(false);
  expect(stated()).toEqual([stands(first, one.certificate)]);
  expect(registry.list()).toMatchObject([{ device: first, ordered: true }]);
  const renewed = certify(first, one.key);
  const other = certify(second);
  expect(registry.list().map(({ ordered }) => ordered)).toEqual([false, false]);
  await order();
  expect(new Set(stated().map(String))).toEqual(
    new Set([
      String(stands(first, one.certificate)),
      String(stands(first, renewed.certificate)),
      String(stands(second, other.certificate)),
    ]),
  );
});

test("what was signed before a crash goes again as it was, whether the ledger had it or not", async () => {
  const one = certify(first);
  const crash = new Error("power cut");
  const before = orderer().order(() => Promise.reject(crash), signal);
  await expect(before).rejects.toBe(crash);
  const after = orderer().order(async (transaction) => {
    await submit(transaction);
    throw crash;
  }, signal);
  await expect(after).rejects.toBe(crash);
  expect(registry.list()).toMatchObject([{ ordered: false }]);
  await order();
  expect(stated()).toEqual([stands(first, one.certificate)]);
  expect(registry.list()).toMatchObject([{ ordered: true }]);
});

test("a channel that was opened anew is told again", async () => {
  const one = certify(first);
  await order();
  await ledger.close();
  ledger = await openLedger("another");
  expect(stated()).toEqual([]);
  expect(await order()).toBe(true);
  expect(stated()).toEqual([stands(first, one.certificate)]);
});

test("a key that was revoked in the meantime is stated no more, and holds nothing up", async () => {
  const one = certify(first);
  const crash = new Error("power cut");
  await expect(orderer().order(() => Promise.reject(crash), signal)).rejects.toBe(crash);
  const revocation = owner.revoke(one.kid, { device: first });
  registry.revoke(first, { reason: "retired", since: clock.now() }, [
    { kid: one.kid, statement: revocation.statement },
  ]);
  expect((await submit(revocation)).ok).toBe(true);
  certify(second);
  await order();
  expect(stated().map(([device]) => device)).toEqual([second]);
  expect(await order()).toBe(false);
});

test("one that the ledger refuses is said, and waits for the next start; the others go on", async () => {
  certify(first);
  certify(second);
  const logger = createEventLog();
  const strict = orderer({ logger });
  const refusing = async (transaction: Parameters<Ledger["submit"]>[0]) => {
    const { claims } = unwrap(parseStatement(transaction.statement));
    const { device } = unwrap(parseGovernanceClaims("device-key", claims));
    return device === first
      ? err({ code: "DEVICES_FULL", limit: 1 } as const)
      : submit(transaction);
  };
  await strict.order(refusing, signal);
  strict.changed();
  expect(await strict.order(refusing, signal)).toBe(false);
  expect(logger.lines).toMatchObject([{ event: "device-key.refused", code: "DEVICES_FULL" }]);
  expect(stated().map(([device]) => device)).toEqual([second]);
  await order();
  expect(stated().map(([device]) => device)).toEqual([second, first]);
});

test("what a full disk kept from being signed is signed later", async () => {
  certify(first);
  const full = new Error("full");
  let failures = 1;
  const { keyStatements: real } = registry;
  const one = orderer({
    statements: {
      unstated: (part) => real.unstated(part),
      unordered: (channel, part) => real.unordered(channel, part),
      markOrdered: (id, channel) => real.markOrdered(id, channel),
      add: (key, statement) => {
        if (failures-- > 0) throw full;
        real.add(key, statement);
      },
    },
  });
  await expect(one.order(submit, signal)).rejects.toBe(full);
  expect(await one.order(submit, signal)).toBe(true);
  expect(stated().map(([device]) => device)).toEqual([first]);
});

test("looks again only when something has changed", async () => {
  const one = orderer();
  expect(await one.order(submit, signal)).toBe(false);
  certify(first);
  expect(await one.order(submit, signal)).toBe(false);
  one.changed();
  expect(await one.order(submit, signal)).toBe(true);
  expect(stated()).toHaveLength(1);
});

test("only so many in one turn, and none of another channel's devices", async () => {
  const devices = Array.from({ length: keysPerTurnMax + 3 }, (_, at) => name(`m-${at}`));
  const foreign = Array.from({ length: keysPerTurnMax + 1 }, (_, at) => name(`other-${at}`));
  for (const device of [...foreign, ...devices]) certify(device);
  const ours = orderer({ isOurs: (device) => device.startsWith("m-") });
  const turns: number[] = [];
  for (let before = 0; await ours.order(submit, signal); before = stated().length)
    turns.push(stated().length - before);
  expect(turns).toEqual([keysPerTurnMax, 3]);
  expect(new Set(stated().map(([device]) => device))).toEqual(new Set(devices));
});
