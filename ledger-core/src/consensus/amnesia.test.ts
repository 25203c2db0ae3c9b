import { describe, expect, test } from "vitest";
import { setOf } from "../../../test/support/consensus-fixture.ts";
import { utf8 } from "../base/bytes.ts";
import { Amnesia } from "./amnesia.ts";

describe("Amnesia", () => {
  test("needs n − q + f + 1 other answers", () => {
    const needed = [1, 4, 5, 7, 10, 16].map((n) => new Amnesia(setOf(n), 0).needed);
    expect(needed).toEqual([1, 3, 3, 5, 7, 11]);
  });

  test("abstains up to one above the highest view that was justified or voted in", () => {
    const amnesia = new Amnesia(setOf(4), 0);
    expect(amnesia.answer(1, 5)).toBeUndefined();
    expect(amnesia.answer(2, 9)).toBeUndefined();
    expect(amnesia.answer(3, 1)).toBe(10);
  });

  test("counts nobody twice, and not itself; a peer's later answer only raises", () => {
    const amnesia = new Amnesia(setOf(4), 0);
    expect(amnesia.answer(1, 9)).toBeUndefined();
    expect(amnesia.answer(1, 3)).toBeUndefined();
    expect(amnesia.answer(0, 99)).toBeUndefined();
    expect(amnesia.answer(2, 2)).toBeUndefined();
    expect(amnesia.answer(3, 2)).toBe(10);
  });

  test("a new question makes earlier answers worth nothing", () => {
    const amnesia = new Amnesia(setOf(4), 0);
    amnesia.answer(1, 5);
    amnesia.answer(2, 5);
    amnesia.ask(utf8("another!"));
    expect(amnesia.question).toEqual(utf8("another!"));
    expect(amnesia.answer(3, 5)).toBeUndefined();
  });
});
