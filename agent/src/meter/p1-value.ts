/** One value of a P1 telegram, `number*unit`, number, octet string or text, as a register's value. */

import { fromHex, fromUtf8 } from "@tamga/ledger-core/base/bytes";
import { parseQuantity } from "@tamga/ledger-core/wire/quantity";
import type { Register } from "../driver.ts";
import type { Obis } from "./p1-line.ts";
import { parseP1Unit } from "./p1-unit.ts";

export type P1Value = Register["value"];

/**
 * Numbers keep their decimals; without unit they have DLMS unit 255. Octet strings (identifiers and
 * messages) are their text where that is printable, else the hexadecimal digits as sent. Whatever
 * else, a unit that we do not know too, is text as sent.
 */
export function parseP1Value(obis: Obis | undefined, sent: string): P1Value {
  if (obis !== undefined) {
    if (isIdentifier(obis)) return { text: decodeOctets(sent, isPrintableAscii) };
    if (isMessage(obis)) return { text: decodeOctets(sent, isPrintable) };
    if (isDeviceNumber(obis)) return { text: sent };
  }
  const star = sent.indexOf("*");
  const number = star < 0 ? sent : sent.slice(0, star);
  const unit =
    star < 0 ? { unit: 255 as const, exponent: 0, text: "" } : parseP1Unit(sent.slice(star + 1));
  if (unit === undefined) return { text: sent };
  const quantity = parseQuantity(number, unit);
  if (!quantity.ok) return { text: sent };
  return { quantity: quantity.value, exponent: unit.exponent, unitText: unit.text };
}

/** x-y:96.1.z equipment identifiers and 0-0:42.0.0, the COSEM logical device name. */
function isIdentifier(obis: Obis): boolean {
  return (obis.c === 96 && obis.d === 1) || (obis.c === 42 && obis.d === 0 && obis.e === 0);
}

/** 0-n:96.13.z, consumer messages. */
function isMessage(obis: Obis): boolean {
  return obis.c === 96 && obis.d === 13;
}

/** x-y:0.0.z, the device numbers of IEC 62056-61: digits, but no number. */
function isDeviceNumber(obis: Obis): boolean {
  return obis.c === 0 && obis.d === 0;
}

function decodeOctets(sent: string, isText: (text: string) => boolean): string {
  const bytes = fromHex(sent);
  const text = bytes === undefined ? undefined : fromUtf8(bytes);
  return text !== undefined && isText(text) ? text : sent;
}

function isPrintableAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}

/** Line ends may stand in a message; other control characters mean that it is no text. */
function isPrintable(text: string): boolean {
  return /^[\P{Cc}\r\n\t]*$/u.test(text);
}
