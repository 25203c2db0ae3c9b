/**
 * A fake of an older release: preloaded (`--import`) into a real gateway, it takes the kind `sm3-bundle` out of what
 * that process and its worker threads know.
 */

import { registerHooks } from "node:module";

const known = "application/vnd.tamga.sm3-bundle.v1+cbor";

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith("/wire/statement.ts")) return loaded;
    const source = String(loaded.source);
    if (!source.includes(known)) throw new Error(`${url} names no ${known}`);
    return { ...loaded, source: source.replace(known, "application/x-of-no-release") };
  },
});
