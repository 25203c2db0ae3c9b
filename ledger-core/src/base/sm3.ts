/**
 * SM3 (GB/T 32905-2016, ISO/IEC 10118-3) in plain arithmetic: @noble has none, and a receipt of an SM3 bundle
 * verifies in a browser, too. `test/conformance/crypto-port.test.ts` holds it to OpenSSL's.
 */

import { mint } from "./brand.ts";
import type { Digest } from "./bytes.ts";

const blockBytes = 64;
const rounds = 64;
/** §4.1: the initial value. */
const initial = Uint32Array.of(
  ...[
    0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e,
  ],
);
/** §4.2, each already turned left by its round's number, as §5.3.3 asks. */
const constants = Uint32Array.from({ length: rounds }, (_, round) =>
  turn(round < 16 ? 0x79cc4519 : 0x7a879d8a, round % 32),
);

/** 32 bytes, over a message of fewer than 2^53 bytes. It may be called from one thread only. */
export function sm3(message: Uint8Array): Digest {
  const state = initial.slice();
  const whole = message.length - (message.length % blockBytes);
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  for (let at = 0; at < whole; at += blockBytes) compress(state, view, at);
  const tail = padded(message.subarray(whole), message.length);
  for (let at = 0; at < tail.byteLength; at += blockBytes) compress(state, tail, at);
  const digest = new Uint8Array(32);
  const out = new DataView(digest.buffer);
  for (const [i, word] of state.entries()) out.setUint32(4 * i, word);
  return mint<Digest>(digest);
}

/** §5.2: a one bit, zeros, and the length in bits as u64, to whole blocks. */
function padded(rest: Uint8Array, length: number): DataView {
  const bytes = new Uint8Array(rest.length < blockBytes - 8 ? blockBytes : 2 * blockBytes);
  bytes.set(rest);
  bytes[rest.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(bytes.length - 8, BigInt(length) * 8n);
  return view;
}

/** §5.3.2: W of one block, its first 16 the block's own words; overwritten by every call. */
const expanded = new Uint32Array(rounds + 4);

/** §5.3: replaces the state by V(i+1). */
function compress(state: Uint32Array, block: DataView, at: number): void {
  const w = expanded;
  for (let i = 0; i < 16; i++) w[i] = block.getUint32(at + 4 * i);
  for (let i = 16; i < w.length; i++) {
    const x = word(w, i - 16) ^ word(w, i - 9) ^ turn(word(w, i - 3), 15);
    w[i] = x ^ turn(x, 15) ^ turn(x, 23) ^ turn(word(w, i - 13), 7) ^ word(w, i - 6);
  }
  let a = word(state, 0);
  let b = word(state, 1);
  let c = word(state, 2);
  let d = word(state, 3);
  let e = word(state, 4);
  let f = word(state, 5);
  let g = word(state, 6);
  let h = word(state, 7);
  for (let i = 0; i < rounds; i++) {
    const turned = turn(a, 12);
    const ss1 = turn((turned + e + word(constants, i)) | 0, 7);
    const isEarly = i < 16;
    const ff = isEarly ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
    const gg = isEarly ? e ^ f ^ g : (e & f) | (~e & g);
    const tt1 = (ff + d + (ss1 ^ turned) + (word(w, i) ^ word(w, i + 4))) | 0;
    const tt2 = (gg + h + ss1 + word(w, i)) | 0;
    [d, c, b, a] = [c, turn(b, 9), a, tt1];
    [h, g, f, e] = [g, turn(f, 19), e, tt2 ^ turn(tt2, 9) ^ turn(tt2, 17)];
  }
  for (const [i, value] of [a, b, c, d, e, f, g, h].entries()) state[i] = word(state, i) ^ value;
}

function word(words: Uint32Array, index: number): number {
  return words[index] ?? 0;
}

/** Turns 32 bits to the left, by 0 to 31. */
function turn(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
