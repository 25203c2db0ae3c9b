import { describe, expect, test } from "vitest";
import { digestOf, portsOf, sealOf, setOf } from "../../../test/support/consensus-fixture.ts";
import { sealPayloadBytesMax, sealPointsOpenMax } from "./limits.ts";
import type { Seal, Sealed } from "./message.ts";
import type { SealPoint } from "./replica-io.ts";
import { Sealing } from "./sealing.ts";

const set = setOf(4, 2);
const { verifySeal } = portsOf("v0");
const pointOf = (size: number): SealPoint => ({
  epoch: 2,
  height: size,
  size: BigInt(size),
  root: digestOf(`root ${size}`),
});
const seal = (validator: number, size: number): Seal => ({
  type: "seal",
  epoch: 2,
  size: BigInt(size),
  payload: sealOf(`v${validator}`, pointOf(size)),
});
const sealedBy = (size: number, voters: readonly number[]): Sealed => ({
  type: "sealed",
  epoch: 2,
  size: BigInt(size),
  seals: voters.map((validator) => ({ validator, payload: seal(validator, size).payload })),
});
const sealing = (self: number | undefined = 0) => new Sealing(verifySeal, set, self, undefined);

describe("Sealing", () => {
  test("gathers a quorum's seals of a point, in the order of the validators", () => {
    const seals = sealing();
    expect(seals.open(pointOf(5))).toEqual({ type: "counted" });
    expect(seals.waiting).toEqual(pointOf(5));
    expect(seals.askedSize).toBe(5n);
    expect(seals.add(3, seal(3, 5))).toEqual({ type: "counted" });
    expect(seals.add(3, seal(3, 5))).toEqual({ type: "counted" });
    expect(seals.addOwn(5n, seal(0, 5).payload)).toEqual({ type: "counted" });
    const sealed = { point: pointOf(5), seals: sealedBy(5, [0, 1, 3]).seals };
    expect(seals.add(1, seal(1, 5))).toEqual({ type: "sealed", sealed });
    expect([seals.newest, seals.sealedSize, seals.waiting]).toEqual([sealed, 5n, undefined]);
    expect(seals.message()).toEqual(sealedBy(5, [0, 1, 3]));
  });

  test("its own seal can be the one that completes the quorum", () => {
    const seals = sealing();
    seals.open(pointOf(5));
    seals.add(2, seal(2, 5));
    seals.add(3, seal(3, 5));
    expect(seals.addOwn(5n, seal(0, 5).payload).type).toBe("sealed");
    expect(seals.own()).toBeUndefined();
  });

  test("refuses a seal over another root, and another's seal", () => {
    const seals = sealing();
    seals.open(pointOf(5));
    const other = { ...pointOf(5), root: digestOf("forked") };
    expect(seals.add(1, { ...seal(1, 5), payload: sealOf("v1", other) })).toEqual({
      type: "wrong",
    });
    expect(seals.add(1, seal(2, 5))).toEqual({ type: "wrong" });
    expect(seals.add(1, seal(1, 5))).toEqual({ type: "counted" });
  });

  test("refuses more than sealPayloadBytesMax before it looks at it", () => {
    const seals = sealing();
    const payload = new Uint8Array(sealPayloadBytesMax + 1);
    expect(seals.add(1, { ...seal(1, 5), payload })).toEqual({ type: "wrong" });
    const fits = new Uint8Array(sealPayloadBytesMax);
    expect(seals.add(1, { ...seal(1, 5), payload: fits })).toEqual({ type: "ignored" });
  });

  test("keeps a seal that comes before its point, one a validator, and judges it then", () => {
    const seals = sealing();
    for (const size of [5, 6, 7]) expect(seals.add(1, seal(1, size))).toEqual({ type: "ignored" });
    seals.add(2, seal(2, 7));
    seals.add(3, { ...seal(3, 7), payload: new Uint8Array(3) });
    expect(seals.open(pointOf(6))).toEqual({ type: "counted" });
    expect(seals.addOwn(6n, seal(0, 6).payload)).toEqual({ type: "counted" });
    // v1's was replaced by its newer one, v3's is wrong: two are not three.
    expect(seals.open(pointOf(7))).toEqual({ type: "counted" });
    expect(seals.addOwn(7n, seal(0, 7).payload)).toMatchObject({ type: "sealed" });
    expect(seals.newest?.seals.map(({ validator }) => validator)).toEqual([0, 1, 2]);
  });

  test("early seals alone can seal a point as it opens", () => {
    const seals = sealing();
    for (const validator of [1, 2, 3]) seals.add(validator, seal(validator, 5));
    expect(seals.open(pointOf(5))).toMatchObject({ type: "sealed" });
    expect(seals.sealedSize).toBe(5n);
  });

  test("early seals of a point that never came are dropped with the next", () => {
    const seals = sealing();
    for (const validator of [1, 2, 3]) seals.add(validator, seal(validator, 5));
    expect(seals.open(pointOf(6))).toEqual({ type: "counted" });
    seals.open(pointOf(7));
    expect(seals.sealedSize).toBe(0n);
  });

  test("a newer point covers those before it", () => {
    const seals = sealing();
    for (const size of [5, 6, 7]) seals.open(pointOf(size));
    expect(seals.waiting).toEqual(pointOf(7));
    for (const validator of [1, 2, 3]) seals.add(validator, seal(validator, 6));
    expect(seals.sealedSize).toBe(6n);
    expect(seals.add(1, seal(1, 5))).toEqual({ type: "ignored" });
    expect(seals.open(pointOf(5))).toEqual({ type: "ignored" });
    expect(seals.open(pointOf(7))).toEqual({ type: "ignored" });
    expect(seals.addOwn(5n, seal(0, 5).payload)).toEqual({ type: "ignored" });
    expect(seals.askedSize).toBe(7n);
  });

  test("keeps sealPointsOpenMax points open, the newest", () => {
    const seals = sealing();
    for (let size = 1; size <= sealPointsOpenMax + 1; size++) seals.open(pointOf(size));
    expect(seals.add(1, seal(1, 1))).toEqual({ type: "ignored" });
    expect(seals.add(1, seal(1, 2))).toEqual({ type: "counted" });
    expect(seals.add(1, seal(1, sealPointsOpenMax + 1))).toEqual({ type: "counted" });
  });

  test("sends its own seal of the newest point again", () => {
    const seals = sealing();
    expect(seals.own()).toBeUndefined();
    seals.open(pointOf(5));
    expect(seals.own()).toBeUndefined();
    seals.addOwn(5n, seal(0, 5).payload);
    expect(seals.own()).toEqual(seal(0, 5));
    seals.open(pointOf(6));
    expect(seals.own()).toBeUndefined();
  });

  test("takes a quorum's seals from a peer", () => {
    const seals = sealing(1);
    expect(seals.message()).toBeUndefined();
    expect(seals.addAll(sealedBy(5, [0, 2, 3]))).toEqual({ type: "ignored" });
    seals.open(pointOf(5));
    expect(seals.addAll(sealedBy(5, []))).toEqual({ type: "ignored" });
    expect(seals.addAll(sealedBy(5, [0, 2]))).toEqual({ type: "counted" });
    expect(seals.addAll(sealedBy(5, [0, 2, 3, 1]))).toMatchObject({ type: "sealed" });
  });

  test("refuses a wrong one among them, and a validator that is none", () => {
    const seals = sealing(1);
    seals.open(pointOf(5));
    const payload = seal(0, 5).payload;
    const wrong = { ...sealedBy(5, []), seals: [{ validator: 2, payload }] };
    expect(seals.addAll(wrong)).toEqual({ type: "wrong" });
    const unknown = { ...wrong, seals: [{ validator: 4, payload }] };
    expect(seals.addAll(unknown)).toEqual({ type: "wrong" });
  });

  test("a follower gathers seals and adds none", () => {
    const seals = new Sealing(verifySeal, set, undefined, {
      point: pointOf(4),
      seals: sealedBy(4, [0, 1, 2]).seals,
    });
    expect(seals.sealedSize).toBe(4n);
    expect(seals.open(pointOf(4))).toEqual({ type: "ignored" });
    seals.open(pointOf(5));
    expect(seals.addOwn(5n, seal(0, 5).payload)).toEqual({ type: "ignored" });
    expect(seals.own()).toBeUndefined();
    expect(seals.addAll(sealedBy(5, [0, 2, 3]))).toMatchObject({ type: "sealed" });
  });
});
