/** The units that P1 telegrams use, in any case, with the power of ten of their prefix. */

import type { DlmsUnit } from "@tamga/ledger-core/wire/quantity";

/** @property exponent power of ten from the sent unit to the base unit: 3 for kWh. */
export type P1Unit = { readonly unit: DlmsUnit; readonly exponent: number; readonly text: string };

/** @returns undefined for a unit that we do not know; spelling is the standard's, case is ignored. */
export function parseP1Unit(text: string): P1Unit | undefined {
  return byLowerCase.get(text.toLowerCase());
}

const units: readonly P1Unit[] = [
  { unit: 30, exponent: 0, text: "Wh" },
  { unit: 30, exponent: 3, text: "kWh" },
  { unit: 30, exponent: 6, text: "MWh" },
  { unit: 27, exponent: 0, text: "W" },
  { unit: 27, exponent: 3, text: "kW" },
  { unit: 27, exponent: 6, text: "MW" },
  { unit: 28, exponent: 0, text: "VA" },
  { unit: 28, exponent: 3, text: "kVA" },
  { unit: 29, exponent: 0, text: "var" },
  { unit: 29, exponent: 3, text: "kvar" },
  { unit: 31, exponent: 0, text: "VAh" },
  { unit: 31, exponent: 3, text: "kVAh" },
  { unit: 32, exponent: 0, text: "varh" },
  { unit: 32, exponent: 3, text: "kvarh" },
  { unit: 33, exponent: 0, text: "A" },
  { unit: 33, exponent: 3, text: "kA" },
  { unit: 35, exponent: 0, text: "V" },
  { unit: 35, exponent: 3, text: "kV" },
  { unit: 44, exponent: 0, text: "Hz" },
  { unit: 13, exponent: 0, text: "m3" },
  { unit: 13, exponent: -3, text: "dm3" },
  { unit: 19, exponent: 0, text: "l" },
  { unit: 15, exponent: 0, text: "m3/h" },
  { unit: 25, exponent: 0, text: "J" },
  { unit: 25, exponent: 3, text: "kJ" },
  { unit: 25, exponent: 6, text: "MJ" },
  { unit: 25, exponent: 9, text: "GJ" },
  { unit: 26, exponent: 9, text: "GJ/h" },
  { unit: 7, exponent: 0, text: "s" },
  { unit: 6, exponent: 0, text: "min" },
  { unit: 5, exponent: 0, text: "h" },
  { unit: 4, exponent: 0, text: "d" },
  { unit: 9, exponent: 0, text: "'C" },
  { unit: 9, exponent: 0, text: "Cel" },
  { unit: 8, exponent: 0, text: "deg" },
  { unit: 20, exponent: 0, text: "kg" },
  { unit: 23, exponent: 0, text: "Pa" },
  { unit: 24, exponent: 0, text: "bar" },
  { unit: 56, exponent: 0, text: "%" },
];

const byLowerCase: ReadonlyMap<string, P1Unit> = new Map([
  ...units.map((unit): [string, P1Unit] => [unit.text.toLowerCase(), unit]),
  // IEC 62056-21 has no slash in a value, so makers write the flow rate so.
  ["m3ph", { unit: 15, exponent: 0, text: "m3/h" }],
  ["\u00b0c", { unit: 9, exponent: 0, text: "\u00b0C" }],
  ["c", { unit: 9, exponent: 0, text: "'C" }],
]);
