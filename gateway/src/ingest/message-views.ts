/** Finds statement and body in the bytes of a message that has been judged: no decoding, no copies. */

import { assert, present } from "@tamga/ledger-core/base/assert";
import type { StatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import { bodyEncodings } from "@tamga/ledger-core/wire/uplink-message";

/**
 * Of a message that `parseStatementMessage` takes, and nothing else: `[bstr, null]` or
 * `[bstr, [encoding, length, bstr]]` (WIRE.md §11.1). The parts are views into it.
 */
export function statementMessageViews(bytes: Uint8Array): StatementMessage {
  assert(bytes[0] === 0x82, "an array of two");
  const [from, statementLength] = headAt(bytes, 1, 2);
  const next = from + statementLength;
  const statement = bytes.subarray(from, next);
  if (bytes[next] === 0xf6) return { statement };
  assert(bytes[next] === 0x83, "an array of three");
  const [encodingEnd, encoding] = headAt(bytes, next + 1, 0);
  const [lengthEnd, length] = headAt(bytes, encodingEnd, 0);
  const [start, bodyLength] = headAt(bytes, lengthEnd, 2);
  assert(start + bodyLength === bytes.length, "a body up to the end");
  const body = bytes.subarray(start);
  return {
    statement,
    body: { encoding: present(bodyEncodings[encoding], "known encoding"), length, bytes: body },
  };
}

/** Where the head of an item of this major type ends, and its argument (RFC 8949 §3). */
function headAt(
  bytes: Uint8Array,
  offset: number,
  major: number,
): readonly [end: number, argument: number] {
  const head = bytes[offset] ?? 0xff;
  const short = head & 31;
  assert(head >> 5 === major && short < 27, "a head of a judged message");
  if (short < 24) return [offset + 1, short];
  const size = 1 << (short - 24);
  let argument = 0;
  for (let i = 1; i <= size; i++) argument = argument * 256 + (bytes[offset + i] ?? 0);
  return [offset + 1 + size, argument];
}
