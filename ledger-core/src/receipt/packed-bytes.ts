/** Byte strings in which known words are written as their numbers; one string has one packed form. */

import { concat, equal } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { FieldReader } from "../base/field-reader.ts";

/** By number; undefined where both sides cannot know the word here. Each has more than two bytes. */
export type Words = readonly (Uint8Array | undefined)[];

/** Items of a packed string, numbers and literals together. */
export const packedItemsMax = 32_768;

/** `[literal / number …]`: from the front, at each place the longest word that stands there. */
export function packBytes(bytes: Uint8Array, words: Words): CborValue {
  const items: CborValue[] = [];
  let literal = 0;
  let at = 0;
  while (at < bytes.length) {
    const number = longestAt(bytes, at, words);
    if (number === undefined) {
      at++;
      continue;
    }
    if (literal < at) items.push(bytes.subarray(literal, at));
    items.push(number);
    at += words[number]?.length ?? 0;
    literal = at;
  }
  if (literal < at) items.push(bytes.subarray(literal, at));
  return items;
}

/** Takes only what {@link packBytes} writes, and no more than `max` bytes of it. */
export function unpackBytes(
  fields: FieldReader,
  key: number,
  { words, max }: { readonly words: Words; readonly max: number },
): Uint8Array {
  let length = 0;
  const parts = fields.list(key, packedItemsMax, (item) => {
    const isNumber = typeof item.raw(0) === "number";
    if (length > max) return new Uint8Array(0);
    const part = isNumber ? words[item.uint(0, words.length)] : item.bytes(0, max);
    if (part === undefined) item.refuse(0);
    length += part?.length ?? 0;
    return part ?? new Uint8Array(0);
  });
  if (length > max) {
    fields.refuse(key);
    return new Uint8Array(0);
  }
  const bytes = concat(...parts);
  const again = encodeCbor(packBytes(bytes, words));
  const given = fields.raw(key);
  if (given === undefined || !equal(again, encodeCbor(given))) fields.refuse(key);
  return bytes;
}

function longestAt(bytes: Uint8Array, at: number, words: Words): number | undefined {
  let best: number | undefined;
  let length = 0;
  for (const [number, word] of words.entries()) {
    if (word === undefined || word.length <= length || at + word.length > bytes.length) continue;
    if (!startsAt(bytes, at, word)) continue;
    best = number;
    length = word.length;
  }
  return best;
}

function startsAt(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
  return true;
}
