/** Fetching a snapshot from peers of whom some lie: what each lie costs, and that the truth is installed whole. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createCertificate, createKey } from "../../../test/support/certificate-builder.ts";
import { allSealed, LedgerConsortium } from "../../../test/support/ledger-consortium.ts";
import { signStatement, site } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import type { Identifier } from "../base/identifier.ts";
import { monotonicMillis, unixMillis } from "../base/time.ts";
import { messageBytesMax } from "../consensus/limits.ts";
import { encodeMessage } from "../consensus/message-codec.ts";
import type { SnapshotAnswer, SnapshotPart } from "../consensus/snapshot-message.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { Database } from "../daemon/sqlite.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import { roleUri } from "../receipt/certificate-names.ts";
import { thumbprint } from "../wire/algorithm.ts";
import { encodeGovernanceClaims } from "../wire/governance-claims.ts";
import type { Transaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import {
  contentBytesMax,
  snapshotAttemptsMax,
  snapshotPauseMsMax,
  snapshotPauseMsMin,
  snapshotPeersMax,
} from "./limits.ts";
import { createLog } from "./own-channel.ts";
import type { VerifiedSnapshot } from "./snapshot-assembly.ts";
import type { CatchUpEffect } from "./snapshot-catch-up.ts";
import { SnapshotCatchUp } from "./snapshot-catch-up.ts";
import { SqliteChain } from "./sqlite-chain.ts";
import { SqliteChannel } from "./sqlite-channel.ts";
import { SqliteSeals } from "./sqlite-seals.ts";
import { SnapshotSink, SnapshotSource } from "./sqlite-snapshot-store.ts";
import { SqliteSnapshots, verifyDatabase } from "./sqlite-snapshots.ts";

const { signal } = new AbortController();
const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);
const retryMs = 1_000;
let directory: string;
let db: Database;
let genesis: ChannelGenesis;
let opening: Transaction;
/** Of parts of a few hundred bytes, so that there are many. */
let source: SnapshotSource;
let held: SqliteChannel;

type Answer = (part: SnapshotPart, answer: SnapshotAnswer) => SnapshotAnswer | undefined;
const honest: Answer = (_, answer) => answer;
const [a, b] = [name("a"), name("b")];

function partsOf(channel: SqliteChannel) {
  return {
    ...{ channel, genesis, chain: new SqliteChain(channel, { crypto: nodeCrypto, genesis }) },
    ...{ seals: new SqliteSeals(channel.db), snapshots: new SqliteSnapshots(channel.db) },
  };
}

/** A device with a key of its own, as its organisation states it. */
function statedDevice(consortium: LedgerConsortium, device: string): Transaction {
  const key = createKey("ES256");
  const { channel } = site;
  const certificate = createCertificate({
    subject: name(device),
    publicKey: key,
    issuer: { subject: site.organisation, key: consortium.site.caKey },
    uris: [roleUri("device", { channel, name: name(device) }), "urn:x-tamga:key:file"],
  });
  const claims = encodeGovernanceClaims({
    kind: "device-key",
    device: name(device),
    kid: thumbprint(sha256, key.publicKey),
    certificate: sha256(certificate),
    keyKind: "file",
    at: unixMillis(1_750_000_000_000),
  });
  const signer = { issuer: site.organisation, key: consortium.site.caKey };
  const statement = signStatement(signer, "device-key", claims);
  return { statement, consistency: [], certificates: [certificate] };
}

function anchored(consortium: LedgerConsortium, size: bigint): Transaction {
  const claims = encodeGovernanceClaims({
    kind: "anchor",
    target: name("chain"),
    head: { size, root: sha256(Uint8Array.of(Number(size))) },
    proof: Uint8Array.of(1),
    at: unixMillis(1_750_000_000_000),
  });
  const signer = { issuer: site.organisation, key: consortium.site.caKey };
  return { statement: signStatement(signer, "anchor", claims), consistency: [], certificates: [] };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-catch-up-"));
  const consortium = new LedgerConsortium(directory, 5);
  consortium.founders = 4;
  for (const index of consortium.members.keys()) await consortium.open(index);
  const ledger = consortium.ledgerOf(0);
  await allSealed(ledger);
  const order = async (transaction: Transaction) => {
    const submitted = await ledger.submit(transaction, { signal });
    if (!submitted.ok) throw new Error(submitted.fault.code);
  };
  const gateways = ["a", "b"].map((text) => consortium.site.gateway(text));
  for (const gateway of gateways) await order(gateway.open(ledger.channel.id));
  for (const device of ["meter-1", "meter-2", "meter-1"])
    await order(statedDevice(consortium, device));
  const kid = sha256(Uint8Array.of(7));
  await order(consortium.site.revoke(kid));
  await order(anchored(consortium, 1n));
  await order(consortium.change([0, 1, 2, 4], 1));
  await order(consortium.site.revoke(kid, { reason: "compromised", since: 500 }));
  const [frozen] = gateways;
  const head = { size: 1n, root: kid };
  const revocations = ledger.revocations().head;
  const refused = await ledger.submit(present(frozen, "a").sayHead({ head, revocations }), {
    signal,
  });
  expect(refused).toMatchObject({ ok: false, fault: { code: "LANE_HEAD_INCONSISTENT" } });
  await order(anchored(consortium, 3n));
  await allSealed(ledger);
  expect(ledger.status()).toMatchObject({ frozenLanes: 1, revokedKeys: 1 });
  ledger.prune(ledger.height);
  opening = await consortium.opening();
  const path = join(present(consortium.members[0], "member").directory, "ledger.db");
  await consortium.closeAll();
  db = openDatabase(path);
  held = SqliteChannel.open(db, nodeCrypto);
  genesis = held.genesis();
  source = new SnapshotSource(partsOf(held), 700);
});
afterAll(() => {
  db.close();
  rmSync(directory, { recursive: true });
});

