/** Final blocks as stored: what comes back, what is refused, what an answer holds, what pruning leaves. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import {
  digestOf,
  sampleBlock,
  sampleCertificate,
} from "../../../test/support/consensus-samples.ts";
import { LedgerSite } from "../../../test/support/ledger-site.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { InvariantError, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { u64 } from "../base/bytes.ts";
import { unixMillis } from "../base/time.ts";
import type { Block, Header } from "../consensus/block.ts";
import { headerDigest } from "../consensus/block.ts";
import { answerBytesMax, blocksPerAnswerMax, messageBytesMax } from "../consensus/limits.ts";
import { encodeMessage } from "../consensus/message-codec.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { Database } from "../daemon/sqlite.ts";
import { openDatabase } from "../daemon/sqlite.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import { judgeGenesis } from "./channel-genesis.ts";
import { SqliteChain } from "./sqlite-chain.ts";
import { SqliteChannel } from "./sqlite-channel.ts";

const owner = new LedgerSite();
const corrupt = expect.objectContaining({ code: "DATABASE_CORRUPT" });
let directory: string;
let db: Database;
let channel: SqliteChannel;
let chain: SqliteChain;
let genesis: ChannelGenesis;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tamga-chain-"));
  db = openDatabase(join(directory, "ledger.db"));
  channel = SqliteChannel.open(db, nodeCrypto);
  const transaction = await owner.openChannel(validatorKey);
  const judged = judgeGenesis(nodeCrypto, transaction);
  if (!judged.ok) throw new Error(judged.fault.code);
  genesis = judged.value;
  db.transaction(() => {
    const { id: identity } = genesis.identity;
    channel.appendBlock([{ identity, transaction }], { time: unixMillis(1) });
  })();
  chain = new SqliteChain(channel, { crypto: nodeCrypto, genesis });
});
afterEach(() => {
  db.close();
  rmSync(directory, { recursive: true });
});

const validatorKey = new Uint8Array(createKey("EdDSA").spki.subarray(-32));

/** Revocations of so many keys, and padding that makes a block large. */
function revocations(height: number, count: number, padding = 0) {
  return Array.from({ length: count }, (_, i) => {
    const kid = nodeCrypto.sha256(u64(BigInt(height * 1_000 + i)));
    const transaction = owner.revoke(kid);
    const certificates = Array.from({ length: padding }, () => new Uint8Array(4_000));
    const change = {
      type: "key-revoked",
      device: name("device-1"),
      revoked: { kid, reason: 1, since: 1n },
    } as const;
    return { identity: kid, transaction: { ...transaction, certificates }, change };
  });
}

type Made = { readonly block: Block; readonly digest: Digest };

/** Appends the next block as a commit does. */
function append(
  options: {
    readonly count?: number;
    readonly padding?: number;
    readonly certified?: boolean;
    readonly header?: Partial<Header>;
    readonly meddle?: (block: Block) => Block;
  } = {},
): Made {
  const { count = 1, padding = 0, certified = true, meddle = (block) => block } = options;
  const height = chain.height + 1;
  const ordered = revocations(height, count, padding);
  return db.transaction(() => {
    const time = unixMillis(1_000 + height);
    if (count > 0) channel.appendBlock(ordered, { time });
    const last = height === 1 ? genesis.identity.id : previous;
    const transactions = ordered.map(({ transaction }) => encodeTransaction(transaction));
    const sample = sampleBlock(
      {
        view: height,
        parentDigest: last,
        logSize: BigInt(channel.log.size),
        logRoot: channel.log.root(),
        ...options.header,
      },
      transactions,
    );
    const { digest: _, ...made } = sample;
    const block = meddle(made);
    const digest = headerDigest(nodeCrypto, block.header);
    const view = height;
    const ballot = { kind: "finalize", view, parentView: view - 1, digest } as const;
    chain.append(block, digest, certified ? sampleCertificate(ballot) : undefined);
    previous = digest;
    return { block, digest };
  })();
}
let previous: Digest;

