// Makes a fresh clone ready, then runs one npm script in a child npm: `node test/set-up.mjs SCRIPT [ARG …]`.
//
// Plain JavaScript, since any Node may be the first to run it. The child matters: npm puts the pinned
// Node of node_modules first in its PATH, and a shell that has looked `node` up before keeps the old one.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rebuildPkcs11 } from "./native-part.mjs";

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
child.on("error", (error) => {
  process.stderr.write(`tamga: npm: ${noNpm(error)}.\n`);
  process.exit(69);
});
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));

function install() {
  process.stderr.write("tamga: installing the pinned packages (once) …\n");
  // Install scripts are run by name only: better-sqlite3 and serialport bring prebuilt binaries, and
  // an npm that knows no approvals would compile them.
  npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  npm(["rebuild", "node", "--loglevel=error"]);
  npm(["rebuild", "esbuild", "--loglevel=error"]);
  if (!rebuildPkcs11(root)) {
    process.stderr.write(
      "tamga: pkcs11js could not be compiled (it needs python3, make and g++): " +
        "keys in an HSM are not available, keys in files are.\n",
    );
  }
  writeFileSync(stamp, wanted);
}

/** Ends the process where npm does not do it. */
function npm(npmArgs) {
  const result = spawnSync("npm", npmArgs, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (result.status === 0) return;
  const why = result.error === undefined ? "its own message stands above" : noNpm(result.error);
  process.stderr.write(`tamga: npm ${npmArgs[0]} failed: ${why}.\n`);
  process.exit(result.status || 69);
}

function noNpm(error) {
  return `it cannot be started (${error.code}); install npm 9 or newer`;
}
