/**
 * Writes `consensus-v1.json` once, from the samples. The file is the contract, not this script: a change
 * of format is a new version with a new file, and `consensus-v1.json` goes on being verified.
 */

import { writeFileSync } from "node:fs";
import { toHex } from "@tamga/ledger-core/base/bytes";
import { encodeCertificate } from "@tamga/ledger-core/consensus/ballot-codec";
import { encodeBlock, encodeHeader } from "@tamga/ledger-core/consensus/block";
import { encodeMessage } from "@tamga/ledger-core/consensus/message-codec";
import { voteBytes } from "@tamga/ledger-core/consensus/vote";
import {
  certificateOf,
  channel,
  digestOf,
  finalize,

  notarize,
  nullify,
  setOf,
  voteOf,
} from "../support/consensus-fixture.ts";
import { boundaryBlock, firstBlock, messageSamples, secondBlock } from "../support/consensus-messages.ts";

const set = setOf(4, 1);
const digest = digestOf("block");
const ballots = [notarize(300, digest, 298), nullify(300), finalize(300, digest, 298), nullify(0)];
const blocks = { first: firstBlock, second: secondBlock, boundary: boundaryBlock };

const vectors = {
  format: "tamga consensus, version 1 (ledger-core/WIRE.md)",
  channel: toHex(channel),
  validators: set.entries.map(({ name, publicKey }) => ({ name, publicKey: toHex(publicKey) })),
  votes: ballots.map((ballot) => ({
    epoch: 1,
    kind: ballot.kind,
    view: ballot.view,
    ...(ballot.kind === "nullify" ? {} : { parentView: ballot.parentView, digest: toHex(ballot.digest) }),
    bytes: toHex(voteBytes({ channel, epoch: 1 }, ballot)),
    voter: 2,
    signature: toHex(voteOf(set, 2, ballot).signature),
  })),
  headers: Object.entries(blocks).map(([name, made]) => ({
    name,
    header: toHex(encodeHeader(made.block.header)),
    digest: toHex(made.digest),
    block: toHex(encodeBlock(made.block)),
  })),
  certificates: ballots.map((ballot) => ({
    kind: ballot.kind,
    view: ballot.view,
    voters: [0, 2, 3],
    hex: toHex(encodeCertificate(certificateOf(set, ballot, [0, 2, 3]))),
  })),
  messages: Object.entries(messageSamples).map(([name, message]) => ({
    name,
    type: message.type,
    hex: toHex(encodeMessage(message)),
  })),
};

const path = new URL("./consensus-v1.json", import.meta.url);
writeFileSync(path, `${JSON.stringify(vectors, undefined, 1)}\n`, { flag: "wx" });
