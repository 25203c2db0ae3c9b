/** A token of tpm2-pkcs11 on a swtpm of a test's own: the second real PKCS#11 module beside SoftHSM2. */

import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requirePart } from "../real-parts.ts";
import { Swtpm } from "./swtpm.ts";

export type Tpm2Pkcs11 = {
  readonly swtpm: Swtpm;
  readonly modulePath: string;
  readonly pin: string;
  readonly pinFile: string;
  /** A key URI on the token `site`. */
  keyUri(object: string): string;
  remove(): Promise<void>;
};

const libraries = [
  "/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1",
  "/usr/lib/aarch64-linux-gnu/libtpm2_pkcs11.so.1",
  "/usr/lib64/pkcs11/libtpm2_pkcs11.so",
];

/** Whether all is there that {@link createTpm2Pkcs11} needs. */
export function requireTpm2Pkcs11(): boolean {
  const names = ["swtpm", "swtpm-tools", "libtpm2-pkcs11-tools", "opensc"] as const;
  return names.every((name) => requirePart(name));
}

/**
 * Sets the module's environment for this process: one at a time, and not in a worker thread. The token
 * is made by the module itself, over one connection; `tpm2_ptool` leaves objects in a TPM that has
 * no resource manager before it, and runs out of its three slots.
 */
export async function createTpm2Pkcs11(): Promise<Tpm2Pkcs11> {
  const modulePath = libraries.find((path) => existsSync(path));
  if (modulePath === undefined) throw new Error("tpm2_ptool is there, libtpm2_pkcs11.so is not");
  const swtpm = await Swtpm.make();
  const store = join(swtpm.directory, "store");
  mkdirSync(store);
  const environment = {
    TPM2_PKCS11_STORE: store,
    TPM2_PKCS11_TCTI: `swtpm:path=${swtpm.socket}`,
    TPM2_PKCS11_LOG_LEVEL: "0",
    TSS2_LOG: "all+none",
  };
  Object.assign(process.env, environment);
  const [pin, soPin] = [0, 1].map(() => String(randomInt(100_000_000, 999_999_999)));
  const tool = (...args: readonly string[]) =>
    execFileSync("pkcs11-tool", ["--module", modulePath, ...args], { stdio: "pipe" });
  const so = ["--so-pin", soPin ?? ""];
  tool("--slot-index", "0", "--init-token", "--label", "site", ...so);
  tool(
    "--token-label",
    "site",
    "--login",
    "--login-type",
    "so",
    ...so,
    "--init-pin",
    "--new-pin",
    pin ?? "",
  );
  const pinFile = join(swtpm.directory, "pin");
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
  return {
    swtpm,
    modulePath,
    pin: pin ?? "",
    pinFile,
    keyUri: (object) =>
      `pkcs11:token=site;object=${object}?module-path=${modulePath}&pin-source=file:${pinFile}`,
    async remove() {
      for (const name of Object.keys(environment)) delete process.env[name];
      await swtpm.remove();
    },
  };
}
