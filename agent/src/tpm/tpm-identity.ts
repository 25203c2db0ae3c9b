/** Who made a TPM, and whether it is one: an emulator's keys are software. */

import type { Tpm } from "./tpm.ts";
import { readProperties } from "./tpm-attesting.ts";

export type TpmIdentity = {
  /** Four letters of the TCG's vendor list, such as `IFX` or `STM`. */
  readonly manufacturer: string;
  /** In the maker's words. */
  readonly model: string;
  readonly isEmulated: boolean;
};

/** TPM_PT (Part 2, §6.13): TPM_PT_MANUFACTURER, and TPM_PT_VENDOR_STRING_1 to _4. */
const manufacturerProperty = 0x105;
const vendorStrings = [0x106, 0x107, 0x108, 0x109];

export async function readIdentity(tpm: Tpm): Promise<TpmIdentity> {
  const properties = await readProperties(tpm, manufacturerProperty);
  const manufacturer = lettersOf(properties.get(manufacturerProperty) ?? 0);
  const model = vendorStrings.map((one) => lettersOf(properties.get(one) ?? 0)).join("");
  return {
    manufacturer: manufacturer.trim(),
    model: model.trim(),
    isEmulated: /^SW\b/.test(model),
  };
}

/** libtpms, behind swtpm, calls itself `SW   TPM`; a virtual machine's TPM is one of these too. */
export async function isEmulated(tpm: Tpm): Promise<boolean> {
  return (await readIdentity(tpm)).isEmulated;
}

function lettersOf(word: number): string {
  const letters = [24, 16, 8, 0].map((shift) => String.fromCharCode((word >>> shift) & 255));
  return letters.join("").replaceAll("\0", "");
}
