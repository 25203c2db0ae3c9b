/** Ordering goes on: over refusals, full disks, crashes in between, and a channel that was opened anew. */

import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { err } from "@tamga/ledger-core/base/result";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { openSoloLedger } from "@tamga/ledger-core/ledger/open-solo-ledger";
import { loadOrCreateValidatorKey } from "@tamga/ledger-core/ledger/validator-key";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import SqliteDatabase from "better-sqlite3";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createEventLog } from "../../../test/support/event-log.ts";
import { LedgerSite, site } from "../../../test/support/ledger-site.ts";
import { soon } from "../../../test/support/soon.ts";
import { admission, openLane } from "../lane/lane-fixture.ts";
import type { IncarnationHead } from "../lane/lane-opening.ts";
import { createLaneSigner } from "../lane/lane-signer.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { SharedTrouble } from "../shared-trouble.ts";
import type { LaneOrdererOptions } from "./lane-orderer.ts";
import { LaneOrderer } from "./lane-orderer.ts";

const owner = new LedgerSite();
const gateway = owner.gateway("gate-1");
const kid = nodeCrypto.sha256(utf8("a device's key"));
let directory: string;
let ledger: Ledger;
let lane: SqliteLane;
let registry: FakeRegistry;
let stop: AbortController;
let running: Promise<void>;

/** What the registry keeps of revocations, in memory. */
class FakeRegistry implements Pick<LaneOrdererOptions["registry"], "unorderedRevocations"> {
  readonly rows: { readonly kid: Digest; readonly statement: Uint8Array; ordered: boolean }[] = [];
  unorderedRevocations() {
    return this.rows.filter((row) => !row.ordered);
  }
  markRevocationOrdered(of: Digest) {
    for (const row of this.rows) if (row.kid === of) row.ordered = true;
  }
  reviveRevocations(isHeld: (of: Digest) => boolean) {
    for (const row of this.rows) if (!isHeld(row.kid)) row.ordered = false;
  }
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-orderer-"));
  const clock = new SystemClock();
  const validatorKey = loadOrCreateValidatorKey(join(directory, "validator.key"));
  ledger = await openSoloLedger({
    path: join(directory, "ledger.db"),
    votesPath: join(directory, "votes.db"),
    crypto: nodeCrypto,
    clock,
    validatorKey,
    openChannel: () => owner.openChannel(validatorKey.publicKey),
  });
  lane = open("lane.db", undefined);
  lane.admit([admission({ first: 0 })]);
  registry = new FakeRegistry();
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await expect(running).rejects.toBe(stop.signal.reason);
  lane.close();
  await ledger.close();
  rmSync(directory, { recursive: true });
});

function open(file: string, lastOrdered: IncarnationHead | undefined): SqliteLane {
  const { consortium, channel } = site;
  return openLane(join(directory, file), lastOrdered, {
    clock: new SystemClock(),
    signer: createLaneSigner(nodeCrypto, gateway.key.privateKey),
    identity: { consortium, channel, gateway: gateway.name, channelId: ledger.channel.id },
  });
}

/** Ends the orderer, so that another may begin. */
async function end(): Promise<void> {
  stop.abort();
  await running.catch(() => undefined);
  running = Promise.reject(stop.signal.reason);
  running.catch(() => undefined);
}

function start(
  over: Partial<Pick<LaneOrdererOptions, "ledger" | "lane" | "logger" | "trouble">> = {},
): void {
  if (stop.signal.aborted) stop = new AbortController();
  const orderer = new LaneOrderer({
    crypto: nodeCrypto,
    lane,
    ledger,
    registry,
    gateway: gateway.name,
    gatewayChain: gateway.chain,
    sealed: () => undefined,
    clock: new SystemClock(),
    logger: silentLogger,
    orderEveryMs: 1,
    orderEveryMsMax: 1,
    retryAfterMs: 1,
    ...over,
  });
  running = orderer.run({ signal: stop.signal });
  running.catch(() => undefined);
}

/** The ledger with another answer to what `judge` names; it orders nothing of that. */
function ledgerThat(
  answer: (type: string) => ReturnType<Ledger["submit"]> | undefined,
  after = false,
): Ledger {
  return new Proxy(ledger, {
    get(target, property) {
      if (property !== "submit") {
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      }
      const submit: Ledger["submit"] = async (transaction, options) => {
        const parsed = parseStatement(transaction.statement);
        const other = answer(parsed.ok ? parsed.value.header.type : "");
        if (other === undefined) return target.submit(transaction, options);
        if (after) await target.submit(transaction, options);
        return other;
      };
      return submit;
    },
  });
}

const isFinal = () =>
  vi.waitFor(() => expect(lane.isFinal({ lane: 1, leafIndex: 1n })).toBe(true), soon);

