import type { MonotonicMillis } from "@tamga/ledger-core/base/time";
import { monotonicMillis } from "@tamga/ledger-core/base/time";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  acknowledgeMsMax,
  answerMsMax,
  askAgainMsMin,
  askPauseMsMax,
  awaitedMax,
  receiptMsMax,
  windowBytesMax,
  windowMessagesMax,
} from "./limits.ts";
import type { CertificateState, UplinkEffect } from "./uplink.ts";
import { Uplink } from "./uplink.ts";

const t = (ms: number): MonotonicMillis => monotonicMillis(ms);
const ask = (kept = false): UplinkEffect => ({ type: "ask", kept });
const send: UplinkEffect = { type: "send" };

function connect(uplink: Uplink, at = 0, certificate: CertificateState = "valid") {
  return uplink.step({ type: "connected", at: t(at), certificate, owesKept: false });
}

function want(uplink: Uplink, at: number, more: { all?: boolean; partial?: boolean } = {}) {
  const { all = false, partial = false } = more;
  return uplink.step({ type: "want", at: t(at), all, partial });
}

function tick(uplink: Uplink, at: number, unsettled = 0) {
  return uplink.step({ type: "tick", at: t(at), unsettled });
}

function deliver(uplink: Uplink, id: number, at: number) {
  uplink.step({ type: "sent", at: t(at), id, bytes: 100 });
  return uplink.step({ type: "acknowledged", at: t(at), id, awaits: true });
}

/** Connected, answered, sending. */
function sending(): Uplink {
  const uplink = new Uplink();
  connect(uplink);
  want(uplink, 0);
  return uplink;
}

describe("on connect", () => {
  test("asks first, and sends only once it was answered", () => {
    const uplink = new Uplink();
    expect(connect(uplink)).toEqual([ask()]);
    expect(uplink.phase).toBe("asking");
    expect(tick(uplink, 1_000, 5)).toEqual([]);
    expect(want(uplink, 1_500)).toEqual([send]);
    expect(uplink.phase).toBe("sending");
  });

  test("an expired certificate lets it renew and nothing else", () => {
    const uplink = new Uplink();
    expect(connect(uplink, 0, "expired")).toEqual([{ type: "renew" }]);
    expect(want(uplink, 10)).toEqual([]);
    expect(uplink.step({ type: "renewed" })).toEqual([
      { type: "disconnect", code: "UPLINK_CERTIFICATE_RENEWED" },
    ]);
  });

  test("renews what is due after the first answer, once", () => {
    const uplink = new Uplink();
    connect(uplink, 0, "due");
    expect(want(uplink, 10)).toEqual([{ type: "renew" }, send]);
    uplink.step({ type: "puzzled", at: t(20_000) });
    expect(want(uplink, 20_010)).toEqual([send]);
  });

  test("after two connections that were cut at the first question it tries a renewal, by turns", () => {
    const uplink = new Uplink();
    const first: UplinkEffect["type"][] = [];
    for (let i = 0; i < 7; i++) {
      first.push(...connect(uplink).map(({ type }) => type));
      uplink.step({ type: "lost" });
    }
    expect(first).toEqual(["ask", "ask", "renew", "ask", "ask", "renew", "ask"]);
  });

  test("a gateway that asks for all is told of what is final, over reconnects until it has it", () => {
    const uplink = new Uplink();
    connect(uplink);
    expect(want(uplink, 1, { all: true })).toEqual([{ type: "owe-kept", value: true }, ask(true)]);
    uplink.step({ type: "lost" });
    expect(
      uplink.step({ type: "connected", at: t(9), certificate: "valid", owesKept: true }),
    ).toEqual([ask(true)]);
    expect(want(uplink, 10, { all: true, partial: true })).toEqual([send]);
    expect(uplink.step({ type: "drained", at: t(5_000) })).toEqual([ask(true)]);
    want(uplink, 5_001);
    expect(uplink.step({ type: "drained", at: t(5_002) })).toEqual([
      { type: "owe-kept", value: false },
    ]);
  });
});

