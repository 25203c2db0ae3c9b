/** Which PCRs, of which banks (TPML_PCR_SELECTION, TPM 2.0 Library, Part 2, §10.9.7). */

import { concat, u32 } from "../base/bytes.ts";
import { tpmU8, tpmU16 } from "./tpm-bytes.ts";
import type { TpmReader } from "./tpm-reader.ts";

/** PCR indices of one bank, ascending, 0 to 23. */
export type PcrSelection = { readonly hash: number; readonly indices: readonly number[] };

/** Banks that a selection may name. */
export const pcrBanksMax = 8;
const selectBytes = 3;

export function readPcrSelections(reader: TpmReader): readonly PcrSelection[] {
  const count = reader.u32();
  if (count > pcrBanksMax) reader.refuse();
  const selections: PcrSelection[] = [];
  for (let bank = 0; bank < count && !reader.failed; bank++) {
    const hash = reader.u16();
    const select = reader.bytes(reader.u8());
    const indices: number[] = [];
    for (const [at, bits] of select.entries())
      for (let bit = 0; bit < 8; bit++) if ((bits & (1 << bit)) !== 0) indices.push(8 * at + bit);
    selections.push({ hash, indices });
  }
  return selections;
}

export function encodePcrSelections(selections: readonly PcrSelection[]): Uint8Array {
  return concat(
    u32(selections.length),
    ...selections.map(({ hash, indices }) => {
      const select = new Uint8Array(selectBytes);
      for (const index of indices)
        select[index >> 3] = (select[index >> 3] ?? 0) | (1 << (index & 7));
      return concat(tpmU16(hash), tpmU8(selectBytes), select);
    }),
  );
}