it("orders heads although the ledger refuses a revocation for good", async () => {
  registry.rows.push({ kid, statement: owner.revoke(kid).statement, ordered: false });
  const refusal = err({ code: "ORGANISATION_UNKNOWN", name: "somebody" } as const);
  start({
    ledger: ledgerThat((type) => (type === "device" ? Promise.resolve(refusal) : undefined)),
  });
  await isFinal();
  expect(registry.unorderedRevocations()).toHaveLength(1);
});

it("takes a revocation for ordered when the ledger has one as bad", async () => {
  const { signal } = stop;
  await ledger.submit(owner.revoke(kid, { reason: "compromised" }), { signal });
  const { statement } = owner.revoke(kid, { since: 2_000 });
  registry.rows.push({ kid, statement, ordered: false });
  start();
  await isFinal();
  expect(registry.unorderedRevocations()).toEqual([]);
});

it("brings revocations that another channel had ordered to this one", async () => {
  registry.rows.push({ kid, statement: owner.revoke(kid).statement, ordered: true });
  start();
  await isFinal();
  expect(ledger.revocations().entries).toMatchObject([{ kid }]);
});

it.each(["lane-open", "lane-head"])("waits while the ledger cannot take a %s", async (which) => {
  let refusals = 3;
  const unavailable = err({ code: "LEDGER_UNAVAILABLE", cause: "DISK_FULL" } as const);
  start({
    ledger: ledgerThat((type) =>
      type === which && refusals-- > 0 ? Promise.resolve(unavailable) : undefined,
    ),
  });
  await isFinal();
  expect(refusals).toBeLessThanOrEqual(0);
});

it.each([
  [1, false],
  [0, true],
])("says a full disk %s times where another channel has said it: %s", async (times, isSaid) => {
  const shared = new SharedTrouble<string>();
  if (isSaid) shared.begins("power", "DISK_FULL");
  let refusals = 3;
  const unavailable = err({ code: "LEDGER_UNAVAILABLE", cause: "DISK_FULL" } as const);
  const logger = createEventLog();
  start({
    ledger: ledgerThat((type) =>
      type === "lane-head" && refusals-- > 0 ? Promise.resolve(unavailable) : undefined,
    ),
    logger,
    trouble: {
      begins: (code) => shared.begins("milk", code),
      ends: () => shared.ends("milk"),
    },
  });
  await isFinal();
  expect(refusals).toBeLessThanOrEqual(0);
  expect(logger.lines.filter(({ event }) => event === "ledger.refused")).toHaveLength(times);
  expect(shared.codes).toEqual(isSaid ? ["DISK_FULL"] : []);
});

it("finds what the ledger ordered although it said that it could not", async () => {
  let refusals = 1;
  const unavailable = err({ code: "LEDGER_UNAVAILABLE", cause: "DISK_FULL" } as const);
  const lying = ledgerThat(
    (type) => (type === "lane-head" && refusals-- > 0 ? Promise.resolve(unavailable) : undefined),
    true,
  );
  start({ ledger: lying });
  await isFinal();
});

it("notes a sealed head when the disk has room again", async () => {
  let full = 2;
  const crowded = new Proxy(lane, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property !== "ordered") return typeof value === "function" ? value.bind(target) : value;
      const ordered: SqliteLane["ordered"] = (sealed) => {
        if (full-- > 0) throw new SqliteDatabase.SqliteError("full", "SQLITE_FULL");
        target.ordered(sealed);
      };
      return ordered;
    },
  });
  start({ lane: crowded });
  await isFinal();
  expect(full).toBeLessThan(0);
});

it("ends where its lane was opened on less than the ledger knows; the next start opens it anew", async () => {
  const before = { incarnation: lane.incarnation, head: { size: 1n, root: lane.root(1n) } };
  start();
  await isFinal();
  await end();
  const late = open("late.db", before);
  start({ lane: late });
  await expect(running).rejects.toMatchObject({ code: "LANE_OVERTAKEN" });
  late.close();
  const anew = open("late.db", ledger.lane(gateway.name));
  start({ lane: anew });
  await vi.waitFor(
    () => expect(ledger.lane(gateway.name)?.incarnation).toEqual(anew.incarnation),
    soon,
  );
  await end();
  anew.close();
});

it("signs no head of a lane that is older than what was ordered of it", async () => {
  const before = { incarnation: lane.incarnation, head: { size: 1n, root: lane.root(1n) } };
  for (const suffix of ["", "-wal"])
    copyFileSync(join(directory, `lane.db${suffix}`), join(directory, `old.db${suffix}`));
  lane.admit([admission({ first: 1 }), admission({ first: 2 })]);
  start();
  await vi.waitFor(() => expect(lane.isFinal({ lane: 1, leafIndex: 3n })).toBe(true), soon);
  await end();
  for (const more of [0, 4]) {
    const old = open("old.db", before);
    for (let first = 10; first < 10 + more; first++) old.admit([admission({ first })]);
    start({ lane: old });
    await expect(running).rejects.toMatchObject({ code: "LANE_OVERTAKEN" });
    old.close();
  }
  expect(ledger.lane(gateway.name)?.frozen).toBe(false);
  await end();
});