let newcomers = 0;

/** A node that holds the opening and nothing more. */
class Newcomer {
  readonly db = openDatabase(join(directory, `new-${++newcomers}.db`));
  readonly channel: SqliteChannel;
  readonly parts: ReturnType<typeof partsOf>;
  readonly sink: SnapshotSink;
  readonly catchUp: SnapshotCatchUp;
  readonly blamed: string[] = [];
  readonly asked: string[] = [];
  bytes = 0;
  now = 0;
  snapshot: VerifiedSnapshot | undefined;

  constructor() {
    this.channel = SqliteChannel.open(this.db, nodeCrypto);
    createLog(this.channel, genesis, opening);
    this.parts = partsOf(this.channel);
    this.sink = new SnapshotSink(this.parts);
    this.catchUp = new SnapshotCatchUp({
      ...{ crypto: nodeCrypto, genesis, retryMs },
      height: () => this.parts.chain.height,
      range: (upTo) => this.sink.range(upTo),
    });
  }

  /** Hears from each that its blocks begin at 5, and asks until it asks nobody any more. */
  run(peers: ReadonlyMap<Identifier, Answer>): this {
    for (const peer of peers.keys())
      this.#follow(peers, this.catchUp.pruned(peer, { type: "pruned", below: 5 }, this.#at()));
    while (this.catchUp.at !== undefined) {
      this.now = this.catchUp.at;
      this.#follow(peers, this.catchUp.tick(this.#at()));
    }
    return this;
  }

  install(): boolean {
    const snapshot = present(this.snapshot, "a snapshot that is whole");
    return this.db.transaction(() => this.sink.install(snapshot)).immediate();
  }

  #at() {
    return monotonicMillis(this.now);
  }

  #follow(peers: ReadonlyMap<Identifier, Answer>, effects: readonly CatchUpEffect[]): void {
    for (const effect of effects)
      switch (effect.type) {
        case "send": {
          const { to, message } = effect;
          this.asked.push(to);
          const true_ = source.answer(message);
          const answer = true_ && peers.get(to)?.(message.part, true_);
          if (answer === undefined) break;
          const { length } = encodeMessage(answer);
          expect(length).toBeLessThanOrEqual(messageBytesMax);
          this.bytes += length;
          this.#follow(peers, this.catchUp.answer(to, answer, this.#at()));
          break;
        }
        case "stage":
          this.sink.stage(effect);
          break;
        case "unstage":
          this.sink.forget();
          break;
        case "install":
          this.snapshot = effect.snapshot;
          break;
        case "misbehaviour":
          this.blamed.push(`${effect.from} ${effect.code}`);
      }
  }
}

let newcomer: Newcomer;
beforeEach(() => {
  newcomer = new Newcomer();
});
afterEach(() => newcomer.db.close());

const only = (part: SnapshotPart, forge: (answer: SnapshotAnswer) => SnapshotAnswer): Answer => {
  return (of, answer) => (of === part ? forge(answer) : answer);
};
const head = (forge: (of: Extract<SnapshotAnswer, { type: "snapshot" }>) => SnapshotAnswer) =>
  only("head", (answer) => (answer.type === "snapshot" ? forge(answer) : answer));
const noSignature = (signatures: readonly Uint8Array[]) => signatures.map(() => new Uint8Array(64));