describe("time runs out", () => {
  test("for an answer", () => {
    const uplink = new Uplink();
    connect(uplink);
    expect(tick(uplink, answerMsMax - 1)).toEqual([]);
    expect(tick(uplink, answerMsMax)).toEqual([
      { type: "disconnect", code: "UPLINK_ANSWER_OVERDUE" },
    ]);
  });

  test("for a PUBACK, and the window halves", () => {
    const uplink = sending();
    uplink.step({ type: "sent", at: t(0), id: 1, bytes: 10 });
    expect(tick(uplink, acknowledgeMsMax - 1)[0]).not.toMatchObject({ type: "disconnect" });
    want(uplink, acknowledgeMsMax - 1);
    expect(tick(uplink, acknowledgeMsMax)).toEqual([
      { type: "disconnect", code: "UPLINK_ACK_OVERDUE" },
    ]);
    const before = uplink.window.limit;
    uplink.step({ type: "lost" });
    expect(uplink.window.limit).toBe(Math.floor(before / 2));
  });

  test("for a receipt: it asks, ever more rarely while that brings nothing", () => {
    const uplink = sending();
    deliver(uplink, 1, 0);
    const asked: number[] = [];
    for (let at = 0; at < 3_600_000; at += 1_000) {
      if (tick(uplink, at, 1).some(({ type }) => type === "ask")) {
        asked.push(at);
        want(uplink, at);
      }
    }
    expect(asked[0]).toBe(receiptMsMax);
    const pauses = asked.slice(1).map((at, i) => at - (asked[i] ?? 0));
    expect(pauses.every((pause, i) => pause >= (pauses[i - 1] ?? 0))).toBe(true);
    expect(pauses.at(-1)).toBe(askPauseMsMax);
  });

  test("a receipt that came is not asked for", () => {
    const uplink = sending();
    deliver(uplink, 1, 0);
    uplink.step({ type: "settled", ids: [1] });
    for (let at = 0; at < 200_000; at += 1_000) expect(tick(uplink, at, 0)).toEqual([send]);
  });

  test("for the receipt of what the gateway held before, however much comes and goes meanwhile", () => {
    const uplink = sending();
    uplink.step({ type: "drained", at: t(0) });
    let asked: number | undefined;
    for (let at = 0; at <= 2 * receiptMsMax && asked === undefined; at += 1_000) {
      deliver(uplink, at, at);
      // One statement of an earlier run has no receipt, besides the one that was just sent.
      if (tick(uplink, at, 2).some(({ type }) => type === "ask")) asked = at;
      uplink.step({ type: "settled", ids: [at] });
    }
    expect(asked).toBe(receiptMsMax);
  });

  test("and a backlog that is still to be sent is not taken for lost receipts", () => {
    const uplink = sending();
    for (let at = 0; at <= 4 * receiptMsMax; at += 1_000) {
      deliver(uplink, at, at);
      expect(tick(uplink, at, 1_000)).toEqual([send]);
      uplink.step({ type: "settled", ids: [at] });
    }
  });

  test("past the number that is followed one by one, all are asked for together", () => {
    const uplink = sending();
    for (let id = 0; id <= awaitedMax; id++) deliver(uplink, id, 0);
    const ids = Array.from({ length: awaitedMax }, (_, id) => id);
    uplink.step({ type: "settled", ids });
    expect(tick(uplink, receiptMsMax, 1)).toEqual([ask(), send]);
  });
});

describe("asking again", () => {
  test("a partial answer is followed up when what it wanted has arrived", () => {
    const uplink = new Uplink();
    connect(uplink);
    want(uplink, 10, { partial: true });
    expect(uplink.step({ type: "drained", at: t(askAgainMsMin) })).toEqual([ask()]);
    expect(want(uplink, askAgainMsMin + 1)).toEqual([send]);
    expect(uplink.step({ type: "drained", at: t(2 * askAgainMsMin + 1) })).toEqual([]);
  });

  test("a riddle that comes with an answer is asked about after it", () => {
    const uplink = new Uplink();
    connect(uplink);
    expect(uplink.step({ type: "puzzled", at: t(10) })).toEqual([]);
    want(uplink, 20);
    expect(tick(uplink, 1_000, 1)).toEqual([send]);
    expect(tick(uplink, askAgainMsMin, 1)).toEqual([ask(), send]);
    want(uplink, askAgainMsMin);
    expect(tick(uplink, 2 * askAgainMsMin, 1)).toEqual([send]);
  });

  test("a flood of riddles leads to no flood of questions", () => {
    const uplink = sending();
    let asked = 0;
    for (let at = 10_000; at < 20_000; at++) {
      for (const { type } of uplink.step({ type: "puzzled", at: t(at) })) {
        if (type !== "ask") continue;
        asked++;
        want(uplink, at);
      }
    }
    expect(asked).toBe(10_000 / askAgainMsMin);
  });
});

test("no order of events sends while it may not, or more than the window holds", () => {
  const at = fc.nat(200_000);
  const event = fc.oneof(
    fc.record({
      type: fc.constant("connected" as const),
      certificate: fc.constantFrom("valid" as const, "due" as const, "expired" as const),
      owesKept: fc.boolean(),
      at,
    }),
    fc.record({ type: fc.constant("lost" as const), at }),
    fc.record({ type: fc.constant("want" as const), all: fc.boolean(), partial: fc.boolean(), at }),
    fc.record({ type: fc.constant("acknowledge" as const), at }),
    fc.record({ type: fc.constant("drained" as const), at }),
    fc.record({ type: fc.constant("puzzled" as const), at }),
    fc.record({ type: fc.constant("renewed" as const), at }),
    fc.record({ type: fc.constant("tick" as const), unsettled: fc.nat(9), at }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 100 }), (events) => {
      const uplink = new Uplink();
      const inFlight: number[] = [];
      let next = 0;
      for (const part of events.toSorted((a, b) => a.at - b.at)) {
        const now = t(part.at);
        const id = inFlight[0] ?? -1;
        if (part.type === "connected" && uplink.phase !== "offline") continue;
        const stamped = { ...part, at: now };
        const effects =
          stamped.type === "acknowledge"
            ? uplink.step({ type: "acknowledged", at: now, id, awaits: true })
            : uplink.step(stamped);
        if (part.type === "acknowledge") inFlight.shift();
        if (part.type === "lost") inFlight.length = 0;
        for (const effect of effects) {
          if (effect.type === "send") {
            expect(uplink.phase).toBe("sending");
            while (uplink.window.fits(50_000)) {
              uplink.step({ type: "sent", at: now, id: next, bytes: 50_000 });
              inFlight.push(next++);
            }
          }
          if (uplink.phase === "renewing") expect(effect.type).not.toBe("ask");
        }
        expect(uplink.window.messages).toBe(inFlight.length);
        expect(uplink.window.messages).toBeLessThanOrEqual(windowMessagesMax);
        expect(uplink.window.bytes).toBeLessThanOrEqual(windowBytesMax);
      }
    }),
  );
});
