/** A recovery is followed from the first trust policy, and each way to forge or twist one is refused by its code. */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { Cddl } from "../../../test/support/cddl.ts";
import { at, Consortium, Member } from "../../../test/support/consortium.ts";
import { signStatement } from "../../../test/support/ledger-site.ts";
import { unwrap } from "../../../test/support/unwrap.ts";
import { present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { toHex, utf8 } from "../base/bytes.ts";
import { decodeCbor } from "../base/cbor.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { unixMillis } from "../base/time.ts";
import { encodeHeader, equivocationRootOf } from "../consensus/block.ts";
import type { Certificate } from "../consensus/certificate.ts";
import { ValidatorSet } from "../consensus/validator-set.ts";
import { voteBytes } from "../consensus/vote.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { combineSeals, signSeal } from "../ledger/seal-payload.ts";
import type { RecoveryClaims } from "../wire/recovery-claims.ts";
import { encodeRecoveryClaims } from "../wire/recovery-claims.ts";
import type { Approval, Transaction } from "../wire/transaction.ts";
import { encodeTransaction } from "../wire/transaction.ts";
import { describeEpochs } from "./describe-epochs.ts";
import { conflictOf, followEpochs } from "./epoch-chain.ts";
import type { RecoveryProof } from "./epochs-file.ts";
import { encodeEpochs, parseEpochs } from "./epochs-file.ts";
import { epochsBytesMax, recoveryHeadersMax, stateCommitmentBytesMax } from "./limits.ts";
import { readRecovery } from "./recovery.ts";
import { sealsOf } from "./seal-evidence.ts";
import { verifySeal } from "./verify-seal.ts";

const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);
let consortium: Consortium;
let stranger: Member;

beforeAll(async () => {
  consortium = await Consortium.of(["a", "b", "c", "d"]);
  stranger = new Member("e");
});

const member = (index: number) => present(consortium.members[index], "a member");

/** Seals by these members of the four, of a log under this origin. */
function sealsBy(indices: readonly number[], size: bigint, root: Digest, origin: string) {
  const validators = consortium.genesis.policy.validators;
  const head = { origin, size, root };
  const payloads = indices.map((validator) => {
    const { validatorKey, validator: own } = member(validator);
    const key = { publicKey: own.publicKey, sign: (b: Uint8Array) => validatorKey.sign(b) };
    return {
      validator,
      payload: signSeal(nodeCrypto, { key, second: undefined }, head, 1_750_000_100),
    };
  });
  const lines = { validators: new ValidatorSet(0, validators), secondKeyOf: () => undefined };
  const sealed = combineSeals(nodeCrypto, lines, head, payloads);
  return sealsOf(nodeCrypto, { origin, validators, quorum: 3 }, sealed);
}

type Twist = {
  readonly claims?: Partial<RecoveryClaims>;
  readonly signer?: Member;
  readonly approvers?: readonly Member[];
  readonly approvals?: (transaction: Transaction) => readonly Approval[];
  readonly members?: readonly Member[];
  readonly voters?: readonly number[];
  readonly ballot?: "notarize" | "finalize";
  /** The one that is lost; the consortium's first unless another is given. */
  readonly channel?: Digest;
  readonly state?: Uint8Array;
  readonly header?: { readonly logSize?: bigint; readonly channel?: Digest };
  readonly certificates?: readonly Uint8Array[];
};

function proofOf(twist: Twist = {}): RecoveryProof {
  const { genesis, state } = consortium;
  const id = twist.channel ?? consortium.id;
  const root = state.log.root();
  const size = BigInt(state.log.size);
  const header = encodeHeader({
    channel: id,
    epoch: 0,
    view: 7,
    height: 5,
    parentView: 6,
    parentDigest: sha256(utf8("parent")),
    txRoot: sha256(utf8("none")),
    stateRoot: state.channel.root(),
    logSize: size,
    logRoot: root,
    time: at,
    equivocationRoot: equivocationRootOf(nodeCrypto, []),
    seal: true,
    ...twist.header,
  });
  const members = twist.members ?? [member(0), member(1), stranger];
  const claims = encodeRecoveryClaims({
    consortium: genesis.identity.consortium,
    incarnation: new Uint8Array(16).fill(9),
    validators: members.map(({ validator }) => validator),
    organisations: members.map(({ member: { name, ca } }) => ({ name, ca: sha256(ca) })),
    at,
    lost: id,
    ordinal: 1,
    head: { size, root },
    seals: sealsBy([0, 1, 2], size, root, genesis.identity.origin),
    block: { height: 5, digest: sha256(header), stateRoot: state.channel.root() },
    ...twist.claims,
  });
  const signer = twist.signer ?? member(0);
  const bare = {
    statement: signStatement(signer.signer, "channel-recovery", claims),
    consistency: [],
    certificates: twist.certificates ?? members.map(({ member: { ca } }) => ca),
  };
  const approvers = twist.approvers ?? [member(1), member(2)];
  const approvals = twist.approvals?.(bare) ?? approvers.map((by) => by.approve(bare));
  const recovery = encodeTransaction(approvals.length === 0 ? bare : { ...bare, approvals });
  const voters = twist.voters ?? [0, 1, 2];
  const state_ = twist.state ?? state.channel.commitment();
  const finalization = finalize(header, voters, { channel: id, kind: twist.ballot });
  return { recovery, headers: [header], finalization, state: state_ };
}

