/** Blocks, certificates and votes for tests of what stores them; no signature in them is good. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import { unixMillis } from "@tamga/ledger-core/base/time";
import type { Block, Header } from "@tamga/ledger-core/consensus/block";
import { headerDigest } from "@tamga/ledger-core/consensus/block";
import type { Certificate } from "@tamga/ledger-core/consensus/certificate";
import type { VoteRow, VoteWrite } from "@tamga/ledger-core/consensus/replica-io";
import type { Ballot } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";

export const digestOf = (text: string): Digest => nodeCrypto.sha256(utf8(text));
export const signatureOf = (text: string): Uint8Array => {
  const signature = new Uint8Array(64);
  signature.set(digestOf(text));
  return signature;
};

export function sampleBlock(
  header: Partial<Header> & Pick<Header, "view">,
  transactions: readonly Uint8Array[] = [],
): Block & { readonly digest: Digest } {
  const whole: Header = {
    channel: digestOf("channel"),
    epoch: 0,
    height: header.view,
    parentView: header.view - 1,
    parentDigest: digestOf(`parent ${header.view}`),
    txRoot: digestOf("transactions"),
    stateRoot: digestOf("state"),
    logSize: 1n,
    logRoot: digestOf("log"),
    time: unixMillis(1_750_000_000_000 + header.view),
    equivocationRoot: digestOf("none"),
    seal: false,
    ...header,
  };
  const block = { header: whole, transactions, equivocations: [] };
  return { ...block, digest: headerDigest(nodeCrypto, whole) };
}

export function blockWrite({ digest, ...block }: ReturnType<typeof sampleBlock>): VoteWrite {
  return { type: "block", epoch: block.header.epoch, digest, block };
}

export function sampleCertificate(ballot: Ballot, epoch = 0): Certificate {
  const voters = [0, 1, 2];
  const signatures = voters.map((voter) => signatureOf(`${ballot.kind} ${ballot.view} ${voter}`));
  return { epoch, ballot, voters, signatures };
}

export function blockVote(text: string, view: number): NonNullable<VoteRow["notarized"]> {
  const digest = digestOf(text);
  return { parentView: view - 1, digest, signature: signatureOf(`${text} ${view}`) };
}
