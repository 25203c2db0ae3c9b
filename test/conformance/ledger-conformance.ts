/** What every deployment of a `Ledger` does, whatever stands behind it: one validator or sixteen. */

import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { fromHex, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Ledger, SealedCheckpoint } from "@tamga/ledger-core/ledger/ledger";
import { submissionsPendingMax } from "@tamga/ledger-core/ledger/limits";
import { verifyConsistency } from "@tamga/ledger-core/log/consistency-proof";
import { verifyInclusion } from "@tamga/ledger-core/log/inclusion-proof";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { sealsOf } from "@tamga/ledger-core/receipt/seal-evidence";
import { verifyNotRevoked } from "@tamga/ledger-core/receipt/verify-revocation";
import { verifySeal } from "@tamga/ledger-core/receipt/verify-seal";
import { revocationReasons } from "@tamga/ledger-core/wire/channel-claims";
import { identityOf, parseSign1 } from "@tamga/ledger-core/wire/cose";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { LedgerSite, TestGateway } from "../support/ledger-site.ts";
import { soon } from "../support/soon.ts";

/** One channel on disks of its own, open once at a time. */
export type LedgerDeployment = {
  readonly site: LedgerSite;
  /** Opens it, or opens it again with what it has. */
  readonly open: () => Promise<Ledger>;
  /**
   * A process that submits without end and prints `index identity` (hexadecimal) for each transaction
   * once it is acknowledged. It is killed.
   */
  readonly startWriter: () => ChildProcess;
  readonly discard: () => Promise<void>;
};

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const { signal } = new AbortController();

