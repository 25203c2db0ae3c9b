/** CRC-16/ARC: reflected polynomial 0xA001, start 0, no final XOR (DSMR P1 companion §6.2). */

/** @returns the checksum, 0 … 65535, of `bytes`, continuing from `start`. */
export function crc16Arc(bytes: Uint8Array, start = 0): number {
  let crc = start;
  for (const byte of bytes) crc = (crc >> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return crc;
}

const table = Uint16Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  return crc;
});
