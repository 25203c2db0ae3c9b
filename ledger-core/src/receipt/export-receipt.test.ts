import { describe, expect, test } from "vitest";
import { issueReceipt, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { decodeCbor, Tagged } from "../base/cbor.ts";
import type { PublicKey } from "../base/crypto-port.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { parseCheckpoint } from "../log/checkpoint.ts";
import { verifyCosignature } from "../log/cosignature.ts";
import { rootFromInclusion, verifyInclusion } from "../log/inclusion-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { parseNote } from "../log/note.ts";
import { parseTlogProof } from "../log/tlog-proof.ts";
import { FieldReader } from "../wire/field-reader.ts";
import { verifyLogSignature } from "../wire/log-signature.ts";
import type { ExportedReceipt } from "./export-receipt.ts";
import { exportReceipt } from "./export-receipt.ts";
import { verifyGateway } from "./verify-gateway.ts";
import { cosignerOf, rootKeyOf, verifySealedNote } from "./verify-seal.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const channel = new SyntheticChannel({ validators: 4 });
channel.log.fillTo(1_000);
const receipt = issueReceipt(channel);
const signers = channel.policy.validators.slice(0, 3);
const evidence = present(receipt.final, "final part");

function unwrap<T>(result: { ok: true; value: T } | { ok: false; fault: { code: string } }): T {
  if (result.ok) return result.value;
  throw new Error(result.fault.code);
}

function exported(): ExportedReceipt {
  return unwrap(exportReceipt(nodeCrypto, channel.policy, receipt));
}

/** The four parts of a tagged COSE_Sign1. */
function sign1(bytes: Uint8Array): FieldReader {
  const value = unwrap(decodeCbor(bytes, bytes.length));
  return new FieldReader(value instanceof Tagged ? value.value : undefined);
}

/** Verifies an RFC 9942 receipt as one who knows the leaf, the log and the key. */
function verifyCose(
  bytes: Uint8Array,
  of: { readonly entry: Uint8Array; readonly origin: string; readonly key: PublicKey },
): string {
  const parts = sign1(bytes);
  const [proof = new Uint8Array(0)] = parts
    .nested(1)
    .nested(396)
    .list(-1, 1, (item) => item.bytes(0, 4_096));
  expect(parts.raw(2)).toBeNull();
  const fields = new FieldReader(unwrap(decodeCbor(proof, proof.length)));
  const treeSize = fields.counter(0);
  const claim = {
    treeSize,
    leafIndex: fields.counter(1),
    leafHash: hasher.leaf(of.entry),
    path: fields.list(2, 64, (item) => item.digest(0)),
  };
  const root = unwrap(rootFromInclusion(hasher, claim));
  const signed = { protectedBytes: parts.bytes(0, 1_024), signature: parts.bytes(3, 512) };
  const verified = verifyLogSignature(nodeCrypto, signed, { ...of, size: treeSize, root });
  return verified.ok ? "valid" : verified.fault.code;
}

describe("a receipt in other forms", () => {
  test("has the checkpoint's note, with the cosignatures of its seals", () => {
    const { note } = present(exported().final, "final part");
    expect(note).toBe(channel.note(channel.log.head(), channel.validators.slice(0, 3)));
    expect(verifySealedNote(nodeCrypto, channel.policy, note).ok).toBe(true);
    const parsed = unwrap(parseNote(utf8(note)));
    const { size, root } = channel.log.head();
    expect(parseCheckpoint(parsed.text)).toMatchObject({ value: { treeSize: size, root } });
    for (const validator of signers)
      expect(verifyCosignature(nodeCrypto, cosignerOf(validator), parsed).ok).toBe(true);
  });

  test("has a tlog-proof of the lane head in the channel's log", () => {
    const { tlogProof } = present(exported().final, "final part");
    const proof = unwrap(parseTlogProof(tlogProof));
    const checkpoint = unwrap(parseCheckpoint(proof.note.text));
    const claim = {
      leafIndex: proof.index,
      treeSize: checkpoint.treeSize,
      leafHash: hasher.leaf(evidence.laneHead),
      path: proof.path,
      root: checkpoint.root,
    };
    expect(verifyInclusion(hasher, claim).ok).toBe(true);
  });

  test("has RFC 9942 receipts whose signatures verify with their headers", () => {
    const { statement, final } = exported();
    const { key } = channel.gateway;
    const lane = { entry: receipt.statement, origin: channel.laneOrigin, key: key.publicKey };
    const [inLane = new Uint8Array(0), ...none] = statement.receipts;
    expect(none).toEqual([]);
    expect(verifyCose(inLane, lane)).toBe("valid");
    expect(verifyCose(inLane, { ...lane, entry: utf8("other") })).toBe("LOG_SIGNATURE_WRONG");
    const { receipts } = present(final, "final part").laneHead;
    const { origin } = channel.policy;
    const log = { entry: evidence.laneHead, origin };
    const verdicts = signers.map((validator, i) =>
      verifyCose(present(receipts[i], "receipt"), { ...log, key: rootKeyOf(validator) }),
    );
    expect(verdicts).toEqual(["valid", "valid", "valid"]);
    expect(receipts).toHaveLength(3);
  });

  test("has RFC 9943 transparent statements: the statements themselves, with those receipts", () => {
    const { statement, final } = exported();
    const { laneHead } = present(final, "final part");
    for (const [bytes, one] of [
      [receipt.statement, statement],
      [evidence.laneHead, laneHead],
    ] as const) {
      const [plain, transparent] = [sign1(bytes), sign1(one.transparent)];
      for (const part of [0, 2, 3]) expect(transparent.raw(part)).toEqual(plain.raw(part));
      const attached = transparent.nested(1).list(394, 64, (item) => item.bytes(0, 65_536));
      expect(attached).toEqual(one.receipts);
    }
  });

  test("has the lane's part alone where it is provisional", () => {
    const { final: _, ...provisional } = receipt;
    const { gateway, policy } = channel;
    const of = { gateway: gateway.name, chain: gateway.chain };
    const provisionalUnder = unwrap(verifyGateway(nodeCrypto, policy, of));
    const options = { provisionalUnder };
    const early = unwrap(exportReceipt(nodeCrypto, policy, provisional, options));
    expect(early).toEqual({ statement: exported().statement });
  });

  test("is not given for a receipt that does not verify", () => {
    const seals = evidence.channel.seals.slice(1);
    const untrue = { ...receipt, final: { ...evidence, channel: { ...evidence.channel, seals } } };
    expect(exportReceipt(nodeCrypto, channel.policy, untrue)).toMatchObject({
      fault: { code: "SEAL_QUORUM_MISSING" },
    });
  });
});