describe("stored final blocks", () => {
  it("come back as they were voted for, and end with a certificate", () => {
    const made = [append({ count: 3 }), append({ count: 0 }), append()];
    for (const [i, { block, digest }] of made.entries()) {
      expect(chain.block(i + 1)).toEqual(block);
      expect(chain.header(i + 1)).toEqual(block.header);
      expect(headerDigest(nodeCrypto, block.header)).toEqual(digest);
    }
    expect(chain.tip()).toMatchObject({ header: made[2]?.block.header, digest: made[2]?.digest });
    expect(chain.block(4)).toBeUndefined();
    const answer = present(chain.finalBlocks(2), "answer");
    expect(answer.blocks).toEqual([made[1]?.block, made[2]?.block]);
    expect(answer.certificate.ballot).toMatchObject({ kind: "finalize", view: 3 });
    expect(chain.finalBlocks(4)).toBeUndefined();
  });

  const wrong: readonly (readonly [string, (block: Block) => Block])[] = [
    ["a gap in the heights", (block) => withHeader(block, { height: 3 })],
    ["another parent", (block) => withHeader(block, { parentDigest: digestOf("other") })],
    ["another log size", (block) => withHeader(block, { logSize: 9n })],
    ["another log root", (block) => withHeader(block, { logRoot: digestOf("other") })],
  ];
  it.each(wrong)("refuse %s", (_, meddle) => {
    append();
    expect(() => append({ meddle })).toThrow(InvariantError);
    expect(chain.height).toBe(1);
    expect(channel.log.size).toBe(2);
  });

  it.each([
    ["header", "UPDATE chain_block SET frame = (SELECT frame FROM chain_block WHERE height = 1)"],
    ["digest", "UPDATE chain_block SET digest = zeroblob(32)"],
    [
      "evidence",
      "UPDATE channel_evidence SET evidence = (SELECT evidence FROM channel_evidence WHERE idx = 0)",
    ],
    ["a transaction's evidence", "DELETE FROM channel_evidence WHERE idx = 3"],
  ])("are refused when the %s decayed", (_, sql) => {
    append();
    append({ count: 2 });
    db.exec(sql);
    expect(() => chain.block(2)).toThrow(corrupt);
  });

  it("are refused when the finalization of the newest is gone", () => {
    append();
    db.exec("UPDATE chain_block SET certificate = NULL");
    expect(() => chain.tip()).toThrow(corrupt);
    db.exec("UPDATE chain_block SET certificate = zeroblob(9)");
    expect(() => chain.tip()).toThrow(corrupt);
  });
});

function withHeader(block: Block, header: Partial<Header>): Block {
  return { ...block, header: { ...block.header, ...header } };
}