function finalize(
  header: Uint8Array,
  voters: readonly number[],
  of: { readonly channel: Digest; readonly kind: Twist["ballot"] },
): Certificate {
  const digest = sha256(header);
  const { channel, kind = "finalize" } = of;
  const ballot = { kind, view: 7, parentView: 6, digest } as const;
  const bytes = voteBytes({ channel, epoch: 0 }, ballot);
  const signatures = voters.map((voter) => member(voter).validatorKey.sign(bytes));
  return { epoch: 0, ballot, voters, signatures };
}

const follow = (...items: readonly RecoveryProof[]) =>
  followEpochs(nodeCrypto, consortium.genesis.policy, items);
const verdict = (...items: readonly RecoveryProof[]) => {
  const followed = follow(...items);
  return followed.ok ? "valid" : followed.fault.code;
};

describe("a recovery", () => {
  test("by three of four is followed out of its file, by both crypto ports, and says so in words", () => {
    const items = unwrap(parseEpochs(encodeEpochs([proofOf()])));
    for (const crypto of [nodeCrypto, nobleCrypto]) {
      const chain = unwrap(followEpochs(crypto, consortium.genesis.policy, items));
      expect(chain.epochs).toMatchObject([
        { epoch: 0, until: 1n, isLost: true },
        {
          epoch: 0,
          quorum: 2,
          from: 1n,
          recovered: { ordinal: 1, needed: 3, signedBy: ["a", "b", "c"] },
        },
      ]);
    }
    const chain = unwrap(follow(proofOf()));
    const of = { chain, language: "en" } as const;
    const lines = describeEpochs(sha256, consortium.genesis.policy, of).join("\n");
    expect(lines).toContain("Signed by the CA keys of 3 of 4 organisations (3 needed): a, b, c");
    expect(lines).toContain("RECOVERED once");
  });

  test("is trusted alone by whoever holds the trust policy that it made", () => {
    const { recoveries } = unwrap(follow(proofOf()));
    const { policy } = present(recoveries[0], "the recovery");
    const chain = unwrap(followEpochs(nodeCrypto, policy, [proofOf()]));
    // ECDSA signs anew each time, and the identity does not cover the signature.
    expect(chain.epochs).toMatchObject([{ origin: policy.origin, quorum: 2 }]);
  });

  test.each<[string, () => Twist]>([
    ["RECOVERY_SIGNERS_TOO_FEW", () => ({ approvers: [member(1)] })],
    ["RECOVERY_SIGNERS_TOO_FEW", () => ({ approvers: [] })],
    ["RECOVERY_SIGNER_REPEATED", () => ({ approvers: [member(1), member(1)] })],
    ["RECOVERY_SIGNER_REPEATED", () => ({ approvers: [member(0), member(1)] })],
    ["RECOVERY_SIGNER_UNKNOWN", () => ({ approvers: [member(1), stranger] })],
    ["RECOVERY_SIGNER_UNKNOWN", () => ({ signer: stranger })],
    ["RECOVERY_SIGNATURE_WRONG", () => ({ approvers: [member(1), new Member("c")] })],
    [
      "RECOVERY_APPROVAL_WRONG",
      () => ({ approvals: (of) => [member(1).approve(of, sha256(utf8("another recovery")))] }),
    ],
    [
      "RECOVERY_APPROVAL_WRONG",
      () => ({
        approvals: (of) => [{ ...member(1).approve(of), certificates: member(1).admin().chain }],
      }),
    ],
    ["RECOVERY_OTHER_CHANNEL", () => ({ claims: { lost: sha256(utf8("another")) } })],
    ["RECOVERY_OUT_OF_ORDER", () => ({ claims: { ordinal: 2 } })],
    [
      "RECOVERY_INCARNATION_USED",
      () => ({ claims: { incarnation: consortium.genesis.identity.incarnation } }),
    ],
    ["RECOVERY_BEFORE_BLOCK", () => ({ claims: { at: unixMillis(at - 1) } })],
    ["RECOVERY_CERTIFICATE_WRONG", () => ({ voters: [0, 1] })],
    ["RECOVERY_BLOCK_NOT_FINAL", () => ({ ballot: "notarize" })],
    ["RECOVERY_BLOCK_WRONG", () => ({ header: { logSize: 2n } })],
    ["RECOVERY_BLOCK_WRONG", () => ({ header: { channel: sha256(utf8("another")) } })],
    ["RECOVERY_NOT_SEALED", () => ({ claims: { seals: [] } })],
    ["RECOVERY_STATE_WRONG", () => ({ state: new Uint8Array(9) })],
    ["RECOVERY_CA_WRONG", () => ({ certificates: [] })],
    ["RECOVERY_MEMBERS_WRONG", () => ({ claims: { validators: [] } })],
  ])("is refused: %s", (code, twist) => {
    expect(verdict(proofOf(twist()))).toBe(code);
  });

  test("of another checkpoint than the one that was sealed is refused", () => {
    const { state, genesis } = consortium;
    const seals = sealsBy([0, 1, 2], 1n, sha256(utf8("other root")), genesis.identity.origin);
    expect(verdict(proofOf({ claims: { seals } }))).toBe("RECOVERY_NOT_SEALED");
    const head = { size: BigInt(state.log.size), root: sha256(utf8("other root")) };
    expect(verdict(proofOf({ claims: { seals, head } }))).toBe("RECOVERY_BLOCK_WRONG");
  });

  test("of a certificate for another block is refused", () => {
    const proof = proofOf();
    const { finalization } = proofOf({ header: { logSize: 2n } });
    expect(verdict({ ...proof, finalization })).toBe("RECOVERY_BLOCK_NOT_FINAL");
  });

  test("of a recovered channel does not go back behind where that began", () => {
    const first = proofOf();
    const { recoveries } = unwrap(follow(first));
    const channel = present(recoveries[0], "the recovery").id;
    const again = (size: bigint) =>
      proofOf({
        channel,
        voters: [0, 1],
        header: { logSize: size },
        claims: {
          ordinal: 2,
          incarnation: new Uint8Array(16).fill(8),
          head: { size, root: consortium.state.log.root() },
        },
      });
    expect(verdict(first, again(0n))).toBe("RECOVERY_WENT_BACK");
    // Where it began there is a block of its own, but these seals are the first channel's.
    expect(verdict(first, again(1n))).toBe("RECOVERY_NOT_SEALED");
  });

  test("twice of one loss is an alarm, in one file and in two", () => {
    const first = proofOf();
    const second = proofOf({ claims: { incarnation: new Uint8Array(16).fill(8) } });
    expect(verdict(first, second)).toBe("RECOVERY_CONFLICT");
    expect(verdict(first, first)).toBe("RECOVERY_OUT_OF_ORDER");
    const other = unwrap(follow(second));
    expect(conflictOf(unwrap(follow(first)), other)).toEqual({
      code: "RECOVERY_CONFLICT",
      size: 1n,
      other: toHex(present(other.recoveries[0], "the recovery").id),
    });
    expect(conflictOf(other, other)).toBeUndefined();
    // A forged one is no alarm.
    const forged = proofOf({ claims: { incarnation: new Uint8Array(16) }, approvers: [] });
    expect(verdict(first, forged)).toBe("RECOVERY_SIGNERS_TOO_FEW");
  });
});

