/**
 * Packs the verifier: `dist/tamga-verify.mjs`, one file for any Node from 20 on, and
 * `dist/tamga-verify-browser.js`, an ES module for browsers that fails to build if a core needs Node.
 */

import { chmodSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** `hash` came to node:crypto with 20.12; a missing name would stop an older Node before its first line. */
const cryptoOfOlderNode = {
  name: "crypto-of-older-node",
  setup(bundle) {
    bundle.onResolve({ filter: /^node:crypto$/ }, ({ namespace }) =>
      namespace === "older-node"
        ? { path: "node:crypto", external: true }
        : { path: "crypto", namespace: "older-node" },
    );
    bundle.onLoad({ filter: /.*/, namespace: "older-node" }, () => ({
      contents: `
        import * as native from "node:crypto";
        export const { constants, createPublicKey, createVerify, verify } = native;
        export const hash = native["hash"] ?? ((algorithm, bytes, encoding) =>
          native.createHash(algorithm).update(bytes).digest(encoding));
      `,
    }));
  },
};

/** What a page needs: parse, verify, describe. */
const browserEntry = `
  export { nobleCrypto } from "./src/base/noble-crypto.ts";
  export { parseReceipt } from "./src/receipt/receipt.ts";
  export { parseTrustPolicy } from "./src/receipt/trust-policy-file.ts";
  export { parseEpochs } from "./src/receipt/epochs-file.ts";
  export { followEpochs } from "./src/receipt/epoch-chain.ts";
  export { describeEpochs } from "./src/receipt/describe-epochs.ts";
  export { verifyReceipt } from "./src/receipt/verify-receipt.ts";
  export { verifySealedNote } from "./src/receipt/verify-seal.ts";
  export { describeReceipt } from "./src/receipt/describe-receipt.ts";
  export { viewReceipt } from "./src/receipt/receipt-view.ts";
  export { explainFault } from "./src/receipt/explain-fault.ts";
`;

const common = { bundle: true, format: "esm", legalComments: "eof", logLevel: "warning" };

const nodeFile = here("dist/tamga-verify.mjs");
await build({
  ...common,
  entryPoints: [here("src/verify.ts")],
  outfile: nodeFile,
  platform: "node",
  target: "node20",
  plugins: [cryptoOfOlderNode],
});
chmodSync(nodeFile, 0o755);

const browserFile = here("dist/tamga-verify-browser.js");
await build({
  ...common,
  stdin: { contents: browserEntry, resolveDir: here("."), loader: "ts" },
  outfile: browserFile,
  platform: "browser",
  target: "es2022",
});
process.stdout.write(`${nodeFile}\n${browserFile}\n`);
