/** Holds `ledger-core/WIRE.md` to the code and to the vectors: what the document says is what is done. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { present } from "@tamga/ledger-core/base/assert";
import { fromHex, toHex, utf8 } from "@tamga/ledger-core/base/bytes";
import type { CborValue } from "@tamga/ledger-core/base/cbor";
import { decodeCbor, encodeCbor } from "@tamga/ledger-core/base/cbor";
import { cborDepthMax } from "@tamga/ledger-core/base/cbor-reader";
import { noteBytesMax } from "@tamga/ledger-core/log/limits";
import { quorumOf } from "@tamga/ledger-core/base/quorum";
import { approvalBytes, validatorsValue } from "@tamga/ledger-core/consensus/approval";
import { blockValue, encodeHeader } from "@tamga/ledger-core/consensus/block";
import * as consensusLimits from "@tamga/ledger-core/consensus/limits";
import { encodeMessage, parseMessage } from "@tamga/ledger-core/consensus/message-codec";
import { voteBytes, voteKinds } from "@tamga/ledger-core/consensus/vote";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { writeExport } from "@tamga/ledger-core/ledger/export-file";
import { contentBytesMax } from "@tamga/ledger-core/ledger/limits";
import { contentMagic, encodeContent } from "@tamga/ledger-core/ledger/channel-content-codec";
import { encodeSealPayload } from "@tamga/ledger-core/ledger/seal-payload";
import { boundariesOf, encodeEpochs, epochsMagic, parseEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import { encodeEpochsMessage } from "@tamga/ledger-core/receipt/epochs-message";
import * as receiptLimits from "@tamga/ledger-core/receipt/limits";
import {
  encodePackedReceipt,
  packedReceiptMagic,
  staticWords,
} from "@tamga/ledger-core/receipt/packed-receipt";
import { encodeReceipt, parseReceipt, receiptMagic } from "@tamga/ledger-core/receipt/receipt";
import { trustPolicyDigest } from "@tamga/ledger-core/receipt/trust-policy";
import { coseAlgorithms } from "@tamga/ledger-core/wire/algorithm";
import { revocationReasons } from "@tamga/ledger-core/wire/channel-claims";
import { gapReasons } from "@tamga/ledger-core/wire/device-claims";
import {
  encodeCertificateMessage,
  encodeHeadMessage,
  encodeProofMessage,
  encodeWantMessage,
} from "@tamga/ledger-core/wire/downlink-message";
import { keyKinds } from "@tamga/ledger-core/wire/enrolment";
import * as limits from "@tamga/ledger-core/wire/limits";
import {
  encodeCoseReceipt,
  encodeTransparentStatement,
  logSignatureType,
} from "@tamga/ledger-core/wire/log-signature";
import { dlmsUnits } from "@tamga/ledger-core/wire/quantity";
import {
  captureQualities,
  checksumStates,
  clockQualities,
  tagSchemes,
} from "@tamga/ledger-core/wire/reading";
import { encodeRevokedKey } from "@tamga/ledger-core/wire/revocation-list";
import { parseSign1 } from "@tamga/ledger-core/wire/cose";
import { parseStatement, statementTypes } from "@tamga/ledger-core/wire/statement";
import { downlinkFilter, downlinkKinds, downlinkTopic, uplinkKinds, uplinkTopic } from "@tamga/ledger-core/wire/topic";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import {
  bodyEncodings,
  encodeHaveMessage,
  encodeRenewMessage,
  encodeStatementMessage,
} from "@tamga/ledger-core/wire/uplink-message";
import { Cddl } from "../support/cddl.ts";
import { Consortium } from "../support/consortium.ts";
import { epochsSamples } from "../support/epochs-samples.ts";
import { SecondKeys } from "../support/ml-dsa.ts";
import { blockSamples, messageSamples } from "../support/message-samples.ts";
import { receiptSamples } from "../support/receipt-samples.ts";
import { issueReceipt, SyntheticChannel } from "../support/synthetic-channel.ts";
import { name } from "../support/wire-samples.ts";

const root = new URL("../../", import.meta.url);
const document = readFileSync(new URL("ledger-core/WIRE.md", root), "utf8");
const vectors = JSON.parse(readFileSync(new URL("./wire-v1.json", import.meta.url), "utf8")) as {
  readings: string[];
  bundle: { body: string };
  statements: { name: string; hex: string; identity: string }[];
  logSignatures: { origin: string; size: string; protected: string; signature: string }[];
  tampered: { name: string; hex: string; code: string }[];
};
const cddl = new Cddl(blocks("cddl").join("\n"));

describe("the tables", () => {
  test("limits are those of the code, by name and number, no more and no less", () => {
    const rows = table("limit").map(([limit, value]) => [unquoted(limit), Number(value)]);
    expect(Object.fromEntries(rows)).toEqual({ ...limits });
    expect(rows).toHaveLength(Object.keys(limits).length);
    expect(document).toContain(`nest at most ${cborDepthMax} deep`);
    expect(document).toContain(`a checkpoint's note ${noteBytesMax}`);
  });

  test("limits of what validators exchange are those of the code", () => {
    const known: Readonly<Record<string, unknown>> = {
      ...consensusLimits,
      ...receiptLimits,
      contentBytesMax,
    };
    const rows = table("form limit").map(([limit, value]) => [unquoted(limit), Number(value)]);
    expect(rows.length).toBeGreaterThan(10);
    for (const [limit, value] of rows) expect(known[limit ?? ""], String(limit)).toBe(value);
  });

  test("words of packed receipts", () => {
    const rows = table("word").slice(0, staticWords.length);
    const words = rows.map(([number, cell]) => {
      const [, text = "", word = ""] = /^(text )?`([^`]+)`$/.exec(cell ?? "") ?? [];
      return [Number(number), toHex(text === "" ? bytes(word) : utf8(word))];
    });
    expect(words).toEqual(staticWords.map((word, number) => [number, toHex(word)]));
    expect(table("word")).toHaveLength(staticWords.length + 5);
  });

  test("numbers of algorithms", () => {
    const rows = table("name").map(([algorithm, number]) => [algorithm, Number(number)]);
    expect(Object.fromEntries(rows)).toEqual(coseAlgorithms);
  });

  test("types of statements", () => {
    const rows = table("kind").map(([kind, type]) => [kind, unquoted(type)]);
    expect(Object.fromEntries(rows)).toEqual(statementTypes);
  });

  test("enumerations, in the order of their numbers", () => {
    const expected: Readonly<Record<string, readonly string[]>> = {
      "clock-quality": clockQualities,
      "checksum-state": checksumStates,
      "capture-quality": captureQualities,
      "tag-scheme": tagSchemes,
      "gap-reason": gapReasons,
      "revocation-reason": revocationReasons,
      "body-encoding": bodyEncodings,
    };
    for (const [rule, values] of Object.entries(expected)) {
      expect([...cddl.enumeration(rule)], rule).toEqual([...values.entries()]);
    }
  });

  test("units", () => {
    const known = Array.from({ length: 257 }, (_, code) => code).filter(
      (code) => cddl.misfit("dlms-unit", code) === undefined,
    );
    expect(known).toEqual(Object.keys(dlmsUnits).map(Number));
  });

  test("names: topics, receipt, log roots, key kinds, the quorum's formula", () => {
    const any = { channel: name("CHANNEL"), device: name("DEVICE") };
    const text = document.replaceAll("{channel}", "CHANNEL").replaceAll("{device}", "DEVICE");
    const ups = uplinkKinds.map((kind) => uplinkTopic(any, kind));
    const downs = downlinkKinds.map((kind) => downlinkTopic(any, kind));
    for (const [first, ...others] of [ups, downs]) {
      const rest = others.map((topic) => ` | \`${topic.split("/").slice(4).join("/")}\``);
      expect(text).toContain(`\`${present(first, "topic")}\`${rest.join("")}\n`);
    }
    expect(text).toContain(`\`${downlinkFilter(any)}\``);
    expect(document).toContain(`"${receiptMagic}"`);
    expect(document).toContain(`"${logSignatureType}"`);
    expect(document).toContain(`\`${keyKinds[0]}\`, \`${keyKinds[1]}\` or \`${keyKinds[2]}\``);
    expect([1, 4, 5, 7].map(quorumOf)).toEqual([1, 3, 4, 5]);
  });

  test("sections that the code cites exist", () => {
    const sections = new Set([...document.matchAll(/^##+ (\d+(?:\.\d+)?)\.? /gm)].map((m) => m[1]));
    const cited = ["ledger-core", "agent", "gateway"].flatMap((workspace) =>
      sourcesOf(new URL(`${workspace}/src/`, root)).flatMap((text) =>
        [...text.matchAll(/WIRE\.md §(\d+(?:\.\d+)?)/g)].map((match) => match[1] ?? ""),
      ),
    );
    expect(cited.length).toBeGreaterThan(15);
    for (const section of cited) expect(sections, section).toContain(section);
  });
});

describe("the vectors fit the CDDL", () => {
  test.each(vectors.readings)("reading %#", (hex) => fits("reading", bytes(hex)));

  test("body", () => fits("body", bytes(vectors.bundle.body), 1 << 20));

  test.each(vectors.statements)("statement $name", ({ hex }) => {
    fits("statement", bytes(hex));
    const parsed = parseStatement(bytes(hex));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    const { header, claims, part } = parsed.value;
    fits("header", part.protectedBytes);
    fits(`${header.type}-claims`, encodeCbor(claims));
  });

  test.each(vectors.logSignatures)("log signature $origin", (signed) => {
    fits("log-header", bytes(signed.protected));
    fits("log-signature", encodeCbor(bytes(signed.signature)));
  });

  test("tampered vectors whose form is wrong do not", () => {
    const byForm = vectors.tampered.filter(({ code }) =>
      /^(FIELD|CBOR|COSE|STATEMENT_(SIGNATURE|ALGORITHM|ISSUER))_/.test(code),
    );
    expect(byForm.length).toBeGreaterThan(15);
    for (const { name: what, hex } of byForm) {
      const decoded = decodeCbor(bytes(hex), 65_535);
      const isFit = decoded.ok && cddl.misfit("statement", decoded.value) === undefined;
      // Rules between two fields are in the text below the CDDL.
      expect(isFit, what).toBe(what === "sequence past 2^63");
    }
  });
});

describe("what the encoders make fits the CDDL", () => {
  const channel = new SyntheticChannel();
  const receipt = issueReceipt(channel);
  const final = present(receipt.final, "final part");
  const ranges = [
    { stream: name("p1"), incarnation: new Uint8Array(16), ranges: [{ first: 1n, count: 2 }] },
  ];
  const checkpoint = { size: 3n, root: receipt.lane.path[0] ?? channelDigest() };

  test("receipts, final and provisional", () => {
    fits("receipt", encodeReceipt(receipt));
    const { final: _sealed, disclosed: _reading, ...provisional } = receipt;
    fits("receipt", encodeReceipt(provisional));
  });

  test("packed receipts, final and provisional", () => {
    for (const { bytes: file, verdict } of receiptSamples) {
      if (verdict !== "valid") continue;
      const plain = parseReceipt(file);
      if (plain.ok) fits("packed-receipt", encodePackedReceipt(plain.value));
    }
    expect(document).toContain(`"${packedReceiptMagic}"`);
  });

  test("RFC 9942 receipts and RFC 9943 transparent statements", () => {
    const [signed] = vectors.logSignatures;
    const { protected: header, signature } = present(signed, "log signature");
    const { size, index, path } = receipt.lane;
    const of = { protectedBytes: bytes(header), signature: bytes(signature) };
    const cose = encodeCoseReceipt(of, { size, index, path });
    fits("cose-receipt", cose);
    const part = parseSign1(receipt.statement);
    if (!part.ok) throw new Error(part.fault.code);
    fits("transparent-statement", encodeTransparentStatement(part.value, [cose]));
  });

  test("uplink messages", () => {
    const { statement } = receipt;
    const body = { encoding: "brotli", length: 9, bytes: new Uint8Array(3) } as const;
    fits("statement-message", encodeStatementMessage({ statement }));
    fits("statement-message", encodeStatementMessage({ statement, body }));
    const nonce = new Uint8Array(8);
    fits("have-message", encodeHaveMessage({ nonce, last: true, pending: ranges, kept: [] }));
    fits("have-message", encodeHaveMessage({ nonce, last: false, checkpoint, pending: [], kept: ranges }));
    fits("renew-message", encodeRenewMessage({ signing: nonce, tls: nonce }));
  });

  test("downlink messages", () => {
    const { laneHead, gatewayChain, channel: evidence } = final;
    const laneSignature = receipt.lane.signature;
    fits("want-message", encodeWantMessage({ nonce: new Uint8Array(8), all: true, want: ranges }));
    const head = { laneSignature, laneHead, gatewayChain, channel: evidence };
    fits("head-message", encodeHeadMessage(head));
    const consistency = { fromSize: 1n, path: evidence.path };
    fits("head-message", encodeHeadMessage({ ...head, consistency }));
    const entries = [
      { incarnation: new Uint8Array(16), first: 0n, leafIndex: 1n },
      { incarnation: new Uint8Array(16), first: 0n, leafIndex: 2n, rejection: new Uint8Array(5) },
    ];
    const { gateway, incarnation } = receipt.lane;
    const proof = { gateway, incarnation, ...checkpoint, entries, hashes: [] };
    fits("proof-message", encodeProofMessage(proof));
    fits("proof-message", encodeProofMessage({ ...proof, signature: laneSignature }));
    fits("certificate-message", encodeCertificateMessage({ signing: gatewayChain, tls: gatewayChain }));
  });

  test("what a trust policy's digest is over", () => {
    trustPolicyDigest((encoded) => {
      fits("trust-content", encoded);
      return channelDigest();
    }, channel.policy);
    const keys = new SecondKeys(channel, 1).policy(false);
    trustPolicyDigest((encoded) => {
      fits("trust-content", encoded);
      return channelDigest();
    }, keys);
    expect.assertions(2);
  });

  test("transactions and entries of the revocation list", () => {
    const { laneHead: statement, gatewayChain: certificates, channel: evidence } = final;
    fits("transaction", encodeTransaction({ statement, certificates, consistency: evidence.path }));
    const kid = checkpoint.root;
    fits("revoked-key", encodeRevokedKey({ kid, reason: 1, since: 1_780_000_000_000n }));
  });

  function channelDigest() {
    return channel.policy.channelId;
  }
});

describe("what validators exchange and sign", () => {
  test.each(messageSamples.map((message) => [message.type, message] as const))("%s", (type, message) => {
    const encoded = encodeMessage(message);
    fits("peer-message", encoded);
    const decoded = decodeCbor(encoded, encoded.length);
    const [version, number, fields] = decoded.ok && Array.isArray(decoded.value) ? decoded.value : [];
    expect(version).toBe(1);
    expect(cddl.enumeration("message-type").get(Number(number))).toBe(type);
    expect(cddl.misfit(`${type}-fields`, fields ?? null), type).toBeUndefined();
    expect(parseMessage(encoded)).toEqual({ ok: true, value: message });
  });

  test("every type of message has a sample, and the document names no further one", () => {
    const named = new Set(cddl.enumeration("message-type").values());
    expect(new Set(messageSamples.map(({ type }) => type))).toEqual(named);
  });

  test("blocks, headers, seals and epochs files", () => {
    for (const block of blockSamples) {
      fits("block", encodeCbor(blockValue(block)));
      fits("block-header", encodeHeader(block.header));
      fits("validator-set", encodeCbor(validatorsValue(block.header.boundary?.validators ?? [])));
    }
    const signature = new Uint8Array(64);
    const seal = { timeSeconds: 9, cosignature: signature, rootSignature: signature };
    fits("seal-payload", encodeSealPayload(seal));
    fits("epochs-file", encodeEpochs([]));
    for (const { verdict, bytes: file } of epochsSamples) {
      if (verdict !== "valid") continue;
      fits("epochs-file", file);
      const parsed = parseEpochs(file);
      const boundaries = (parsed.ok ? boundariesOf(parsed.value) : undefined) ?? [];
      fits("epochs-message", encodeEpochsMessage({ total: 3, from: 0, boundaries }));
    }
    expect(document).toContain(`"${epochsMagic}"`);
  });

  test("the items of a ledger export", () => {
    const directory = mkdtempSync(join(tmpdir(), "tamga-document-"));
    const path = join(directory, "export");
    const payload = encodeMessage(present(messageSamples.at(-1), "a message"));
    writeExport(path, [
      { type: "header", channel: nodeCrypto.sha256(new Uint8Array()), from: 3 },
      { type: "opening", transaction: new Uint8Array(3) },
      { type: "message", payload },
    ]);
    const file = new Uint8Array(readFileSync(path));
    rmSync(directory, { recursive: true });
    const strings = byteStrings(file);
    const items = strings.filter((_, at) => at % 2 === 0);
    for (const item of items) fits("export-item", item);
    expect(items).toHaveLength(4);
    expect(strings.filter((_, at) => at % 2 === 1).map(({ length }) => length)).toEqual([8, 8, 8]);
  });

  test("a channel's content", async () => {
    const channel = await Consortium.of(["dairy", "farm"]);
    const [dairy] = channel.members;
    const gateway = present(dairy, "dairy").owner.gateway("g");
    expect(channel.order(gateway.open(channel.id))).toBe("OK");
    fits("content", encodeContent(channel.state.channel));
    expect(document).toContain(`"${contentMagic}"`);
  });

  test("forms that the parsers refuse do not fit", () => {
    for (const [rule, value] of [
      ["index", consensusLimits.validatorsPerEpochMax],
      ["signature-64", new Uint8Array(63)],
      ["ballot", [2, 1, 0, new Uint8Array(32)]],
      ["ballot", [1, 1]],
      ["ballot", [4, 1, 0, new Uint8Array(32)]],
      ["message-type", 21],
      ["boundary", [[], new Uint8Array(32)]],
    ] as const)
      expect(cddl.misfit(rule, value), rule).toBeDefined();
  });

  test("signed bytes begin with the labels that the document gives, and have its parts", () => {
    const { channelId } = new SyntheticChannel().policy;
    const ballot = { kind: "finalize", view: 1, parentView: 0, digest: channelId } as const;
    const vote = voteBytes({ channel: channelId, epoch: 0 }, ballot);
    const ready = approvalBytes(nodeCrypto, channelId, { epoch: 1, validators: [] });
    for (const [signed, length] of [
      [vote, 15 + 1 + 32 + 8 + 8 + 8 + 32],
      [ready, 13 + 32 + 8 + 32],
    ] as const) {
      expect(signed).toHaveLength(length);
      const label = /^tamga\/[a-z]+\/1/.exec(Buffer.from(signed).toString("latin1"))?.[0];
      expect(document).toContain(`\`${present(label, "label")}\` ‖ `);
    }
    const { notarize, nullify, finalize } = voteKinds;
    expect(document).toContain(`${notarize} NOTARIZE, ${nullify} NULLIFY`);
    expect(document).toContain(`${finalize} FINALIZE.`);
  });
});

test("the worked example is the vector", () => {
  const [example] = blocks("hex");
  const hex = present(example, "hex block").replace(/#.*$/gm, "").replace(/\s/g, "");
  const vector = present(vectors.statements.find((item) => item.name === "heartbeat"), "heartbeat");
  expect(hex).toBe(vector.hex);
  expect(document).toContain(vector.identity);
  expect(toHex(bytes(hex))).toBe(hex);
});

function fits(rule: string, encoded: Uint8Array, limit = 1 << 20): void {
  const decoded = decodeCbor(encoded, limit);
  if (!decoded.ok) throw new Error(`${rule}: ${decoded.fault.code}`);
  const value: CborValue = decoded.value;
  expect(cddl.misfit(rule, value), rule).toBeUndefined();
}

/** Contents of the fenced blocks of one language. */
function blocks(language: string): readonly string[] {
  const found = document.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"));
  return [...found].map((match) => match[1] ?? "");
}

/** Rows of the table whose first heading is this, as cells. */
function table(heading: string): readonly (readonly string[])[] {
  const lines = document.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  return lines
    .slice(start + 2, end)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

function sourcesOf(folder: URL): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readFileSync(new URL(path, folder), "utf8"));
}

function unquoted(cell: string | undefined): string {
  return (cell ?? "").replaceAll("`", "");
}

function bytes(hex: string): Uint8Array {
  return present(fromHex(hex), "hex");
}

/** A sequence of byte strings with heads of one or two bytes. */
function byteStrings(file: Uint8Array): readonly Uint8Array[] {
  const strings: Uint8Array[] = [];
  for (let at = 0; at < file.length; ) {
    const short = (file[at] ?? 0) - 0x40;
    const [head, length] = short < 24 ? [1, short] : [2, file[at + 1] ?? 0];
    strings.push(file.subarray(at + head, at + head + length));
    at += head + length;
  }
  return strings;
}
