import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { name } from "../../../test/support/wire-samples.ts";
import { concat, equal, u32, utf8 } from "../base/bytes.ts";
import { monotonicMillis } from "../base/time.ts";
import type { PeerCode } from "./code.ts";
import { RelayCredit } from "./credit.ts";
import type { Frame } from "./frame.ts";
import { FrameReader } from "./frame.ts";
import { peerLimits } from "./limits.ts";
import type { RelayChannel, RelayEnd, RelayMuxOptions } from "./relay-mux.ts";
import { RelayMux } from "./relay-mux.ts";
import { RelayShare } from "./relay-share.ts";

const limits = {
  ...peerLimits,
  relayWindowBytes: 400,
  relayDataBytesMax: 64,
  relayStreamsMax: 6,
  relayStreamsPerPeerMax: 3,
  relayControlMax: 8,
};
const open = { target: name("b"), relays: 0 };

/** An end that keeps what comes until it is told to take it. */
class KeepingEnd implements RelayEnd {
  channel: RelayChannel | undefined;
  readonly taken: Uint8Array[] = [];
  readonly kept: Uint8Array[] = [];
  hasEnded = false;
  code: PeerCode | undefined;

  arrived(bytes: Uint8Array): void {
    this.kept.push(bytes);
  }
  ended(): void {
    this.hasEnded = true;
  }
  closed(code: PeerCode): void {
    this.code = code;
  }
  get keptBytes(): number {
    return this.kept.reduce((sum, { length }) => sum + length, 0);
  }
  take(): void {
    const bytes = this.kept.shift();
    if (bytes === undefined) return;
    this.taken.push(bytes);
    this.channel?.consumed(bytes.length);
  }
}

function muxOf(dialled: boolean, opened: RelayMuxOptions["opened"]): RelayMux {
  return new RelayMux({ limits, dialled, opened, stir: () => undefined });
}

/** Two ends of one link, and what the other side opened. */
function pairOfMuxes() {
  const ends: KeepingEnd[] = [];
  const accept = (channel: RelayChannel) => {
    const end = new KeepingEnd();
    end.channel = channel;
    channel.end = end;
    ends.push(end);
    return undefined;
  };
  return { near: muxOf(true, () => "PEER_RELAY_OFF"), far: muxOf(false, accept), ends };
}

/** Carries one frame. @returns whether there was one. */
function carry(from: RelayMux, to: RelayMux): boolean {
  const parts = from.next();
  if (parts === undefined) return false;
  const reader = new FrameReader(limits);
  reader.greeted();
  reader.push(concat(...parts));
  const read = reader.next();
  if (read.kind !== "frame") throw new Error(read.kind);
  expect(to.receive(read.frame)).toBeUndefined();
  return true;
}

function openOf(mux: RelayMux, end = new KeepingEnd()) {
  const opened = mux.open(open, end);
  if (!opened.ok) throw new Error(opened.fault.code);
  end.channel = opened.value;
  return { channel: opened.value, end };
}

const frame = (
  type: Frame["type"],
  stream: number,
  rest: Uint8Array = new Uint8Array(0),
): Frame => ({
  type,
  body: concat(u32(stream), rest),
});

