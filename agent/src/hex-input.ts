/** A stream of hexadecimal text as the bytes that it states. */

import { OperationalError } from "@tamga/ledger-core/base/operational-error";

/**
 * Blanks and line ends are ignored wherever they stand.
 * Throws DECODE_NOT_HEX on any other character, and on half a byte at the end.
 */
export async function* hexToBytes(text: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let high: number | undefined;
  let offset = 0;
  for await (const chunk of text) {
    const bytes: number[] = [];
    for (const character of chunk) {
      offset++;
      if (character === 0x20 || (character >= 0x09 && character <= 0x0d)) continue;
      const digit = Number.parseInt(String.fromCharCode(character), 16);
      if (Number.isNaN(digit)) {
        const sentence = `The input is no hexadecimal text: see its byte ${offset}.`;
        throw new OperationalError("DECODE_NOT_HEX", sentence, { details: { offset } });
      }
      if (high === undefined) high = digit;
      else {
        bytes.push(16 * high + digit);
        high = undefined;
      }
    }
    yield Uint8Array.from(bytes);
  }
  if (high !== undefined)
    throw new OperationalError("DECODE_NOT_HEX", "The hexadecimal text ends in half a byte.");
}
