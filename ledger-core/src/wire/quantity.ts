/** A measured value as integer, scaler and unit: never a float (IEC 62056-6-2 §4.3.2). */

import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";

/** DLMS UA Blue Book unit codes that the drivers meet, with the symbol that exports print. */
export const dlmsUnits = {
  1: "a",
  2: "mo",
  3: "wk",
  4: "d",
  5: "h",
  6: "min",
  7: "s",
  8: "deg",
  9: "Cel",
  13: "m3",
  14: "m3",
  15: "m3/h",
  16: "m3/h",
  19: "l",
  20: "kg",
  23: "Pa",
  24: "bar",
  25: "J",
  26: "J/h",
  27: "W",
  28: "VA",
  29: "var",
  30: "Wh",
  31: "VAh",
  32: "varh",
  33: "A",
  34: "C",
  35: "V",
  44: "Hz",
  56: "%",
  255: "",
} as const;

export type DlmsUnit = keyof typeof dlmsUnits;

/** mantissa × 10^scaler in `unit`; mantissa fits 64 signed bits, scaler −128 … 127. */
export type Quantity = {
  readonly mantissa: bigint;
  readonly scaler: number;
  readonly unit: DlmsUnit;
};

export type QuantityFault = { readonly code: "QUANTITY_NOT_DECIMAL" | "QUANTITY_TOO_LARGE" };

const mantissaLimit = 2n ** 63n;

/**
 * Parses a decimal text, e.g. `00010501.076` with `exponent` 3 for a kilo unit.
 * Faults: QUANTITY_NOT_DECIMAL, QUANTITY_TOO_LARGE.
 */
export function parseQuantity(
  text: string,
  options: { readonly unit: DlmsUnit; readonly exponent: number },
): Result<Quantity, QuantityFault> {
  const match = /^([+-]?)(\d{1,40})(?:\.(\d{1,40}))?$/.exec(text);
  if (match === null) return err({ code: "QUANTITY_NOT_DECIMAL" });
  const fraction = match[3] ?? "";
  const magnitude = BigInt(`${match[2]}${fraction}`);
  if (magnitude >= mantissaLimit) return err({ code: "QUANTITY_TOO_LARGE" });
  return ok({
    mantissa: match[1] === "-" ? -magnitude : magnitude,
    scaler: options.exponent - fraction.length,
    unit: options.unit,
  });
}

/** The decimal text of mantissa × 10^(scaler − exponent), without an exponent part. */
export function formatQuantity(quantity: Quantity, exponent = 0): string {
  const scaler = quantity.scaler - exponent;
  const negative = quantity.mantissa < 0n;
  const digits = (negative ? -quantity.mantissa : quantity.mantissa).toString();
  const sign = negative ? "-" : "";
  if (scaler >= 0) return `${sign}${digits === "0" ? "0" : digits + "0".repeat(scaler)}`;
  const padded = digits.padStart(1 - scaler, "0");
  return `${sign}${padded.slice(0, scaler)}.${padded.slice(scaler)}`;
}
