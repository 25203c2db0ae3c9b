/** Makes the transaction that opens a channel, for the first time or anew after a loss. */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { UnixMillis } from "../base/time.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { ChannelOpenClaims, Validator } from "../wire/channel-claims.ts";
import { encodeChannelClaims } from "../wire/channel-claims.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseIdentifier } from "../wire/identifier.ts";
import { finishStatement, prepareStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { judgeGenesis } from "./channel-genesis.ts";

/** An organisation's CA key, wherever it lives: it signs what it is given. */
export type CaSigner = {
  readonly publicKey: PublicKey;
  /** Raw COSE form: r‖s for ES256. */
  sign(toBeSigned: Uint8Array): Promise<Uint8Array>;
};

export type NewChannel = {
  readonly consortium: Identifier;
  readonly channel: Identifier;
  /** 16 fresh random bytes. */
  readonly incarnation: Uint8Array;
  /** The organisation that signs; one of `organisations`. */
  readonly organisation: Identifier;
  readonly organisations: readonly { readonly name: Identifier; readonly ca: Uint8Array }[];
  readonly validators: readonly Validator[];
  readonly secondKeys?: NonNullable<ChannelOpenClaims["secondKeys"]>;
  readonly predecessor?: NonNullable<ChannelOpenClaims["predecessor"]>;
  readonly at: UnixMillis;
};

/**
 * @returns the transaction for leaf 0, which carries the CA certificates, and the channel's id. What a
 *   ledger would refuse fails here as an InvariantError: the caller composed it.
 */
export async function createChannel(
  { crypto, signer }: { readonly crypto: CryptoPort; readonly signer: CaSigner },
  channel: NewChannel,
): Promise<{ readonly transaction: Transaction; readonly id: Digest }> {
  const sha256 = (bytes: Uint8Array) => crypto.sha256(bytes);
  const { consortium, incarnation, validators, predecessor, secondKeys, at } = channel;
  const claims = encodeChannelClaims({
    kind: "channel-open",
    consortium,
    incarnation,
    validators,
    organisations: channel.organisations.map(({ name, ca }) => ({ name, ca: sha256(ca) })),
    ...(predecessor === undefined ? {} : { predecessor }),
    ...(secondKeys === undefined ? {} : { secondKeys }),
    at,
  });
  const unsigned = prepareStatement(
    {
      algorithm: signer.publicKey.algorithm,
      kid: thumbprint(sha256, signer.publicKey),
      type: "channel-open",
      channel: channel.channel,
      issuer: channel.organisation,
      subject: channelSubject,
      issuedAt: Math.floor(at / 1_000),
    },
    claims,
  );
  const statement = finishStatement(unsigned, await signer.sign(unsigned.toBeSigned));
  const certificates = channel.organisations.map(({ ca }) => ca);
  const transaction = { statement, consistency: [], certificates };
  const judged = judgeGenesis(crypto, transaction);
  assert(judged.ok, `a new channel is valid${judged.ok ? "" : `: ${judged.fault.code}`}`);
  return { transaction, id: judged.value.identity.id };
}

const parsedSubject = parseIdentifier("channel");
assert(parsedSubject.ok, "subject of an organisation's statements");
/** What organisations' statements are about. */
export const channelSubject = parsedSubject.value;