describe("a snapshot from an honest peer", () => {
  it("is installed over a change of members, with every leaf, row and proof", () => {
    newcomer.run(new Map([[a, honest]]));
    expect(newcomer.blamed).toEqual([]);
    expect(newcomer.install()).toBe(true);
    const { channel, parts } = newcomer;
    expect(channel.log.root()).toEqual(held.log.root());
    expect(parts.chain.prunedBelow).toBe(parts.chain.height);
    for (let size = 0; size <= held.log.size; size++)
      expect(channel.revocationsBefore(size)).toEqual(held.revocationsBefore(size));
    const content = (of: SqliteChannel) => of.loadState(genesis).channel.content();
    expect(content(channel)).toEqual(content(held));
    expect(channel.rows.boundaries()).toEqual(held.rows.boundaries());
    expect(newcomer.parts.seals.newest()).toEqual(partsOf(held).seals.newest());
    verifyDatabase(channel, nodeCrypto);
    const again = new SnapshotSource(parts).head();
    expect(again?.block).toEqual(source.head()?.block);
  });

  it("is there whole or not at all, wherever the install breaks off", () => {
    newcomer.run(new Map([[a, honest]]));
    const tables = ["channel_log_entry", "channel_lane", "chain_block", "channel_snapshot"];
    for (const table of [...tables, "chain_pruned", "channel_sealed"]) {
      newcomer.db.exec(`CREATE TRIGGER broken BEFORE INSERT ON ${table}
        BEGIN SELECT RAISE(ABORT, 'power'); END`);
      expect(() => newcomer.install(), table).toThrow("power");
      newcomer.db.exec("DROP TRIGGER broken");
      expect([newcomer.parts.chain.height, newcomer.channel.log.size]).toEqual([0, 1]);
    }
    expect(newcomer.install()).toBe(true);
    verifyDatabase(newcomer.channel, nodeCrypto);
  });

  it("goes on with the leaves that were put aside, from another peer", () => {
    let parts = 0;
    const breaksOff: Answer = (part, answer) =>
      part === "entries" && ++parts > 2 ? undefined : answer;
    newcomer.run(new Map([[a, breaksOff]]));
    expect(newcomer.snapshot).toBeUndefined();
    const firsts: number[] = [];
    newcomer.run(
      new Map([
        [
          b,
          (part, answer) => {
            if (part === "entries" && "from" in answer) firsts.push(answer.from);
            return answer;
          },
        ],
      ]),
    );
    expect(firsts[0]).toBeGreaterThan(2);
    expect(newcomer.install()).toBe(true);
  });

  it("keeps the rest where only its seal is not one", () => {
    newcomer.run(
      new Map([
        [
          a,
          head(({ seal, ...rest }) => {
            const { seals, ...point } = present(seal, "seal");
            const payloads = seals.map((of) => ({ ...of, payload: Uint8Array.of(1) }));
            return { ...rest, seal: { ...point, seals: payloads } };
          }),
        ],
      ]),
    );
    expect(newcomer.install()).toBe(false);
    expect(newcomer.parts.seals.newest()).toBeUndefined();
  });
});

