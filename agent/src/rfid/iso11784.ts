/** The 64-bit code of an animal transponder (ISO 11784 §4, code structure). */

import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { Tag } from "../driver.ts";

/**
 * @property reserved bits 2 … 15: retagging counter, user information and reserve; 0 where the reader
 *   does not tell.
 * @property dataBlock bit 16: more data follow the code in the transponder.
 * @property country bits 17 … 26: ISO 3166 numeric, 900 … 998 a manufacturer (ICAR), 999 a test.
 * @property nationalId bits 27 … 64.
 */
export type AnimalCode = {
  readonly reserved: number;
  readonly dataBlock: number;
  readonly country: number;
  readonly nationalId: bigint;
};

export type AnimalCodeFault = { readonly code: "ISO11784_OUT_OF_RANGE" };

/** Ten bits would hold 1023, but country and manufacturer codes have three digits. */
export const countryMax = 999;
/** 38 bits. */
export const nationalIdMax = 274_877_906_943n;

/**
 * The tag with its code word, bit 1 (animal) first, as 16 hexadecimal digits. No URN namespace is
 * registered for ISO 11784, so the URI is of our own:
 * `urn:x-tamga:iso11784:` and the 15 digits that the ear tag shows.
 *
 * Faults: ISO11784_OUT_OF_RANGE.
 */
export function animalTag(code: AnimalCode): Result<Tag, AnimalCodeFault> {
  const inRange =
    code.reserved < 2 ** 14 &&
    code.dataBlock <= 1 &&
    code.country <= countryMax &&
    code.nationalId <= nationalIdMax;
  if (!inRange) return err({ code: "ISO11784_OUT_OF_RANGE" });
  const word =
    (1n << 63n) |
    (BigInt(code.reserved) << 49n) |
    (BigInt(code.dataBlock) << 48n) |
    (BigInt(code.country) << 38n) |
    code.nationalId;
  const digits = `${code.country}`.padStart(3, "0") + `${code.nationalId}`.padStart(12, "0");
  return ok({ scheme: "iso11784", hex: hex64(word), uri: `urn:x-tamga:iso11784:${digits}` });
}

/**
 * A transponder in the same air protocol that is no animal's (bit 1 is 0): 16 bits of application,
 * 48 of identity.
 *
 * Faults: ISO11784_OUT_OF_RANGE.
 */
export function industrialTag(application: string, id: string): Result<Tag, AnimalCodeFault> {
  const [upper, lower] = [BigInt(application), BigInt(id)];
  if (upper >= 1n << 15n || lower >= 1n << 48n) return err({ code: "ISO11784_OUT_OF_RANGE" });
  const uri = `urn:x-tamga:hdx:${application}.${id}`;
  return ok({ scheme: "iso11784", hex: hex64((upper << 48n) | lower), uri });
}

function hex64(word: bigint): string {
  return word.toString(16).toUpperCase().padStart(16, "0");
}
