/** The first leaf of a channel of several organisations: made by one of them, checked by each. */

import { randomBytes } from "node:crypto";
import { equal } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { ChannelGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import type { CaSigner } from "@tamga/ledger-core/ledger/create-channel";
import { createChannel } from "@tamga/ledger-core/ledger/create-channel";
import { secondKeysMax } from "@tamga/ledger-core/wire/limits";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { parseTransaction } from "@tamga/ledger-core/wire/transaction";
import type { Member } from "./member-file.ts";

/**
 * Makes the channel-open transaction of these members, signed by the CA of `by`.
 *
 * @throws OperationalError CONSORTIUM_MEMBERS_DIFFER, CONSORTIUM_NAME_TWICE, CONSORTIUM_CA_TWICE,
 *   CONSORTIUM_SECOND_KEYS_TOO_MANY.
 */
export async function openConsortium(
  signer: CaSigner,
  {
    by,
    members,
    at,
  }: { readonly by: Member; readonly members: readonly Member[]; readonly at: UnixMillis },
): Promise<Transaction> {
  requireOneChannel(by, members);
  const organisations: { readonly name: Member["organisation"]; readonly ca: Uint8Array }[] = [];
  const nodes = new Set<string>();
  for (const { node, organisation, ca } of members) {
    if (nodes.has(node)) throw twice("CONSORTIUM_NAME_TWICE", `Two members are named ${node}`);
    nodes.add(node);
    const known = organisations.find(({ name }) => name === organisation);
    if (known === undefined) organisations.push({ name: organisation, ca });
    else if (!equal(known.ca, ca))
      throw twice("CONSORTIUM_CA_TWICE", `Organisation ${organisation} shows two CAs`);
  }
  const secondKeys = members.flatMap(({ node: validator, secondKey: publicKey }) =>
    publicKey === undefined ? [] : [{ validator, publicKey }],
  );
  if (secondKeys.length > secondKeysMax) {
    const sentence = `A channel's opening holds ${secondKeysMax} second keys: let fewer members have one.`;
    throw new OperationalError("CONSORTIUM_SECOND_KEYS_TOO_MANY", sentence);
  }
  const { transaction } = await createChannel(
    { crypto: nodeCrypto, signer },
    {
      consortium: by.consortium,
      channel: by.channel,
      incarnation: new Uint8Array(randomBytes(16)),
      organisation: by.organisation,
      organisations,
      validators: members.map(({ node, organisation, validatorKey }) => ({
        name: node,
        organisation,
        publicKey: validatorKey,
      })),
      ...(secondKeys.length === 0 ? {} : { secondKeys }),
      at,
    },
  );
  return transaction;
}

/**
 * Judges a channel file, and that this node is one of its validators with its own key and CA; or, where it
 * follows until the members admit it, that the channel is the one that it is configured for.
 *
 * @throws OperationalError CHANNEL_FILE_INVALID, CHANNEL_NOT_OURS.
 */
export function judgeChannelFile(
  bytes: Uint8Array,
  own: Member,
  { follows = false }: { readonly follows?: boolean } = {},
): ChannelGenesis {
  const transaction = parseTransaction(bytes);
  const judged = transaction.ok ? judgeGenesis(nodeCrypto, transaction.value) : transaction;
  if (!judged.ok) {
    const sentence = `The channel file is not valid (${judged.fault.code}): ask its maker for it again.`;
    throw new OperationalError("CHANNEL_FILE_INVALID", sentence);
  }
  const { policy } = judged.value;
  const isOfOurs = policy.consortium === own.consortium && policy.channel === own.channel;
  if (follows && isOfOurs) return judged.value;
  const isOurs =
    isOfOurs &&
    policy.organisations.some(({ name, ca }) => name === own.organisation && equal(ca, own.ca)) &&
    policy.validators.some(
      ({ name, organisation, publicKey }) =>
        name === own.node &&
        organisation === own.organisation &&
        equal(publicKey, own.validatorKey),
    ) &&
    isSame(policy.mlDsa44?.keys.find(({ validator }) => validator === own.node)?.publicKey, own);
  if (isOurs) return judged.value;
  const sentence =
    `The channel ${policy.consortium}/${policy.channel} does not have ${own.node} of ${own.organisation} ` +
    "with this node's keys among its validators: give its maker this node's member file, made anew.";
  throw new OperationalError("CHANNEL_NOT_OURS", sentence);
}

function isSame(named: Uint8Array | undefined, { secondKey }: Member): boolean {
  if (named === undefined || secondKey === undefined) return named === secondKey;
  return equal(named, secondKey);
}

function requireOneChannel(by: Member, members: readonly Member[]): void {
  for (const { node, consortium, channel } of members)
    if (consortium !== by.consortium || channel !== by.channel) {
      const sentence =
        `${node} speaks of ${consortium}/${channel}, this node of ${by.consortium}/${by.channel}: ` +
        "set consortium and channel alike in every gateway.toml, and make the member files anew.";
      throw new OperationalError("CONSORTIUM_MEMBERS_DIFFER", sentence);
    }
}

function twice(code: string, what: string): OperationalError {
  return new OperationalError(code, `${what}: names are unique in a consortium.`);
}