describe("an answer of final blocks", () => {
  const heights = (from: number) =>
    chain.finalBlocks(from)?.blocks.map(({ header }) => header.height);

  it("ends with the newest certificate that it has room for", () => {
    append();
    append({ certified: false });
    append();
    append({ certified: false });
    expect(heights(1)).toEqual([1, 2, 3]);
    expect(heights(2)).toEqual([2, 3]);
    expect(heights(4)).toBeUndefined();
  });

  it("ends with its epoch: who lacks the boundary cannot judge a certificate of the next one", () => {
    const { validators } = genesis.policy;
    const boundary = { validators, previous: genesis.identity.id, approvals: [] };
    append();
    append({ count: 0, header: { boundary } });
    append({ header: { epoch: 1 } });
    append({ header: { epoch: 1 }, certified: false });
    append({ header: { epoch: 1 } });
    expect(heights(1)).toEqual([1, 2]);
    expect(chain.finalBlocks(1)?.certificate.epoch).toBe(0);
    expect(heights(2)).toEqual([2]);
    expect(heights(3)).toEqual([3, 4, 5]);
  });

  it("holds so many blocks and no more", () => {
    for (let i = 0; i < blocksPerAnswerMax + 3; i++) append({ count: 0 });
    expect(heights(2)).toHaveLength(blocksPerAnswerMax);
  });

  it("holds so many bytes, and more only up to its first certificate", () => {
    const padding = 4;
    const count = Math.floor(answerBytesMax / (4_000 * padding) / 2) - 1;
    append({ count, padding });
    append({ count, padding });
    append({ count, padding });
    expect(heights(1)).toEqual([1, 2]);
    append({ count, padding, certified: false });
    append({ count, padding, certified: false });
    append({ count, padding });
    expect(heights(4)).toEqual([4, 5, 6]);
  });

  it("is the last of what one certificate finalizes where a message has no room for more", () => {
    const padding = 4;
    const count = Math.floor(answerBytesMax / (4_000 * padding) / 2) - 1;
    append();
    const made = Array.from({ length: 9 }, (_, i) =>
      append({ count, padding, certified: i === 8 }),
    );
    const tail = present(chain.finalBlocks(2), "answer");
    expect(encodeMessage(tail).length).toBeLessThanOrEqual(messageBytesMax);
    expect(tail.certificate.ballot).toMatchObject({ digest: made[8]?.digest });
    const backwards = tail.blocks.toReversed();
    while (backwards.length < made.length) {
      const answer = present(chain.ancestors(10 - backwards.length), "ancestors");
      expect(encodeMessage(answer).length).toBeLessThanOrEqual(messageBytesMax);
      backwards.push(...answer.blocks.filter(({ header }) => header.height > 1));
    }
    expect(backwards.toReversed()).toEqual(made.map(({ block }) => block));
    expect(chain.ancestors(11)).toBeUndefined();
  });

  it("is the last of them too where they are more than an answer holds", () => {
    for (let i = 0; i < blocksPerAnswerMax + 3; i++) append({ count: 0, certified: false });
    append({ count: 0 });
    expect(heights(1)?.at(0)).toBe(5);
    expect(heights(1)?.at(-1)).toBe(blocksPerAnswerMax + 4);
    expect(chain.ancestors(4)?.blocks.map(({ header }) => header.height)).toEqual([4, 3, 2, 1]);
  });
});

describe("pruning", () => {
  it("leaves the log, its proofs, boundaries, and what follows", () => {
    append({ count: 2 });
    const validators = genesis.policy.validators;
    const boundary = { validators, previous: genesis.identity.id, approvals: [] };
    const ended = append({ count: 0, header: { boundary } });
    append({ count: 2 });
    const last = append({ header: { epoch: 1 } });
    const picture = () => ({
      root: channel.log.root(),
      entries: Array.from({ length: channel.log.size }, (_, i) => channel.log.entry(i)),
      proofs: Array.from({ length: channel.log.size }, (_, i) => channel.log.inclusion(i, 6)),
      genesis: channel.genesis().identity,
      state: channel.loadState(genesis).channel.revocations.head,
      tip: chain.tip(),
      boundaries: [...chain.boundaries()].map(({ block }) => block),
      validators: chain.validatorsOf(1)?.entries,
    });
    const before = picture();
    expect(before.boundaries).toEqual([ended.block]);
    expect(before.validators).toEqual(validators);
    expect(chain.validatorsOf(2)).toBeUndefined();
    db.transaction(() => chain.prune(4))();
    expect(picture()).toEqual(before);
    expect(chain.prunedBelow).toBe(4);
    expect([1, 3].map((height) => chain.block(height))).toEqual([undefined, undefined]);
    expect(chain.block(4)).toEqual(last.block);
    expect(chain.finalBlocks(1)).toBeUndefined();
    expect(chain.finalBlocks(4)?.blocks).toHaveLength(1);
    db.transaction(() => chain.prune(2))();
    expect(chain.prunedBelow).toBe(4);
    expect(() => db.transaction(() => chain.prune(9))()).toThrow(InvariantError);
    append();
    expect(chain.height).toBe(5);
  });
});
