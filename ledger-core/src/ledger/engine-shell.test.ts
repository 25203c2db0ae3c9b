/** The shell's order of things, with an engine that is a fake: it plays a script. */

import { beforeEach, describe, expect, it } from "vitest";
import {
  blockVote,
  digestOf,
  sampleBlock,
  sampleCertificate,
} from "../../../test/support/consensus-samples.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { encodeCbor } from "../base/cbor.ts";
import { OperationalError } from "../base/operational-error.ts";
import { monotonicMillis } from "../base/time.ts";
import type { EngineEffect, EngineEvent } from "../consensus/engine-io.ts";
import type { Message } from "../consensus/message.ts";
import { encodeMessage, parseMessage } from "../consensus/message-codec.ts";
import { ValidatorSet } from "../consensus/validator-set.ts";
import { ManualClock } from "../daemon/manual-clock.ts";
import { EngineShell } from "./engine-shell.ts";
import {
  eventsPerTurnMax,
  inboundBytesPerPeerMax,
  inboundMessagesPerPeerMax,
  misbehaviourKindsMax,
  recoverPauseMsMax,
  recoverPauseMsMin,
} from "./limits.ts";
import { MisbehaviourCounts } from "./misbehaviour-counts.ts";
import type { Delivery, ShellStore } from "./shell-io.ts";
import { TurnLoop } from "./turn-loop.ts";
import type { ChannelVoteWrites } from "./vote-store.ts";

type State = { readonly at: number };
type Effect = EngineEffect<State>;

const peers = ["a", "b", "c"].map(name);
const [self, b, c] = [present(peers[0], "a"), present(peers[1], "b"), present(peers[2], "c")];
const set = new ValidatorSet(
  0,
  peers.map((peer) => ({ name: peer, organisation: peer, publicKey: new Uint8Array(32) })),
);
const fetch: Message = { type: "fetch-heights", from: 1 };
const status: Message = { type: "status", epoch: 0, view: 1, finalHeight: 0, sealedSize: 0n };
const point = { epoch: 0, height: 1, size: 2n, root: digestOf("root") };

const engineStatus = {
  epoch: 0,
  view: 1,
  finalHeight: 0,
  finalView: 0,
  sealedSize: 0n,
  pending: 0,
  isIdle: true,
  viewTimersArmed: false,
  abstaining: false,
  ended: false,
};

/** What was done, in order, over all channels. */
let log: string[];
let clock: ManualClock;
let loop: TurnLoop;
let written: (readonly ChannelVoteWrites[])[];
let votesFail: OperationalError | undefined;

beforeEach(() => {
  log = [];
  written = [];
  votesFail = undefined;
  clock = new ManualClock();
  loop = new TurnLoop({
    write(batch) {
      const filled = batch.filter(({ writes }) => writes.length > 0);
      if (filled.length === 0) return;
      if (votesFail !== undefined) throw votesFail;
      written.push(filled);
      log.push(`votes of ${filled.length}`);
    },
  });
});

/** A channel whose engine answers each event as `script` says. */
class Channel {
  readonly id: Digest;
  readonly label: string;
  readonly events: EngineEvent[] = [];
  readonly delivered: Delivery<State>[] = [];
  readonly sent: { readonly to: string; readonly type: string; readonly urgency: string }[] = [];
  readonly shell: EngineShell<State>;
  engines = 0;
  commitFails: unknown;
  wakeAt: number | undefined;