describe("RelayMux", () => {
  test("brings every byte in order, and never more than a window lies at the other end", () => {
    const steps = fc.array(fc.constantFrom("send", "carry", "back", "take"), { maxLength: 120 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 300 }), (script, size) => {
        const { near, far, ends } = pairOfMuxes();
        const { channel } = openOf(near);
        carry(near, far);
        const written: Uint8Array[] = [];
        for (const step of script) {
          if (step === "send") {
            const bytes = new Uint8Array(size).fill(written.length);
            written.push(bytes);
            channel.send(bytes, () => undefined);
          } else if (step === "carry") carry(near, far);
          else if (step === "back") carry(far, near);
          else ends[0]?.take();
          expect(ends[0]?.keptBytes).toBeLessThanOrEqual(limits.relayWindowBytes);
        }
        channel.finish();
        const isDone = () => !carry(near, far) && !carry(far, near) && ends[0]?.kept.length === 0;
        for (let round = 0; round < 10_000 && !isDone(); round++) ends[0]?.take();
        expect(equal(concat(...(ends[0]?.taken ?? [])), concat(...written))).toBe(true);
        expect(ends[0]?.hasEnded).toBe(true);
      }),
    );
  });

  test("gives two streams their turns", () => {
    const { near, far, ends } = pairOfMuxes();
    const channels = [openOf(near).channel, openOf(near).channel];
    for (const channel of channels) channel.send(new Uint8Array(200), () => undefined);
    for (let turn = 0; turn < 2 + 4; turn++) carry(near, far);
    expect(ends.map(({ keptBytes }) => keptBytes)).toEqual([128, 128]);
  });

  test("lets a stream go once both sides have ended", () => {
    const { near, far, ends } = pairOfMuxes();
    const { channel, end } = openOf(near);
    channel.finish();
    while (carry(near, far));
    expect([near.streams, far.streams]).toEqual([1, 1]);
    ends[0]?.channel?.finish();
    while (carry(far, near));
    expect(end.hasEnded).toBe(true);
    expect([near.streams, far.streams]).toEqual([0, 0]);
  });

  test("tells the other end the code of a close, and everybody when the link breaks", () => {
    const { near, far, ends } = pairOfMuxes();
    const first = openOf(near);
    const second = openOf(near);
    while (carry(near, far));
    ends[0]?.channel?.close("PEER_RELAY_TARGET_ABSENT");
    while (carry(far, near));
    expect(first.end.code).toBe("PEER_RELAY_TARGET_ABSENT");
    near.closeAll();
    expect(second.end.code).toBe("PEER_RELAY_BROKEN");
    first.channel.send(new Uint8Array(9), () => undefined);
    expect(near.next()).toBeUndefined();
  });

  test("answers a stream that it does not take, and one too many, with a code", () => {
    const { near, far } = pairOfMuxes();
    const refused = openOf(far);
    while (carry(far, near));
    while (carry(near, far));
    expect(refused.end.code).toBe("PEER_RELAY_OFF");
    const streams = Array.from({ length: 4 }, () => openOf(near).end);
    while (carry(near, far));
    while (carry(far, near));
    expect(streams.map(({ code }) => code)).toEqual([
      ...Array.from({ length: limits.relayStreamsPerPeerMax }, () => undefined),
      "PEER_RELAY_STREAMS_FULL",
    ]);
    openOf(near);
    openOf(near);
    openOf(near);
    expect(near.open(open, new KeepingEnd())).toMatchObject({ ok: false });
  });

  test("ends a link that opens streams without reading the answers", () => {
    const far = muxOf(false, () => "PEER_RELAY_OFF");
    const opening = (stream: number) => far.receive(frame("relayOpen", stream, new Uint8Array(0)));
    expect(opening(1)).toEqual({ code: "PEER_FRAME_MALFORMED" });
    const near = muxOf(true, () => "PEER_RELAY_OFF");
    const codes = Array.from({ length: limits.relayControlMax + 1 }, () => {
      const { channel } = openOf(near);
      const parts = near.next() ?? [];
      channel.close("PEER_LINK_LOST");
      near.next();
      return far.receive({ type: "relayOpen", body: concat(...parts.slice(1)) })?.code;
    });
    expect(codes.slice(0, -1).every((code) => code === undefined)).toBe(true);
    expect(codes.at(-1)).toBe("PEER_RELAY_STREAMS_FULL");
  });

  test("finds more than a window, bytes after the end, and numbers out of order at fault", () => {
    const { near, far } = pairOfMuxes();
    openOf(near);
    while (carry(near, far));
    const data = frame("relayData", 1, new Uint8Array(limits.relayWindowBytes));
    expect(far.receive(data)).toBeUndefined();
    expect(far.receive(data)).toEqual({ code: "PEER_RELAY_OVERRUN" });
    expect(far.receive(frame("relayCredit", 1, u32(1)))).toEqual({ code: "PEER_RELAY_OVERRUN" });
    expect(far.receive(frame("relayCredit", 1, u32(1).subarray(1)))).toEqual({
      code: "PEER_FRAME_MALFORMED",
    });
    expect(far.receive(frame("relayEnd", 1))).toBeUndefined();
    expect(far.receive(frame("relayEnd", 1))).toEqual({ code: "PEER_FRAME_MALFORMED" });
    expect(far.receive(frame("relayData", 77))).toBeUndefined();
    expect(far.receive(frame("relayOpen", 9, utf8("x")))).toEqual({ code: "PEER_FRAME_MALFORMED" });
  });

  test("takes any frames of relayed streams without an exception", () => {
    const types = ["relayOpen", "relayData", "relayCredit", "relayEnd", "relayClose"] as const;
    const any = fc.record({
      type: fc.constantFrom(...types),
      body: fc.uint8Array({ maxLength: 80 }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 20 }), (frames) => {
        const { near, far } = pairOfMuxes();
        openOf(near);
        while (carry(near, far));
        for (const one of frames) far.receive(one);
        expect(far.streams).toBeLessThanOrEqual(limits.relayStreamsMax);
      }),
    );
  });
});

describe("RelayCredit", () => {
  test("never lets more be under way than a window, and never ends up with nothing to grant", () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(60)), { maxLength: 80 });
    fc.assert(
      fc.property(steps, (script) => {
        const sender = new RelayCredit(100);
        const receiver = new RelayCredit(100);
        let held = 0;
        for (const [sends, wanted] of script) {
          if (sends) {
            const bytes = Math.min(wanted, sender.maySend);
            sender.sent(bytes);
            expect(receiver.delivered(bytes).ok).toBe(true);
            held += bytes;
          } else {
            const bytes = Math.min(wanted, held);
            held -= bytes;
            const grant = receiver.consumed(bytes);
            if (grant > 0) expect(sender.granted(grant).ok).toBe(true);
          }
          expect(receiver.held).toBeLessThanOrEqual(100);
          expect(held > 0 || sender.maySend > 0).toBe(true);
        }
      }),
    );
  });
});

test("a peer waits for what it takes beyond its share of a relay, and the others do not", () => {
  const share = new RelayShare<string>(1_000);
  const at = monotonicMillis;
  expect(share.book("loud", 1_000, at(0))).toBe(0);
  expect(share.book("loud", 500, at(0))).toBe(500);
  expect(share.book("quiet", 10, at(0))).toBe(0);
  expect(share.book("loud", 0, at(250))).toBe(250);
  expect(share.book("loud", 100, at(1_000))).toBe(0);
  expect([share.total("loud"), share.total("quiet"), share.total("none")]).toEqual([1_600, 10, 0]);
  share.forget("loud");
  expect(share.total("loud")).toBe(0);
});