export function ledgerConformance(name: string, create: () => Promise<LedgerDeployment>): void {
  describe(`${name}: a ledger`, () => {
    let deployment: LedgerDeployment;
    let ledger: Ledger;

    beforeEach(async () => {
      deployment = await create();
      ledger = await deployment.open();
    });
    afterEach(async () => {
      await ledger.close();
      await deployment.discard();
    });

    /** Submits what must be taken; its index. */
    const order = async (transaction: Transaction): Promise<bigint> => {
      const submitted = await ledger.submit(transaction, { signal });
      if (!submitted.ok) throw new Error(submitted.fault.code);
      return submitted.value.index;
    };
    const codeOf = async (transaction: Transaction): Promise<string> => {
      const submitted = await ledger.submit(transaction, { signal });
      return submitted.ok ? "OK" : submitted.fault.code;
    };
    const openLane = async (text: string): Promise<TestGateway> => {
      const gateway = deployment.site.gateway(text);
      await order(gateway.open(ledger.channel.id));
      return gateway;
    };
    const nextHead = (gateway: TestGateway): Transaction => {
      gateway.grow();
      const last = present(ledger.lane(gateway.name), "open lane").head;
      return gateway.head(ledger.revocations().head, last);
    };
    const newest = (): SealedCheckpoint => present(ledger.sealed(), "seal");
    const judge = (seal: SealedCheckpoint) => {
      const seals = sealsOf(nodeCrypto, ledger.trustPolicy, seal);
      return verifySeal(nodeCrypto, ledger.trustPolicy, { ...seal, seals });
    };

    it("opens sealed, with its channel-open statement as leaf 0", () => {
      expect(newest().size).toBe(1n);
      const part = parseSign1(present(ledger.entry(0n), "leaf 0"));
      expect(part.ok && identityOf(nodeCrypto.sha256, part.value)).toEqual(ledger.channel.id);
      expect(ledger.trustPolicy.channelId).toEqual(ledger.channel.id);
      expect(ledger.entry(1n)).toBeUndefined();
    });

    it("orders what many submit at once, each at one index, in the order of each", async () => {
      const gateways = await Promise.all(["a", "b", "c", "d"].map(openLane));
      const taken: { readonly index: bigint; readonly transaction: Transaction }[] = [];
      const drive = async (gateway: TestGateway) => {
        for (let i = 0; i < 5; i++) {
          const transaction = nextHead(gateway);
          taken.push({ index: await order(transaction), transaction });
        }
      };
      await Promise.all(gateways.map(drive));
      const indices = taken.map(({ index }) => index).sort((a, b) => Number(a - b));
      expect(indices).toEqual(Array.from({ length: 20 }, (_, i) => BigInt(5 + i)));
      for (const { index, transaction } of taken)
        expect(ledger.entry(index)).toEqual(transaction.statement);
      for (const gateway of gateways)
        expect(ledger.lane(gateway.name)?.head).toEqual(gateway.lane.head());
    });

    it("answers the same statement with the same index, in one block, later and reopened", async () => {
      const gateway = await openLane("a");
      const transaction = nextHead(gateway);
      const [index, twin] = await Promise.all([order(transaction), order(transaction)]);
      expect(twin).toBe(index);
      expect(await order(nextHead(gateway))).toBe(index + 1n);
      expect(await order(transaction)).toBe(index);
      await ledger.close();
      ledger = await deployment.open();
      expect(await order(transaction)).toBe(index);
      expect(newest().size).toBe(index + 2n);
    });

    it("acknowledges nothing before it is sealed", async () => {
      const gateway = await openLane("a");
      for (let i = 0; i < 3; i++) {
        const index = await order(nextHead(gateway));
        expect(newest().size).toBeGreaterThan(index);
      }
    });

    it("refuses what is not valid, with its code and without a trace", async () => {
      const gateway = await openLane("a");
      const { size } = newest();
      const empty = ledger.revocations().head;
      const last = present(ledger.lane(gateway.name), "open lane").head;
      gateway.grow();
      gateway.grow();
      const head = gateway.lane.head();
      const consistency = gateway.lane.consistency(1);
      const stale = { size: 1n, root: head.root };
      const stranger = deployment.site.gateway("stranger");
      const junk = { statement: utf8("junk"), consistency: [], certificates: [] };
      expect(await codeOf(junk)).toBe("CBOR_MALFORMED");
      expect(await codeOf(stranger.sayHead({ head, revocations: empty, consistency }))).toBe(
        "LANE_UNKNOWN",
      );
      expect(await codeOf(gateway.sayHead({ head, revocations: stale, consistency }))).toBe(
        "LANE_HEAD_STALE_REVOCATIONS",
      );
      expect(await codeOf(gateway.sayHead({ head, revocations: empty }))).toBe(
        "LANE_HEAD_PROOF_WRONG",
      );
      expect(await codeOf(gateway.sayHead({ head: last, revocations: empty }))).toBe(
        "LANE_HEAD_NOT_GROWN",
      );
      expect(newest().size).toBe(size);
      expect(await codeOf(gateway.sayHead({ head, revocations: empty, consistency }))).toBe("OK");
      expect(newest().size).toBe(size + 1n);
    });

    it("closes a lane for ever when its gateway opens the next, also over a restart", async () => {
      const gateway = await openLane("a");
      const first = { incarnation: gateway.incarnation, lane: gateway.lane };
      gateway.restart();
      const predecessor = { incarnation: first.incarnation, head: first.lane.head() };
      expect(await codeOf(gateway.open(ledger.channel.id))).toBe("LANE_PREDECESSOR_MISMATCH");
      gateway.restart();
      await order(gateway.open(ledger.channel.id, predecessor));
      const second = { incarnation: gateway.incarnation, head: gateway.lane.head() };
      await ledger.close();
      ledger = await deployment.open();
      Object.assign(gateway, first);
      expect(await codeOf(gateway.open(ledger.channel.id, second))).toBe("LANE_INCARNATION_USED");
      expect(await codeOf(nextHead(gateway))).toBe("LANE_INCARNATION_NOT_OPEN");
      expect(ledger.lane(gateway.name)).toMatchObject(second);
    });

    it("freezes a lane of two inconsistent heads, also over a restart", async () => {
      const gateway = await openLane("a");
      await order(nextHead(gateway));
      const { size } = newest();
      const other = { size: gateway.lane.head().size, root: nodeCrypto.sha256(utf8("other")) };
      const revocations = ledger.revocations().head;
      expect(await codeOf(gateway.sayHead({ head: other, revocations }))).toBe(
        "LANE_HEAD_INCONSISTENT",
      );
      expect(ledger.lane(gateway.name)?.frozen).toBe(true);
      // The refused head is in no leaf, but in the proof that the ledger made of it.
      await vi.waitFor(() => expect(newest().size).toBe(size + 1n), soon);
      const fault = parseStatement(present(ledger.entry(size), "lane-fault"));
      expect(fault.ok && fault.value.header.type).toBe("lane-fault");
      expect(ledger.status().frozenLanes).toBe(1);
      await ledger.close();
      ledger = await deployment.open();
      expect(ledger.lane(gateway.name)?.frozen).toBe(true);
      expect(await codeOf(nextHead(gateway))).toBe("LANE_FROZEN");
      expect(newest().size).toBe(size + 1n);
    });

    it("seals what verifies against its trust policy, and proves any two seals and every leaf", async () => {
      const seals = [newest()];
      const gateway = await openLane("a");
      seals.push(newest());
      for (let i = 0; i < 6; i++) {
        await order(nextHead(gateway));
        seals.push(newest());
      }
      for (const [at, seal] of seals.entries()) {
        const verified = judge(seal);
        expect(verified.ok && verified.value.head.root).toEqual(seal.root);
        for (const earlier of seals.slice(0, at + 1)) {
          const consistent = verifyConsistency(hasher, {
            size1: earlier.size,
            size2: seal.size,
            root1: earlier.root,
            root2: seal.root,
            path: ledger.consistency(earlier.size, seal.size),
          });
          expect(consistent.ok).toBe(true);
        }
        for (let index = 0n; index < seal.size; index++) {
          const leafHash = hasher.leaf(present(ledger.entry(index), "leaf"));
          const path = ledger.inclusion(index, seal.size);
          const leaf = { leafIndex: index, treeSize: seal.size, leafHash, path };
          expect(verifyInclusion(hasher, { ...leaf, root: seal.root }).ok).toBe(true);
        }
      }
    });

    it("hands each reader the newest seal, and ends on close or abort", async () => {
      const gateway = await openLane("a");
      const reader = ledger.seals({ signal })[Symbol.asyncIterator]();
      const first = reader.next();
      await order(nextHead(gateway));
      expect((await first).value).toBe(newest());
      for (let i = 0; i < 3; i++) await order(nextHead(gateway));
      expect((await reader.next()).value).toBe(newest());
      const stop = new AbortController();
      const aborted = ledger.seals({ signal: stop.signal })[Symbol.asyncIterator]().next();
      stop.abort(new Error("enough"));
      await expect(aborted).rejects.toThrow("enough");
      const last = reader.next();
      await ledger.close();
      expect(await last).toEqual({ done: true, value: undefined });
      expect(await codeOf(nextHead(gateway))).toBe("LEDGER_CLOSED");
    });

    it("keeps a revocation list that heads must name and devices can be proved absent from", async () => {
      const gateway = await openLane("a");
      const kids = ["x", "y", "z"].map((text) => nodeCrypto.sha256(utf8(text)));
      const [x, y, z] = kids.map((kid) => present(kid, "kid"));
      const absent: Digest = nodeCrypto.sha256(utf8("absent"));
      const before = await order(nextHead(gateway));
      const emptyHead = ledger.revocations().head;
      await order(deployment.site.revoke(present(x, "x")));
      await order(deployment.site.revoke(present(y, "y"), { reason: "compromised", since: 5 }));
      gateway.grow();
      const last = present(ledger.lane(gateway.name), "open lane").head;
      expect(await codeOf(gateway.head(emptyHead, last))).toBe("LANE_HEAD_STALE_REVOCATIONS");
      const list = ledger.revocations().head;
      const after = await order(gateway.head(list, last));
      await order(deployment.site.revoke(present(z, "z")));

      expect(ledger.revocations(before).head).toEqual(emptyHead);
      expect(ledger.revocations(after).head).toEqual(list);
      expect(ledger.revocations().head.size).toBe(3n);
      for (const asOf of [before, after, undefined]) {
        const revocations = ledger.revocations(asOf);
        const evidence = revocations.evidence(absent);
        expect(evidence.ok).toBe(true);
        if (!evidence.ok) continue;
        const proof = { list: revocations.head, evidence: evidence.value };
        expect(verifyNotRevoked(nodeCrypto, absent, proof).ok).toBe(true);
      }
      expect(ledger.revocations(after).evidence(present(z, "z")).ok).toBe(true);
      expect(ledger.revocations().evidence(present(z, "z"))).toMatchObject({
        fault: { code: "KEY_REVOKED", revoked: { reason: revocationReasons.indexOf("retired") } },
      });
    });

    it("refuses one transaction more than may wait, and takes it later", async () => {
      const gateway = await openLane("a");
      const transaction = nextHead(gateway);
      const codes = await Promise.all(
        Array.from({ length: submissionsPendingMax + 1 }, () => codeOf(transaction)),
      );
      expect(codes.filter((code) => code === "OK")).toHaveLength(submissionsPendingMax);
      expect(codes.at(-1)).toBe("LEDGER_BUSY");
      expect(await codeOf(transaction)).toBe("OK");
      expect(ledger.status().pendingTransactions).toBe(0);
    });

    it("rejects with the reason of an abort, before and while it waits", async () => {
      const gateway = await openLane("a");
      const stop = new AbortController();
      const transaction = nextHead(gateway);
      const waiting = ledger.submit(transaction, { signal: stop.signal });
      stop.abort(new Error("gone"));
      await expect(waiting).rejects.toThrow("gone");
      await expect(ledger.submit(transaction, { signal: stop.signal })).rejects.toThrow("gone");
      expect(await codeOf(transaction)).toBe("OK");
    });

    it("has everything again after a restart", async () => {
      const gateway = await openLane("a");
      await order(deployment.site.revoke(nodeCrypto.sha256(utf8("x"))));
      await order(nextHead(gateway));
      const picture = () => ({
        status: ledger.status(),
        sealed: newest(),
        lane: ledger.lane(gateway.name),
        revocations: ledger.revocations().head,
        path: ledger.inclusion(1n, 4n),
      });
      const before = picture();
      expect(before.status).toMatchObject({ size: 4, sealedSize: 4, lanes: 1, revokedKeys: 1 });
      await ledger.close();
      ledger = await deployment.open();
      expect(picture()).toEqual(before);
      expect(await codeOf(nextHead(gateway))).toBe("OK");
    });

    it("loses nothing acknowledged to kill -9, and never seals two histories", {
      timeout: 300_000,
    }, async () => {
      await ledger.close();
      let last: SealedCheckpoint | undefined;
      for (const acknowledgements of [1, 40, 137]) {
        const kept = await killAfter(deployment.startWriter(), acknowledgements);
        expect(kept.length).toBeGreaterThanOrEqual(acknowledgements);
        ledger = await deployment.open();
        const seal = newest();
        expect(judge(seal).ok).toBe(true);
        for (const { index, identity } of kept) {
          const part = parseSign1(present(ledger.entry(index), "acknowledged leaf"));
          expect(part.ok && identityOf(nodeCrypto.sha256, part.value)).toEqual(identity);
          expect(seal.size).toBeGreaterThan(index);
        }
        if (last !== undefined) {
          const path = ledger.consistency(last.size, seal.size);
          const claim = { size1: last.size, size2: seal.size, root1: last.root, root2: seal.root };
          expect(verifyConsistency(hasher, { ...claim, path }).ok).toBe(true);
        }
        last = seal;
        await ledger.close();
      }
      ledger = await deployment.open();
    });
  });
}

/** Kills the writer at once when it has this many acknowledgements; returns all that it printed. */
async function killAfter(
  writer: ChildProcess,
  count: number,
): Promise<{ readonly index: bigint; readonly identity: Uint8Array }[]> {
  const kept: { readonly index: bigint; readonly identity: Uint8Array }[] = [];
  for await (const line of createInterface({ input: present(writer.stdout, "stdout") })) {
    const [index = "", identity = ""] = line.split(" ");
    kept.push({ index: BigInt(index), identity: present(fromHex(identity), "identity") });
    if (kept.length === count) writer.kill("SIGKILL");
  }
  return kept;
}
