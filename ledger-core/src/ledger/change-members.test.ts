/** Validators that change while real nodes run: seals over the boundary, restarts in between, who left. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import { soon } from "../../../test/support/soon.ts";
import { present } from "../base/assert.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { sealsOf } from "../receipt/seal-evidence.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { Ledger } from "./ledger.ts";

const { signal } = new AbortController();
let directory: string;
let consortium: LedgerConsortium;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tamga-members-"));
});
afterEach(async () => {
  await consortium.closeAll();
  rmSync(directory, { recursive: true });
});

async function order(ledger: Ledger, transaction: Transaction): Promise<bigint> {
  const submitted = await ledger.submit(transaction, { signal });
  if (!submitted.ok) throw new Error(submitted.fault.code);
  return submitted.value.index;
}
const openGateway = (ledger: Ledger) =>
  consortium.site.gateway(`g-${ledger.status().size}`).open(ledger.channel.id);
const isSealed = (index: number, size: number) =>
  vi.waitFor(() => {
    expect(consortium.ledgerOf(index).status()).toMatchObject({ size, sealedSize: size });
  }, soon);
const epochOf = (index: number) => consortium.ledgerOf(index).consensus()?.epoch;

describe("a boundary between real nodes", () => {
  beforeEach(async () => {
    consortium = new LedgerConsortium(directory, 5);
    consortium.founders = 4;
    for (const index of consortium.members.keys()) await consortium.open(index);
    await allSealed(consortium.ledgerOf(0));
  });

  it("hands over to the next validators, who seal what comes after and what came before", async () => {
    const ledger = consortium.ledgerOf(0);
    expect(await order(ledger, consortium.change([0, 1, 2, 4], 1))).toBe(1n);
    for (const index of [0, 1, 2, 4]) {
      await vi.waitFor(() => expect(epochOf(index)).toBe(1), soon);
      await isSealed(index, 2);
    }
    expect(await order(ledger, openGateway(ledger))).toBe(2n);
    const seal = present(ledger.sealed(), "seal");
    const names = [0, 1, 2, 4].map((index) => consortium.members[index]?.name);
    expect(seal.sealers?.validators.map(({ name }) => name)).toEqual(names);
    const sealers = { ...ledger.trustPolicy, ...seal.sealers };
    expect(sealsOf(nodeCrypto, sealers, seal)).toHaveLength(sealers.quorum);
    expect(await order(ledger, consortium.change([0, 1, 2, 3], 2))).toBe(3n);
    expect(await order(ledger, openGateway(ledger))).toBe(4n);
    for (const index of [0, 1, 2, 3]) await isSealed(index, 5);
  });

  it("leaves who is no validator, or is none any more, its part in the channel", async () => {
    const follower = consortium.ledgerOf(4);
    expect(follower.consensus()).toMatchObject({ epoch: 0 });
    expect(await order(follower, openGateway(follower))).toBe(1n);
    await order(consortium.ledgerOf(0), consortium.change([0, 1, 2, 4], 1));
    const removed = consortium.ledgerOf(3);
    expect(await order(removed, openGateway(removed))).toBe(3n);
    await isSealed(3, 4);
  });

  it("is sealed after a restart that came between it and its seal, by those whose epoch it ended", async () => {
    const { network } = consortium;
    network.isLost = (_from, _to, payload) => isSeal(payload) || isProposalOf(1, payload);
    const ledger = consortium.ledgerOf(0);
    const submitted = ledger.submit(consortium.change([0, 1, 2, 4], 1), { signal });
    for (const index of consortium.members.keys())
      await vi.waitFor(() => expect(epochOf(index)).toBe(1), soon);
    expect(ledger.status()).toMatchObject({ size: 2, sealedSize: 1 });
    await consortium.closeAll();
    expect(await submitted).toMatchObject({ ok: false });
    network.isLost = () => false;
    // Three of the four that were; two of the four that are.
    for (const index of [0, 1, 3]) await consortium.open(index);
    for (const index of [0, 1, 3]) await isSealed(index, 2);
    // And whoever comes now seals it too, and goes on.
    await consortium.open(4);
    await consortium.open(2);
    expect(await order(consortium.ledgerOf(4), openGateway(consortium.ledgerOf(4)))).toBe(2n);
  });

  it("is sealed again by the next epoch, whoever restarts in between", async () => {
    const ledger = consortium.ledgerOf(0);
    await order(ledger, consortium.change([0, 1, 2, 4], 1));
    for (const index of [0, 1, 2, 4]) await isSealed(index, 2);
    await consortium.closeAll();
    for (const index of [0, 1, 4]) await consortium.open(index);
    const back = consortium.ledgerOf(1);
    expect(await order(back, openGateway(back))).toBe(2n);
    await consortium.open(2);
    await isSealed(2, 3);
  });
});

/** `[1, type, [epoch …]]` in CBOR, as long as all are small. */
const isSeal = (payload: Uint8Array) => payload[2] === 10 || payload[2] === 11;
const isProposalOf = (epoch: number, payload: Uint8Array) =>
  payload[2] === 1 && payload[4] === epoch;