  constructor(label: string, script: (event: EngineEvent) => readonly Effect[]) {
    this.label = label;
    this.id = digestOf(label);
    const nothing = () => undefined;
    const store: ShellStore<State> = {
      prunedBelow: 1,
      snapshots: {
        answer: nothing,
        catchUp: () => {
          throw new Error("nobody says that blocks are gone");
        },
        stage: nothing,
        unstage: nothing,
        install: nothing,
      },
      recover: () => {
        this.engines++;
        return {
          validators: set,
          heard: [],
          status: () => engineStatus,
          step: (event) => {
            this.events.push(event);
            const wakeAt = this.wakeAt === undefined ? undefined : monotonicMillis(this.wakeAt);
            return { effects: script(event), wakeAt };
          },
        };
      },
      look: (work) => work(),
      commit: (commits) => {
        if (this.commitFails !== undefined) throw this.commitFails;
        log.push(`${label} commits ${commits.length}`);
      },
      sign: () => {
        log.push(`${label} signs`);
        return Uint8Array.of(7);
      },
      keepSeal: () => void log.push(`${label} keeps a seal`),
      finalBlocks: (from) => {
        if (from !== 1) return undefined;
        const { digest, ...block } = sampleBlock({ view: 1 });
        const ballot = { kind: "finalize", view: 1, parentView: 0, digest } as const;
        return { type: "final-blocks", blocks: [block], certificate: sampleCertificate(ballot) };
      },
      ancestors: (height) => {
        if (height !== 1) return undefined;
        const { digest: _, ...block } = sampleBlock({ view: 1 });
        return { type: "blocks", blocks: [block] };
      },
    };
    this.shell = new EngineShell<State>({
      channel: this.id,
      self,
      store,
      loop,
      clock,
      network: {
        send: (to, { payload, urgency }) => {
          const message = parseMessage(payload);
          const type = message.ok ? message.value.type : message.fault.code;
          this.sent.push({ to, type, urgency });
          log.push(`${label} sends ${type} to ${to}`);
        },
      },
      nonce: () => new Uint8Array(8),
      deliver: (delivery) => {
        this.delivered.push(delivery);
        log.push(`${label} delivers ${delivery.type}`);
      },
    });
  }
}

const persist = (view: number): Effect => ({
  type: "persist",
  writes: [{ type: "vote", row: { epoch: 0, view, notarized: blockVote("x", view) } }],
});
const commit = (view: number): Effect => {
  const { digest, ...block } = sampleBlock({ view });
  const ballot = { kind: "finalize", view, parentView: view - 1, digest } as const;
  return {
    type: "commit",
    blocks: [{ block, digest, state: { at: view }, ids: [] }],
    certificate: sampleCertificate(ballot),
    floor: { epoch: 0, view },
  };
};
const send = (message: Message, to: "all" | typeof b = "all"): Effect => ({
  type: "send",
  to,
  message,
});
const on =
  (type: EngineEvent["type"], ...effects: readonly Effect[]) =>
  (event: EngineEvent) =>
    event.type === type ? effects : [];
const turn = () => new Promise((resolve) => setImmediate(resolve));
const refusal = (code: string) => new OperationalError(code, "no");

describe("a turn", () => {
  it("persists all channels' votes in one commit, then commits, sends and delivers", async () => {
    const effects = [persist(1), commit(1), send(status), { type: "sealed", point, seals: [] }];
    const one = new Channel("one", on("start", ...(effects as readonly Effect[])));
    const two = new Channel("two", on("start", send(fetch, b), persist(3)));
    one.shell.start();
    two.shell.start();
    await turn();
    expect(log).toEqual([
      "votes of 2",
      "one commits 1",
      "one keeps a seal",
      "one sends status to b",
      "one sends status to c",
      "one delivers commit",
      "one delivers sealed",
      "two sends fetch-heights to b",
    ]);
  });

  it("gathers several events into one commit of each database", async () => {
    const channel = new Channel("one", (event) =>
      event.type === "message" ? [persist(1), commit(1), send(status)] : [],
    );
    channel.shell.start();
    await turn();
    channel.shell.receive(b, encodeMessage(fetch));
    channel.shell.receive(c, encodeMessage(fetch));
    await turn();
    expect(log.slice(0, 2)).toEqual(["votes of 1", "one commits 2"]);
    expect(written[0]?.[0]?.writes).toHaveLength(2);
  });

  it("raises the floor of a commit before the next votes, in their commit", async () => {
    const channel = new Channel("one", (event) =>
      event.type === "start"
        ? [persist(1), commit(1)]
        : event.type === "submit"
          ? [persist(2)]
          : [],
    );
    channel.shell.start();
    await turn();
    channel.shell.submit([]);
    await turn();
    expect(written).toHaveLength(1);
    channel.shell.submit([{ id: "x", bytes: new Uint8Array() }]);
    await turn();
    expect(written[1]?.[0]?.writes.map(({ type }) => type)).toEqual(["final", "vote"]);
    expect(channel.shell.takeFinal()).toBeUndefined();
  });

  it("signs a seal only after the commit, and hands it to the engine", async () => {
    const channel = new Channel("one", on("start", commit(1), { type: "sign-seal", point }));
    channel.shell.start();
    await turn();
    expect(log).toEqual(["one commits 1", "one signs", "one delivers commit"]);
    await turn();
    expect(channel.events.at(-1)).toEqual({
      type: "seal-signed",
      epoch: 0,
      size: 2n,
      payload: Uint8Array.of(7),
    });
  });

  it("serves final blocks behind what a view waits for", async () => {
    const serve = { type: "serve-heights", to: b } as const;
    const effects: readonly Effect[] = [
      { ...serve, from: 1 },
      { ...serve, from: 9 },
      { type: "serve-ancestors", to: b, height: 1 },
      { type: "serve-ancestors", to: b, height: 9 },
      send(fetch, b),
    ];
    const channel = new Channel("one", on("start", ...effects));
    channel.shell.start();
    await turn();
    expect(channel.sent).toEqual([
      { to: "b", type: "final-blocks", urgency: "bulk" },
      { to: "b", type: "blocks", urgency: "bulk" },
      { to: "b", type: "fetch-heights", urgency: "vote" },
    ]);
  });

  it("ticks when it is time, by one timer", async () => {
    const channel = new Channel("one", () => []);
    channel.wakeAt = 100;
    channel.shell.start();
    await turn();
    expect(clock.sleeperCount).toBe(1);
    channel.shell.receive(b, encodeMessage(fetch));
    await turn();
    expect(clock.sleeperCount).toBe(1);
    channel.wakeAt = 500;
    await clock.advance(100);
    await turn();
    expect(channel.events.map(({ type }) => type)).toEqual(["start", "message", "tick"]);
    expect(clock.sleeperCount).toBe(1);
    channel.shell.close();
    expect(clock.sleeperCount).toBe(0);
  });

  it("sends to the validators of the epoch that began", async () => {
    const [, ...rest] = set.entries;
    const validators = new ValidatorSet(1, rest.slice(0, 1));
    const effects: readonly Effect[] = [
      send(status),
      { type: "epoch-started", validators },
      send(fetch),
    ];
    const channel = new Channel("one", on("start", ...effects));
    channel.shell.start();
    await turn();
    expect(channel.sent.map(({ to }) => to)).toEqual(["b", "c", "b"]);
    expect(channel.delivered.map(({ type }) => type)).toEqual(["epoch-started"]);
  });
});

