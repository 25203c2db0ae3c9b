import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, u32 } from "../base/bytes.ts";
import type { FrameRead, FrameType } from "./frame.ts";
import { bodyBytesMax, FrameReader, frameParts, frameTypes } from "./frame.ts";
import { peerLimits } from "./limits.ts";

const limits = { ...peerLimits, frameBytesMax: 20_000 };
const types: readonly FrameType[] = ["ping", "message", "relayData", "relayEnd", "refuse"];
const frames = fc.array(
  fc.constantFrom(...types).chain((type) =>
    fc.record({
      type: fc.constant(type),
      body: fc.uint8Array({ maxLength: Math.min(bodyBytesMax(type, limits), 9_000) }),
    }),
  ),
  { maxLength: 8 },
);
const cuts = fc.array(fc.nat(40_000), { maxLength: 12 });

const bytesOf = (type: FrameType, body: Uint8Array) => concat(...frameParts(type, body));

/** Everything that a reader says of a stream that comes in pieces. */
function readAll(stream: Uint8Array, at: readonly number[], reader = greetedReader()) {
  const said: FrameRead[] = [];
  const ends = [...at, stream.length].map((end) => Math.min(end, stream.length));
  let from = 0;
  let heldMax = 0;
  for (const end of ends.sort((a, b) => a - b)) {
    reader.push(stream.subarray(from, end));
    heldMax = Math.max(heldMax, reader.heldBytes);
    from = end;
    for (let read = reader.next(); read.kind !== "more"; read = reader.next()) {
      said.push(read);
      if (read.kind === "fault") return { said, heldMax };
    }
    heldMax = Math.max(heldMax, reader.heldBytes);
  }
  return { said, heldMax };
}

function greetedReader(): FrameReader {
  const reader = new FrameReader(limits);
  reader.greeted();
  return reader;
}

describe("FrameReader", () => {
  test("gives the frames that were written, however the stream is cut", () => {
    fc.assert(
      fc.property(frames, cuts, (written, at) => {
        const stream = concat(...written.map(({ type, body }) => bytesOf(type, body)));
        const { said } = readAll(stream, at);
        expect(said).toEqual(written.map((frame) => ({ kind: "frame", frame })));
      }),
    );
  });

  test("says the same of garbage however it is cut: frames, then at most one fault", () => {
    fc.assert(
      fc.property(frames, fc.uint8Array({ maxLength: 200 }), cuts, (written, garbage, at) => {
        const good = written.map(({ type, body }) => bytesOf(type, body));
        const stream = concat(...good, garbage);
        const atOnce = readAll(stream, []);
        expect(readAll(stream, at).said).toEqual(atOnce.said);
        expect(atOnce.said.filter(({ kind }) => kind === "fault").length).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("holds what has come and never what is declared, also of single bytes", () => {
    const body = new Uint8Array(limits.frameBytesMax);
    const stream = bytesOf("message", body);
    const every = Array.from({ length: stream.length }, (_, at) => at);
    expect(readAll(stream, every).heldMax).toBeLessThanOrEqual(limits.frameBytesMax + 1);
    expect(readAll(stream.subarray(0, 10), []).heldMax).toBeLessThanOrEqual(4_096 + 10);
  });

  test.each([limits.frameBytesMax, limits.frameBytesMax + 1, 2 ** 32 - 1])(
    "judges a declared length of %i by its head alone",
    (declared) => {
      const head = concat(u32(declared), Uint8Array.of(frameTypes.message));
      const limit = limits.frameBytesMax;
      const fault = { code: "PEER_FRAME_TOO_LONG", limit, declared };
      const { said } = readAll(head, []);
      expect(said).toEqual(declared > limit ? [{ kind: "fault", fault }] : []);
    },
  );

  test("takes nothing but a short hello or a refusal before the hello, and no second hello", () => {
    const said = (stream: Uint8Array, reader?: FrameReader) =>
      readAll(stream, [], reader).said.map((read) =>
        read.kind === "fault" ? read.fault.code : read.kind,
      );
    const strange = () => new FrameReader(limits);
    const hello = bytesOf("hello", new Uint8Array(limits.greetingBytesMax));
    expect(said(hello, strange())).toEqual(["frame"]);
    expect(said(bytesOf("refuse", new Uint8Array(3)), strange())).toEqual(["frame"]);
    expect(said(bytesOf("message", new Uint8Array(3)), strange())).toEqual([
      "PEER_FRAME_OUT_OF_PLACE",
    ]);
    const long = bytesOf("hello", new Uint8Array(limits.greetingBytesMax + 1));
    expect(said(long, strange())).toEqual(["PEER_FRAME_TOO_LONG"]);
    expect(said(hello)).toEqual(["PEER_FRAME_OUT_OF_PLACE"]);
    expect(said(concat(u32(0), Uint8Array.of(99)))).toEqual(["PEER_FRAME_UNKNOWN"]);
  });

  test("goes on saying its first fault", () => {
    const reader = greetedReader();
    reader.push(concat(u32(0), Uint8Array.of(99)));
    expect(reader.next()).toEqual(reader.next());
    reader.push(bytesOf("ping", new Uint8Array(8)));
    expect(reader.next().kind).toBe("fault");
  });
});
