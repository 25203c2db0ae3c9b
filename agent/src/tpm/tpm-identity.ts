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

export type TpmLockout = {
  /** Keys that count failures are refused until it is over. */
  readonly isLockedOut: boolean;
  /** Failures that count now, and how many there may be. */
  readonly failed: number;
  readonly allowed: number;
};

/** TPM_PT_PERMANENT, bit inLockout (Part 2, §8.6), TPM_PT_LOCKOUT_COUNTER and TPM_PT_MAX_AUTH_FAIL. */
export async function readLockout(tpm: Tpm): Promise<TpmLockout> {
  const properties = await readProperties(tpm, 0x200);
  const permanent = properties.get(0x200) ?? 0;
  return {
    isLockedOut: (permanent & 0x200) !== 0,
    failed: properties.get(0x20e) ?? 0,
    allowed: properties.get(0x20f) ?? 0,
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
