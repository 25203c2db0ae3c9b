#!/usr/bin/env node
// Starts tamga-agent. Plain JavaScript, so that a Node which cannot run TypeScript is refused in one line; and
// the compile cache spares memory and time, since type stripping would otherwise be done at each start.

import * as module from "node:module";

if (Number.parseInt(process.versions.node, 10) < 24) {
  process.stderr.write(
    `tamga-agent needs Node.js 24 or newer and this is ${process.versions.node}: start it with npm, which brings the right one, or install it. [NODE_TOO_OLD]\n`,
  );
  process.exit(78);
}
module.enableCompileCache?.();
await import("../src/main.ts");
