// Makes a fresh clone ready, then runs one npm script in a child npm: `node test/set-up.mjs SCRIPT [ARG …]`.
//
// Plain JavaScript, since any Node may be the first to run it. The child matters: npm puts the pinned
// Node of node_modules first in its PATH, and a shell that has looked `node` up before keeps the old one.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, "node_modules", ".tamga-set-up");
const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  process.stderr.write("usage: node test/set-up.mjs SCRIPT [ARG …]\n");
  process.exit(64);
}

const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .update(process.platform + process.arch)
  .digest("hex");
const found = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
if (found !== wanted) install();

const child = spawn("npm", ["run", "--silent", script, "--", ...args], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, TAMGA_CALLER_DIR: process.env.INIT_CWD ?? process.cwd() },
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));

function install() {
  process.stderr.write("tamga: installing the pinned packages (once) …\n");
  // Install scripts are run by name only: better-sqlite3 and serialport bring prebuilt binaries, and
  // an npm that knows no approvals would compile them.
  npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], true);
  npm(["rebuild", "node", "--loglevel=error"], true);
  npm(["rebuild", "esbuild", "--loglevel=error"], true);
  if (!npm(["rebuild", "pkcs11js", "--loglevel=error"], false)) {
    process.stderr.write(
      "tamga: pkcs11js could not be compiled (it needs python3, make and g++): " +
        "keys in an HSM are not available, keys in files are.\n",
    );
  }
  writeFileSync(stamp, wanted);
}

/** @returns whether it worked; ends the process where it must have. */
function npm(npmArgs, required) {
  const quiet = required ? "inherit" : "ignore";
  const result = spawnSync("npm", npmArgs, { cwd: root, stdio: ["ignore", quiet, quiet] });
  if (result.status === 0) return true;
  if (required) {
    process.stderr.write(`tamga: npm ${npmArgs[0]} failed; its own message stands above.\n`);
    process.exit(result.status ?? 69);
  }
  return false;
}
