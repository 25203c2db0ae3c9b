/** Makes the transaction that freezes a lane whose gateway contradicted what was ordered. Pure. */

import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { UnixMillis } from "../base/time.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { LaneFaultClaims } from "../wire/governance-claims.ts";
import { encodeGovernanceClaims } from "../wire/governance-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import { finishStatement, prepareStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { channelSubject } from "./create-channel.ts";

/** Who reports: a validator, a gateway with an open lane, or an organisation. */
export type FaultReporter = {
  readonly name: Identifier;
  readonly publicKey: PublicKey;
  readonly sign: (toBeSigned: Uint8Array) => Uint8Array;
};

/**
 * What the ledger that refused a head with LANE_HEAD_INCONSISTENT submits next.
 *
 * @param fault `first`: the statement that stands in the log at the lane's `index`, exact bytes; `second`:
 *   the one that was refused.
 */
export function laneFaultTransaction(
  {
    crypto,
    channel,
    reporter,
  }: {
    readonly crypto: CryptoPort;
    readonly channel: Identifier;
    readonly reporter: FaultReporter;
  },
  fault: Omit<LaneFaultClaims, "kind">,
  { at }: { readonly at: UnixMillis },
): Transaction {
  const { name, publicKey, sign } = reporter;
  const unsigned = prepareStatement(
    {
      algorithm: publicKey.algorithm,
      kid: thumbprint((bytes) => crypto.sha256(bytes), publicKey),
      type: "lane-fault",
      channel,
      issuer: name,
      subject: channelSubject,
      issuedAt: Math.floor(at / 1_000),
    },
    encodeGovernanceClaims({ kind: "lane-fault", ...fault }),
  );
  const statement = finishStatement(unsigned, sign(unsigned.toBeSigned));
  return { statement, consistency: [], certificates: [] };
}
