/** A SoftHSM2 of a test's own: private tokens under /tmp, random PINs, and a way to take them away. */

import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type SoftHsm = {
  readonly directory: string;
  readonly modulePath: string;
  readonly pin: string;
  readonly pinFile: string;
  /** Makes one more token with the same PIN and returns the name of its folder. */
  addToken(label: string): string;
  /** A key URI on the token `label`; `more` goes to its query. */
  keyUri(label: string, object: string, more?: string): string;
  /** The token's folder out of SoftHSM's sight: what pulling a token out of its slot is. */
  takeAway(folder: string): void;
  bringBack(folder: string): void;
  remove(): void;
};

const libraries = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/lib64/softhsm/libsofthsm2.so",
  "/opt/homebrew/lib/softhsm/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
];

/**
 * Sets SOFTHSM2_CONF for this process: one at a time, and not in a worker thread.
 *
 * @param options.pin of all its tokens; nine random digits where it is not given.
 */
export function createSoftHsm(options: { readonly pin?: string } = {}): SoftHsm {
  const modulePath = libraries.find((path) => existsSync(path));
  if (modulePath === undefined) throw new Error("softhsm2-util is there, libsofthsm2.so is not");
  const directory = mkdtempSync(join(tmpdir(), "tamga-softhsm-"));
  const tokens = join(directory, "tokens");
  const away = join(directory, "away");
  execFileSync("mkdir", [tokens, away]);
  const configuration = join(directory, "softhsm2.conf");
  const lines = [
    `directories.tokendir = ${tokens}`,
    "objectstore.backend = file",
    "log.level = ERROR",
  ];
  writeFileSync(configuration, `${lines.join("\n")}\n`);
  process.env["SOFTHSM2_CONF"] = configuration;
  const pin = options.pin ?? String(randomInt(100_000_000, 999_999_999));
  const pinFile = join(directory, "pin");
  writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });

  return {
    directory,
    modulePath,
    pin,
    pinFile,
    addToken(label) {
      const before = readdirSync(tokens);
      const soPin = String(randomInt(100_000_000, 999_999_999));
      const pins = ["--pin", pin, "--so-pin", soPin];
      execFileSync("softhsm2-util", ["--init-token", "--free", "--label", label, ...pins]);
      return readdirSync(tokens).find((name) => !before.includes(name)) ?? "";
    },
    keyUri(label, object, more = `&pin-source=file:${pinFile}`) {
      return `pkcs11:token=${label};object=${object}?module-path=${modulePath}${more}`;
    },
    takeAway: (folder) => renameSync(join(tokens, folder), join(away, folder)),
    bringBack: (folder) => renameSync(join(away, folder), join(tokens, folder)),
    remove() {
      delete process.env["SOFTHSM2_CONF"];
      rmSync(directory, { recursive: true });
    },
  };
}
