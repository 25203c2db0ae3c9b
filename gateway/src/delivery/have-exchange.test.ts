import { describe, expect, test } from "vitest";
import { havePagesMax } from "../limits.ts";
import { HaveExchange } from "./have-exchange.ts";

const page = (nonce: number, last: boolean) => ({
  nonce: new Uint8Array(8).fill(nonce),
  last,
  pending: [],
  kept: [],
});

describe("HaveExchange", () => {
  test("hands over all pages with the last, in order, and starts anew", () => {
    const exchange = new HaveExchange();
    const [first, second] = [page(1, false), page(1, true)];
    expect(exchange.add(first)).toEqual({ ok: true, value: undefined });
    expect(exchange.add(second)).toEqual({ ok: true, value: [first, second] });
    expect(exchange.add(page(2, true))).toMatchObject({ ok: true, value: { length: 1 } });
  });

  test("forgets a half exchange when another begins", () => {
    const exchange = new HaveExchange();
    exchange.add(page(1, false));
    const only = page(2, true);
    expect(exchange.add(only)).toEqual({ ok: true, value: [only] });
  });

  test("takes as many pages as allowed, and not one more", () => {
    const full = new HaveExchange();
    for (let i = 1; i < havePagesMax; i++) full.add(page(1, false));
    expect(full.add(page(1, true))).toMatchObject({ ok: true, value: { length: havePagesMax } });
    const over = new HaveExchange();
    for (let i = 0; i < havePagesMax; i++) expect(over.add(page(1, false)).ok).toBe(true);
    const fault = { code: "HAVE_TOO_MANY_PAGES" };
    expect(over.add(page(1, true))).toEqual({ ok: false, fault });
    expect(over.add(page(1, true))).toMatchObject({ ok: true, value: { length: 1 } });
  });
});
