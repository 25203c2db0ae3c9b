import { expect, test } from "vitest";
import { SyntheticChannel, signRoot } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import type { ProofMessage } from "../wire/downlink-message.ts";
import { verifyGateway, verifyRejection } from "./verify-gateway.ts";
import { verifyConsistencyFrom, verifyLaneHead } from "./verify-lane-head.ts";
import type { ProofEvidence } from "./verify-proof.ts";
import { verifyProofMessage, verifyProvisional } from "./verify-proof.ts";

const site = new SyntheticChannel({ validators: 4 });
const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));
const rejection = site.rejection();
const statements = [site.statement("start"), site.bundle().statement, rejection];
const indices = statements.map((statement) => site.admit(statement));
site.admit(site.statement("gap"));
const leafHashes = statements.map((statement) => hasher.leaf(statement));
const head = site.seal();
const proof: ProofMessage = {
  gateway: site.gateway.name,
  incarnation: site.laneIncarnation,
  ...head.lane,
  // Out of order on purpose: entries stand by incarnation.
  entries: [2, 0, 1].map((i) => ({
    incarnation: new Uint8Array(16),
    first: BigInt(i),
    leafIndex: BigInt(present(indices[i], "index")),
    ...(i === 2 && { rejection }),
  })),
  hashes: site.lane.multiproof(indices),
};
const hashes = [2, 0, 1].map((i) => present(leafHashes[i], "leaf hash"));
const evidence: ProofEvidence = { proof, leafHashes: hashes };

function verifiedHead(of = head) {
  const verified = verifyLaneHead(nodeCrypto, site.policy, of);
  if (!verified.ok) throw new Error(verified.fault.code);
  return verified.value;
}

function verifiedGateway() {
  const { gateway } = site;
  const of = { gateway: gateway.name, chain: gateway.chain };
  const verified = verifyGateway(nodeCrypto, site.policy, of);
  if (!verified.ok) throw new Error(verified.fault.code);
  return verified.value;
}

test("a proof under a verified head makes its statements final", () => {
  const verified = verifyProofMessage(nodeCrypto, verifiedHead(), evidence);
  expect(verified.ok && verified.value).toMatchObject({ final: true, entries: proof.entries });
});

test("a proof is refused under another head, or for another statement", () => {
  const judge = (more: Partial<ProofMessage>, leaves = hashes) => {
    const changed = { proof: { ...proof, ...more }, leafHashes: leaves };
    const verified = verifyProofMessage(nodeCrypto, verifiedHead(), changed);
    return verified.ok ? "valid" : verified.fault.code;
  };
  expect(judge({ size: 9n })).toBe("PROOF_OTHER_HEAD");
  expect(judge({ root: nodeCrypto.sha256(utf8("x")) })).toBe("PROOF_OTHER_HEAD");
  expect(judge({ gateway: site.device.name })).toBe("PROOF_OTHER_HEAD");
  expect(judge({ incarnation: new Uint8Array(16) })).toBe("PROOF_OTHER_HEAD");
  expect(judge({}, [...hashes].reverse())).toBe("PROOF_NOT_IN_LANE");
  expect(judge({}, hashes.slice(1))).toBe("PROOF_MALFORMED");
  expect(judge({ hashes: [] })).toBe("PROOF_MALFORMED");
  expect(judge({ entries: [], hashes: [] }, [])).toBe("PROOF_MALFORMED");
  const huge = proof.entries.map((entry) => ({ ...entry, leafIndex: entry.leafIndex + 2n ** 60n }));
  expect(judge({ entries: huge })).toBe("PROOF_MALFORMED");
});

test("a provisional proof is the gateway's word, for its own lane only", () => {
  const gateway = verifiedGateway();
  const judge = (more: Partial<ProofMessage>) => {
    const changed = { proof: { ...proof, ...more }, leafHashes: hashes, gateway };
    const verified = verifyProvisional(nodeCrypto, site.policy, changed);
    return verified.ok ? `final ${verified.value.final}` : verified.fault.code;
  };
  const signature = signRoot({ origin: site.laneOrigin, ...head.lane }, site.gateway.key);
  expect(judge({ signature })).toBe("final false");
  expect(judge({})).toBe("PROOF_NOT_SIGNED");
  expect(judge({ signature, gateway: site.device.name })).toBe("PROOF_OTHER_GATEWAY");
  const incarnation = new Uint8Array(16);
  expect(judge({ signature, incarnation })).toBe("PROOF_SIGNATURE_WRONG");
  expect(judge({ signature: signature.slice(1) })).toBe("PROOF_SIGNATURE_WRONG");
  const byDevice = signRoot({ origin: site.laneOrigin, ...head.lane }, site.device.key);
  expect(judge({ signature: byDevice })).toBe("PROOF_SIGNATURE_WRONG");
  expect(judge({ signature, hashes: [] })).toBe("PROOF_MALFORMED");
});

test("a rejection counts when this gateway signed it", () => {
  const gateway = verifiedGateway();
  const judge = (bytes: Uint8Array) => {
    const verified = verifyRejection(nodeCrypto, site.policy, { gateway, rejection: bytes });
    return verified.ok ? verified.value.code : verified.fault.code;
  };
  expect(judge(rejection)).toBe("SEQUENCE_CONFLICT");
  expect(judge(site.statement("gap"))).toBe("REJECTION_NOT_BY_GATEWAY");
  expect(judge(new SyntheticChannel().rejection())).toBe("REJECTION_SIGNATURE_WRONG");
  expect(judge(utf8("no"))).toBe("REJECTION_MALFORMED");
});

test("a head's log must have grown out of the checkpoint that was verified last", () => {
  const before = verifiedHead().seal.head;
  site.admit(site.statement("heartbeat"));
  const later = verifiedHead(site.seal());
  const path = site.log.consistency(Number(before.size));
  const judge = (
    checkpoint: typeof before,
    consistency?: { fromSize: bigint; path: typeof path },
  ) => {
    const verified = verifyConsistencyFrom(nodeCrypto, checkpoint, { head: later, consistency });
    return verified.ok ? `size ${verified.value.size}` : verified.fault.code;
  };
  expect(judge(before, { fromSize: before.size, path })).toBe(`size ${later.seal.head.size}`);
  expect(judge(later.seal.head)).toBe(`size ${later.seal.head.size}`);
  expect(judge(before)).toBe("HEAD_CONSISTENCY_MISSING");
  expect(judge(before, { fromSize: 1n, path })).toBe("HEAD_CONSISTENCY_OTHER_SIZE");
  const forked = { ...before, root: nodeCrypto.sha256(utf8("forked")) };
  expect(judge(forked, { fromSize: before.size, path })).toBe("HEAD_CONSISTENCY_WRONG");
});
