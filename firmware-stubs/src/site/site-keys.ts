/** Where the demo's devices keep their signing keys: in SoftHSM2 where it is installed, else in files. */

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";

export type SiteKeys = {
  readonly kind: "pkcs11" | "file";
  /** For people: which, and what it is worth. */
  readonly sentence: string;
  readonly uriOf: (device: string, dataDir: string) => string;
  readonly env: Readonly<Record<string, string>>;
};

const modules = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/** The first start decides and writes it down: a device keeps its key. */
export function openSiteKeys(siteDir: string, wanted: "auto" | "pkcs11" | "file"): SiteKeys {
  const note = join(siteDir, "keys.txt");
  const kept = existsSync(note) ? readFileSync(note, "utf8").trim() : undefined;
  const module = modules.find((path) => existsSync(path));
  const usable = module !== undefined && hasSoftHsmUtil() && canLoadPkcs11();
  const kind = kept ?? (wanted === "auto" ? (usable ? "pkcs11" : "file") : wanted);
  ensureDir(siteDir, 0o700);
  if (kept === undefined) writeFileDurable(note, Buffer.from(`${kind}\n`), 0o644);
  if (kind !== "pkcs11" || module === undefined) return fileKeys();
  return softHsmKeys(siteDir, module);
}

function fileKeys(): SiteKeys {
  return {
    kind: "file",
    sentence: "keys: software keys in files (no SoftHSM2 found); every receipt and screen says so",
    uriOf: (_device, dataDir) => `file:${join(dataDir, "signing.key")}`,
    env: {},
  };
}

function softHsmKeys(siteDir: string, module: string): SiteKeys {
  const tokens = join(siteDir, "softhsm");
  const conf = join(siteDir, "softhsm2.conf");
  ensureDir(tokens, 0o700);
  writeFileSync(
    conf,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const env = { SOFTHSM2_CONF: conf };
  return {
    kind: "pkcs11",
    sentence:
      "keys: SoftHSM2 over PKCS#11, non-extractable (a software token: an HSM's interface, not its hardware)",
    uriOf: (device) => {
      const pinFile = join(siteDir, `${device}.pin`);
      if (!existsSync(pinFile)) {
        const pin = randomBytes(12).toString("hex");
        execFileSync(
          "softhsm2-util",
          [
            "--init-token",
            "--free",
            "--label",
            device,
            "--pin",
            pin,
            "--so-pin",
            randomBytes(12).toString("hex"),
          ],
          { env: { ...process.env, ...env }, stdio: "ignore" },
        );
        // The PIN goes last: a token without its PIN file is left behind and a new one is made.
        writeFileDurable(pinFile, Buffer.from(`${pin}\n`), 0o600);
      }
      return `pkcs11:token=${device};object=signing?module-path=${module}&pin-source=file:${pinFile}`;
    },
    env,
  };
}

function hasSoftHsmUtil(): boolean {
  try {
    execFileSync("softhsm2-util", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** The binding is an optional dependency: a machine without a compiler has none. */
function canLoadPkcs11(): boolean {
  try {
    execFileSync(process.execPath, ["-e", "require('pkcs11js')"], {
      stdio: "ignore",
      cwd: join(import.meta.dirname, "..", ".."),
    });
    return true;
  } catch {
    return false;
  }
}
