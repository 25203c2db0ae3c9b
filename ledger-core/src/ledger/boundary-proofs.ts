/** A channel's changes of validators out of its database, each with what made it final. */

import { encodeHeader } from "../consensus/block.ts";
import type { BoundaryProof } from "../receipt/epochs-file.ts";
import type { SqliteChain } from "./sqlite-chain.ts";

/** In their order, as far as the certificates are here. */
export function* boundaryProofs(chain: SqliteChain): Generator<BoundaryProof> {
  for (const { block, certificate } of chain.boundaries()) {
    if (certificate === undefined) return;
    yield { header: encodeHeader(block.header), finalization: certificate };
  }
}