describe("what peers send", () => {
  it("is taken so much a turn, from each in its turn, and no more is kept", async () => {
    const channel = new Channel("one", () => []);
    channel.shell.start();
    await turn();
    const flood = inboundMessagesPerPeerMax + 5;
    for (let i = 0; i < flood; i++) channel.shell.receive(b, encodeMessage(fetch));
    channel.shell.receive(c, encodeMessage(status));
    expect(channel.shell.misbehaviour.of(b, "INBOUND_FULL")).toBe(5);
    await turn();
    const from = channel.events.filter((event) => event.type === "message");
    expect(from).toHaveLength(eventsPerTurnMax);
    expect(from.findIndex((event) => event.from === c)).toBe(1);
    while (channel.events.length < inboundMessagesPerPeerMax + 2) await turn();
  });

  it("is kept up to so many bytes of a peer, and up to as many of another", async () => {
    const channel = new Channel("one", () => []);
    channel.shell.start();
    await turn();
    const bytes = inboundBytesPerPeerMax / 64;
    const overhead = encodeMessage({ type: "transactions", transactions: [new Uint8Array(bytes)] });
    const message = encodeMessage({
      type: "transactions",
      transactions: [new Uint8Array(2 * bytes - overhead.length)],
    });
    expect(message).toHaveLength(bytes);
    for (let i = 0; i < 64; i++) channel.shell.receive(b, message);
    expect(channel.shell.misbehaviour.of(b, "INBOUND_FULL")).toBe(0);
    channel.shell.receive(b, encodeMessage(fetch));
    expect(channel.shell.misbehaviour.of(b, "INBOUND_FULL")).toBe(1);
    channel.shell.receive(c, message);
    expect(channel.shell.misbehaviour.of(c, "INBOUND_FULL")).toBe(0);
  });

  it("is counted where it is of another version, or a certificate that repeats a signer", async () => {
    const repeated: Effect = { type: "misbehaviour", from: b, code: "CERTIFICATE_SIGNER_REPEATED" };
    const channel = new Channel("one", on("message", repeated));
    channel.shell.start();
    channel.shell.receive(b, encodeCbor([2, 4, [1]]));
    await turn();
    expect(channel.events.map(({ type }) => type)).toEqual(["start"]);
    expect(channel.shell.misbehaviour.of(b, "MESSAGE_OTHER_VERSION")).toBe(1);
    channel.shell.receive(b, encodeMessage(status));
    await turn();
    expect(channel.shell.misbehaviour.of(b, "CERTIFICATE_SIGNER_REPEATED")).toBe(1);
  });

  it("is counted where it is no message", async () => {
    const channel = new Channel(
      "one",
      on("start", { type: "misbehaviour", from: c, code: "LIES" }),
    );
    channel.shell.start();
    channel.shell.receive(b, Uint8Array.of(0));
    await turn();
    expect(channel.events.map(({ type }) => type)).toEqual(["start"]);
    expect(channel.shell.misbehaviour.all).toEqual(
      new Map([
        ["b FIELD_BAD", 1],
        ["c LIES", 1],
      ]),
    );
  });

  it("is counted in so many kinds and no more", () => {
    const counts = new MisbehaviourCounts();
    for (let i = 0; i < misbehaviourKindsMax + 9; i++) counts.count(b, `CODE_${i}`);
    counts.count(b, "CODE_0");
    expect(counts.all.size).toBe(misbehaviourKindsMax);
    expect(counts.of(b, "CODE_0")).toBe(2);
  });
});