test("old validators' seals count up to the recovery's size and no further", () => {
  const { policy, identity } = consortium.genesis;
  const chain = unwrap(follow(proofOf()));
  const root = consortium.state.log.root();
  const judge = (size: bigint) => {
    const seals = sealsBy([0, 1, 2], size, root, identity.origin);
    return verifySeal(nodeCrypto, policy, { size, root, seals }, chain);
  };
  expect(judge(1n).ok).toBe(true);
  expect(judge(2n)).toMatchObject({ fault: { code: "SEAL_AFTER_RECOVERY", until: 1n } });
  // Also of those who stay: under the new origin they would have made other signatures.
  const all = unwrap(follow(proofOf({ members: consortium.members })));
  const seals = sealsBy([0, 1, 2], 2n, root, identity.origin);
  expect(verifySeal(nodeCrypto, policy, { size: 2n, root, seals }, all)).toMatchObject({
    fault: { code: "SEAL_AFTER_RECOVERY" },
  });
});

test("recoveryHeadersMax and stateCommitmentBytesMax are the most that a file may hold of each", () => {
  const proof = proofOf();
  const [header] = proof.headers;
  const read = (more: Partial<RecoveryProof>) =>
    parseEpochs(encodeEpochs([{ ...proof, ...more }])).ok;
  const headers = (count: number) => Array.from({ length: count }, () => present(header, "one"));
  expect(read({ headers: headers(recoveryHeadersMax) })).toBe(true);
  expect(read({ headers: headers(recoveryHeadersMax + 1) })).toBe(false);
  expect(read({ state: new Uint8Array(stateCommitmentBytesMax) })).toBe(true);
  expect(read({ state: new Uint8Array(stateCommitmentBytesMax + 1) })).toBe(false);
});

test("its file and its claims fit the document's CDDL", () => {
  const document = readFileSync(new URL("../../WIRE.md", import.meta.url), "utf8");
  const blocks = [...document.matchAll(/```cddl\n([\s\S]*?)```/g)].map(([, text]) => text ?? "");
  const cddl = new Cddl(blocks.join("\n"));
  const decoded = unwrap(decodeCbor(encodeEpochs([proofOf()]), epochsBytesMax));
  expect(cddl.misfit("epochs-file", decoded)).toBeUndefined();
  const { claims } = unwrap(readRecovery(proofOf()));
  expect(cddl.misfit("channel-recovery-claims", encodeRecoveryClaims(claims))).toBeUndefined();
});