describe("a peer that lies", () => {
  const lies: readonly (readonly [string, string, Answer])[] = [
    ["of another state", "SNAPSHOT_CONTENT_WRONG", only("content", flipped)],
    [
      "in the header",
      "SNAPSHOT_HEAD_WRONG",
      head((of) => {
        const header = { ...of.block.header, stateRoot: of.block.header.logRoot };
        return { ...of, block: { ...of.block, header } };
      }),
    ],
    [
      "in the body",
      "SNAPSHOT_HEAD_WRONG",
      head((of) => ({ ...of, block: { ...of.block, transactions: [Uint8Array.of(1)] } })),
    ],
    [
      "by a certificate that nobody signed",
      "SNAPSHOT_HEAD_WRONG",
      head(({ certificate, ...of }) => {
        const signatures = noSignature(certificate.signatures);
        return { ...of, certificate: { ...certificate, signatures } };
      }),
    ],
    [
      "by a certificate of one validator, over and over",
      "SNAPSHOT_HEAD_WRONG",
      head(({ certificate, ...of }) => {
        const voters = certificate.voters.map(() => 0);
        return { ...of, certificate: { ...certificate, voters } };
      }),
    ],
    [
      "of a seal by too few",
      "SNAPSHOT_SEAL_WRONG",
      head(({ seal, ...of }) => {
        const sealed = present(seal, "seal");
        return { ...of, seal: { ...sealed, seals: sealed.seals.slice(1, 2) } };
      }),
    ],
    [
      "of a content longer than any",
      "SNAPSHOT_HEAD_WRONG",
      head((of) => ({ ...of, contentBytes: contentBytesMax + 1 })),
    ],
    [
      "by a change of members that nobody finalized",
      "SNAPSHOT_BOUNDARY_WRONG",
      only("boundaries", (answer) => {
        if (answer.type !== "snapshot-boundaries") return answer;
        const boundaries = answer.boundaries.map(({ block, certificate }) => {
          const signatures = noSignature(certificate.signatures);
          return { block, certificate: { ...certificate, signatures } };
        });
        return { ...answer, boundaries };
      }),
    ],
    [
      "by other members in it",
      "SNAPSHOT_BOUNDARY_WRONG",
      only("boundaries", (answer) => {
        if (answer.type !== "snapshot-boundaries") return answer;
        const boundaries = answer.boundaries.map(({ block, certificate }) => {
          const boundary = present(block.header.boundary, "boundary");
          const validators = boundary.validators.slice(1);
          const header = { ...block.header, boundary: { ...boundary, validators } };
          return { block: { ...block, header }, certificate };
        });
        return { ...answer, boundaries };
      }),
    ],
    [
      "by no changes of members where there are some",
      "SNAPSHOT_PART_UNASKED",
      only("boundaries", (answer) =>
        answer.type === "snapshot-boundaries" ? { ...answer, boundaries: [] } : answer,
      ),
    ],
    [
      "of another leaf",
      "SNAPSHOT_ENTRIES_WRONG",
      only("entries", (answer) =>
        answer.type === "snapshot-entries"
          ? { ...answer, entries: answer.entries.map((entry) => entry.toReversed()) }
          : answer,
      ),
    ],
    [
      "by leaves without end",
      "SNAPSHOT_PART_UNASKED",
      only("entries", (answer) =>
        answer.type === "snapshot-entries"
          ? { ...answer, entries: Array.from({ length: 4_000 }, () => Uint8Array.of(1)) }
          : answer,
      ),
    ],
    [
      "by bytes without end",
      "SNAPSHOT_PART_UNASKED",
      only("content", (answer) =>
        answer.type === "snapshot-content"
          ? { ...answer, bytes: new Uint8Array(1_048_576) }
          : answer,
      ),
    ],
  ];

  it.each(lies)("%s is counted and left for another", (_, code, liar) => {
    const peers = new Map([
      [a, liar],
      [b, honest],
    ]);
    newcomer.run(peers);
    expect(newcomer.blamed).toEqual([`a ${code}`]);
    expect(newcomer.asked.at(-1)).toBe("b");
    expect(newcomer.install()).toBe(true);
    expect(newcomer.bytes).toBeLessThan(3_000_000);
    verifyDatabase(newcomer.channel, nodeCrypto);
  });

  it("is not asked again before its pause is over, which doubles up to the most", () => {
    const lying = new Map([[a, only("content", flipped)]]);
    let pauseMs = snapshotPauseMsMin;
    for (let lied = 1; lied <= 9; lied++) {
      expect(newcomer.run(lying).blamed).toHaveLength(lied);
      newcomer.now += pauseMs - 1;
      expect(newcomer.run(lying).blamed).toHaveLength(lied);
      newcomer.now += 1;
      pauseMs = Math.min(2 * pauseMs, snapshotPauseMsMax);
    }
    expect(pauseMs).toBe(snapshotPauseMsMax);
  });

  it("by silence, or by ever other heads, is left after so many attempts", () => {
    newcomer.run(new Map<Identifier, Answer>([[a, () => undefined]]));
    expect(newcomer.asked).toHaveLength(snapshotAttemptsMax);
    let height = 1_000;
    const restless: Answer = (_, __) => {
      const of = present(source.head(), "head");
      const header = { ...of.block.header, height: height++ };
      return { ...of, block: { ...of.block, header } };
    };
    newcomer.asked.length = 0;
    newcomer.run(new Map([[a, restless]]));
    expect(newcomer.asked).toHaveLength(snapshotAttemptsMax);
    expect(newcomer.snapshot).toBeUndefined();
  });

  it("in great numbers is one of at most so many that are remembered", () => {
    const many = Array.from({ length: snapshotPeersMax + 9 }, (_, at) => name(`peer-${at}`));
    newcomer.run(new Map(many.map((peer) => [peer, only("content", flipped)])));
    // Each was asked as it came, one after the other.
    expect(newcomer.blamed).toHaveLength(many.length);
    newcomer.run(new Map(many.slice(0, 9).map((peer) => [peer, honest])));
    expect(newcomer.snapshot).toBeDefined();
  });

  it("by parts that nobody asked for is counted", () => {
    const part = present(
      source.answer({ type: "fetch-snapshot", height: 0, part: "head", from: 0 }),
      "head",
    );
    expect(newcomer.catchUp.answer(b, part, monotonicMillis(0))).toEqual([
      { type: "misbehaviour", from: "b", code: "SNAPSHOT_PART_UNASKED" },
    ]);
    expect(newcomer.catchUp.pruned(b, { type: "pruned", below: 1 }, monotonicMillis(0))).toEqual(
      [],
    );
  });
});

function flipped(answer: SnapshotAnswer): SnapshotAnswer {
  if (answer.type !== "snapshot-content") return answer;
  return { ...answer, bytes: answer.bytes.map((byte) => byte ^ 1) };
}
