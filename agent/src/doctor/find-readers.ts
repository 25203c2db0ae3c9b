/** Which smart card and NFC readers this machine has, and what keeps them from being seen. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Finding } from "./finding.ts";
import { ok, warn } from "./finding.ts";
import type { PcscReader } from "./pcscd-readers.ts";
import { askPcscd } from "./pcscd-readers.ts";

/** Where the machine says what it has; a test has its own. */
export type ReaderPlaces = { readonly socket: string; readonly usb: string };

const usual: ReaderPlaces = { socket: "/run/pcscd/pcscd.comm", usb: "/sys/bus/usb/devices" };
const check = "readers";

/** Never fails: a machine without any reader is a good one. */
export async function findReaders(
  { signal }: { readonly signal: AbortSignal },
  { socket, usb }: ReaderPlaces = usual,
): Promise<readonly Finding[]> {
  const plugged = pluggedReaders(usb);
  try {
    return judge(await askPcscd(socket, { signal }), plugged);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    if (error.code !== "PCSCD_ABSENT")
      return [warn(check, `The PC/SC readers are not known: ${error.message} [${error.code}].`)];
    if (plugged === 0) return [ok(check, "No smart card or NFC reader is plugged in.")];
    const sentence =
      `${counted(plugged)} plugged in, and no PC/SC service runs that would see it: ` +
      "apt install pcscd libccid, then systemctl enable --now pcscd.socket.";
    return [warn(check, sentence)];
  }
}

function judge(readers: readonly PcscReader[], plugged: number): readonly Finding[] {
  if (readers.length > 0)
    return readers.map(({ name, hasCard }) =>
      ok(
        check,
        `${name}: ${hasCard ? "a card is in it" : "no card is in it"}. Keys on a card are used through its ` +
          "PKCS#11 module; no stream reads tags from it yet.",
      ),
    );
  if (plugged === 0)
    return [ok(check, "pcscd runs, and no smart card or NFC reader is plugged in.")];
  const sentence =
    `${counted(plugged)} plugged in, and pcscd sees none: its driver is missing ` +
    "(apt install libccid, then systemctl restart pcscd), or the kernel holds the reader (modprobe -r pn533_usb).";
  return [warn(check, sentence)];
}

function counted(readers: number): string {
  return readers === 1 ? "One reader is" : `${readers} readers are`;
}

/** USB interfaces of the class Smart Card (0x0b: CCID); 0 where there is no USB at all. */
function pluggedReaders(usb: string): number {
  let names: readonly string[];
  try {
    names = readdirSync(usb);
  } catch {
    return 0;
  }
  return names.filter((name) => classOf(join(usb, name, "bInterfaceClass")) === "0b").length;
}

function classOf(file: string): string {
  try {
    return readFileSync(file, "latin1").trim();
  } catch {
    return "";
  }
}