describe("a disk that refuses", () => {
  it("takes all channels' votes back: nothing leaves, and each begins again from it", async () => {
    const one = new Channel("one", on("start", persist(1), send(fetch)));
    const two = new Channel("two", on("start", persist(1), commit(1), send(fetch)));
    votesFail = refusal("DISK_FULL");
    one.shell.start();
    two.shell.start();
    await turn();
    expect(log).toEqual(["one delivers paused", "two delivers paused"]);
    one.shell.receive(b, encodeMessage(fetch));
    one.shell.submit([{ id: "x", bytes: new Uint8Array() }]);
    await turn();
    expect(one.events).toHaveLength(1);
    votesFail = undefined;
    await clock.advance(recoverPauseMsMin);
    await turn();
    expect(one.engines).toBe(2);
    expect(log.slice(2)).toEqual([
      "one delivers recovered",
      "two delivers recovered",
      "votes of 2",
      "one sends fetch-heights to b",
      "one sends fetch-heights to c",
      "two commits 1",
      "two sends fetch-heights to b",
      "two sends fetch-heights to c",
      "two delivers commit",
    ]);
  });

  it("takes a commit back, of its own channel alone", async () => {
    const one = new Channel("one", on("start", commit(1), send(fetch)));
    const two = new Channel("two", on("start", send(fetch, b)));
    one.commitFails = refusal("DATABASE_IO");
    one.shell.start();
    two.shell.start();
    await turn();
    expect(log).toEqual(["one delivers paused", "two sends fetch-heights to b"]);
    expect(one.delivered).toEqual([{ type: "paused", cause: "DATABASE_IO" }]);
  });

  it("is asked again less and less often, up to a most", async () => {
    const one = new Channel("one", on("start", commit(1)));
    one.commitFails = refusal("DISK_FULL");
    one.shell.start();
    await turn();
    let pause = recoverPauseMsMin;
    for (let tries = 2; tries < 9; tries++) {
      await clock.advance(pause - 1);
      expect(one.engines).toBe(tries - 1);
      await clock.advance(1);
      await turn();
      expect(one.engines).toBe(tries);
      pause = Math.min(2 * pause, recoverPauseMsMax);
    }
    expect(pause).toBe(recoverPauseMsMax);
    one.shell.close();
    await clock.advance(recoverPauseMsMax);
    expect(one.engines).toBe(8);
  });

  it.each([
    ["is damaged", refusal("DATABASE_CORRUPT")],
    ["breaks our own rules", new Error("invariant")],
  ])("stops the channel for good where it %s", async (_, error) => {
    const one = new Channel("one", on("start", commit(1), send(fetch)));
    one.commitFails = error;
    one.shell.start();
    await turn();
    expect(one.delivered).toEqual([{ type: "stopped", error }]);
    await clock.advance(recoverPauseMsMax);
    one.shell.receive(b, encodeMessage(fetch));
    await turn();
    expect(one.engines).toBe(1);
    expect(one.sent).toEqual([]);
  });

  it("stops the channel where what a quorum certified does not execute here", async () => {
    const halt: Effect = { type: "halt", code: "STATE_ROOT_WRONG", detail: "block 7" };
    const one = new Channel("one", on("start", halt));
    one.shell.start();
    await turn();
    const error = expect.objectContaining({ code: "STATE_ROOT_WRONG" });
    expect(one.delivered).toEqual([{ type: "stopped", error }]);
  });
});
