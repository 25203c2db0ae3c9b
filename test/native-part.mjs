// Compiles pkcs11js, the one package without a prebuilt binary: `rebuildPkcs11(root)` says whether it worked.
//
// The headers are those that the pinned Node brings along, so that nothing is fetched from elsewhere and
// what is compiled fits what runs.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

export function isPkcs11Built(root) {
  return existsSync(join(root, "node_modules/pkcs11js/build/Release/pkcs11.node"));
}

export function rebuildPkcs11(root) {
  const headers = headersOfPinnedNode(root);
  const env = { ...process.env };
  if (headers !== undefined) {
    // Older and newer releases of node-gyp look for different names.
    env.npm_config_nodedir = headers;
    env.npm_package_config_node_gyp_nodedir = headers;
  }
  const options = { cwd: root, env, stdio: "ignore" };
  const result = spawnSync("npm", ["rebuild", "pkcs11js", "--loglevel=error"], options);
  return result.status === 0 && isPkcs11Built(root);
}

/** The folder of the platform's own package, which the package `node` installs inside itself. */
function headersOfPinnedNode(root) {
  for (const parent of ["node_modules/node/node_modules", "node_modules"]) {
    const folder = join(root, parent);
    const names = existsSync(folder) ? readdirSync(folder) : [];
    const found = names
      .filter((name) => name.startsWith("node-"))
      .map((name) => join(folder, name))
      .find((path) => existsSync(join(path, "include/node/node_api.h")));
    if (found !== undefined) return found;
  }
  return undefined;
}
