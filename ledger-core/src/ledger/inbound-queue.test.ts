/** Fair shares of what peers send: each bound reached, each peer in its turn. */

import { expect, test } from "vitest";
import { name } from "../../../test/support/wire-samples.ts";
import { InboundQueue } from "./inbound-queue.ts";

const [a, b, c] = [name("a"), name("b"), name("c")];
const itemsOf = (queue: InboundQueue<string>, max: number) =>
  queue.take(max).map(({ item }) => item);

test("takes one of each in turn, in the order of each", () => {
  const queue = new InboundQueue<string>({ messagesMax: 10, bytesMax: 100 });
  for (const item of ["a1", "a2", "a3", "a4"]) queue.push(a, item, 1);
  for (const item of ["b1", "b2"]) queue.push(b, item, 1);
  expect(itemsOf(queue, 3)).toEqual(["a1", "b1", "a2"]);
  queue.push(c, "c1", 1);
  expect(queue.size).toBe(4);
  // The peer that was served last waits for the others.
  expect(itemsOf(queue, 9)).toEqual(["b2", "a3", "c1", "a4"]);
  expect(itemsOf(queue, 9)).toEqual([]);
});

test("keeps so many messages and bytes of a peer, and one that is larger alone", () => {
  const queue = new InboundQueue<string>({ messagesMax: 2, bytesMax: 10 });
  expect(queue.push(a, "a1", 4)).toBe(true);
  expect(queue.push(a, "a2", 4)).toBe(true);
  expect(queue.push(a, "a3", 1)).toBe(false);
  expect(queue.push(b, "b1", 99)).toBe(true);
  expect(queue.push(b, "b2", 1)).toBe(false);
  expect(queue.size).toBe(3);
  expect(itemsOf(queue, 9)).toEqual(["a1", "b1", "a2"]);
  expect(queue.push(a, "a4", 9)).toBe(true);
  expect(queue.push(a, "a5", 2)).toBe(false);
  queue.clear();
  expect(queue.size).toBe(0);
});
