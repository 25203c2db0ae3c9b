/** The digest of a quote, reckoned over the values of its PCRs (TPM 2.0 Library, Part 1, §17.6). */

import type { Digest } from "../base/bytes.ts";
import { concat } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { PcrSelection } from "./pcr-selection.ts";

export type PcrBank = {
  readonly hash: number;
  readonly values: readonly { readonly index: number; readonly value: Uint8Array }[];
};

/**
 * SHA-256 over the values in the order of the selection, as a quote with a SHA-256 scheme has it.
 *
 * @returns undefined where the banks are not of exactly those PCRs, in that order.
 */
export function pcrDigestOf(
  { sha256 }: Pick<CryptoPort, "sha256">,
  banks: readonly PcrBank[],
  selected: readonly PcrSelection[],
): Digest | undefined {
  const isSame =
    banks.length === selected.length &&
    selected.every(({ hash, indices }, at) => {
      const bank = banks[at];
      return (
        bank?.hash === hash &&
        bank.values.length === indices.length &&
        indices.every((index, pcr) => bank.values[pcr]?.index === index)
      );
    });
  if (!isSame) return undefined;
  return sha256(concat(...banks.flatMap(({ values }) => values.map(({ value }) => value))));
}
