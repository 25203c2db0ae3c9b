import { describe, expect, test } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import type { Member } from "../../../test/support/synthetic-epochs.ts";
import { SyntheticEpochs } from "../../../test/support/synthetic-epochs.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { present } from "../base/assert.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { describeEpochs, viewEpochs } from "./describe-epochs.ts";
import { describeReceipt } from "./describe-receipt.ts";
import type { EpochChain } from "./epoch-chain.ts";
import { followEpochs } from "./epoch-chain.ts";
import type { ReceiptFault } from "./verify-receipt.ts";
import { verifyReceipt } from "./verify-receipt.ts";
import { verifySeal, verifySealedNote } from "./verify-seal.ts";

/**
 * Four validators seal up to size 20. Then validator-1 leaves and two others come: five seal up to size 40,
 * and in the end validator-6 alone.
 */
const site = new SyntheticChannel({ validators: 4 });
const epochs = new SyntheticEpochs(site);
const four = epochs.members;
const member = (label: string): Member => ({
  name: name(label),
  organisation: name(`organisation of ${label}`.replaceAll(" ", "-")),
  key: createKey("EdDSA"),
});
const five = [...four.slice(1), member("validator-5"), member("validator-6")];
const last = five.slice(4);
site.log.fillTo(20);
const early = site.log.head();
epochs.end(five);
site.log.fillTo(39);
const bundle = site.bundle({ position: { checkpoint: { size: early.size, root: early.root } } });
const index = site.admit(bundle.statement);
const sealed = site.seal();
const middle = site.log.head();
const receipt = site.receipt(index, sealed, { disclosed: bundle.disclose(0), consistencyFrom: 20 });
epochs.end(last);
site.log.fillTo(50);
const late = site.log.head();
const chain = follow(2);

function follow(count: number): EpochChain {
  const followed = followEpochs(nodeCrypto, site.policy, epochs.boundaries.slice(0, count));
  if (!followed.ok) throw new Error(followed.fault.code);
  return followed.value;
}

type Head = typeof early;

function judge(head: Head, signers: readonly Member[], known: EpochChain | undefined = chain) {
  const tree = { ...head, seals: site.seals(head, signers) };
  const verified = verifySeal(nodeCrypto, site.policy, tree, known);
  const noted = verifySealedNote(nodeCrypto, site.policy, site.note(head, signers), known);
  const verdict = verified.ok ? verified.value.epoch : verified.fault.code;
  return [verdict, noted.ok ? noted.value.epoch : noted.fault.code];
}

/** The receipt under other signers of its checkpoint. */
function judgeReceipt(signers: readonly Member[], known?: EpochChain) {
  const final = present(receipt.final, "final part");
  const seals = site.seals(middle, signers);
  const sealedBy = { ...receipt, final: { ...final, channel: { ...final.channel, seals } } };
  return verifyReceipt(
    nodeCrypto,
    site.policy,
    sealedBy,
    known === undefined ? {} : { epochs: known },
  );
}

describe("a checkpoint", () => {
  test("of each size is sealed by the validators of its epoch", () => {
    expect(judge(early, four.slice(0, 3))).toEqual([0, 0]);
    expect(judge(middle, five.slice(0, 4))).toEqual([1, 1]);
    expect(judge(middle, five)).toEqual([1, 1]);
    expect(judge(late, last)).toEqual([2, 2]);
  });

  test("at the boundary's own size is sealed by those who make it", () => {
    expect(early.size).toBe(20n);
    expect(middle.size).toBe(40n);
    expect(chain.epochs.map(({ until }) => until)).toEqual([20n, 40n, undefined]);
    expect(judge(early, four)).toEqual([0, 0]);
  });

  test("may be sealed again by later ones, and never by earlier ones", () => {
    // In a bare checkpoint the lines of the two others are passed over, and the first three are enough.
    expect(judge(early, five)).toEqual([1, 0]);
    expect(judge(middle, last)).toEqual([2, 2]);
    for (const [head, signers, epoch] of [
      [middle, four.slice(0, 3), 0],
      [late, four.slice(0, 3), 0],
      [late, five.slice(0, 4), 1],
    ] as const) {
      const tree = { ...head, seals: site.seals(head, signers) };
      expect(verifySeal(nodeCrypto, site.policy, tree, chain)).toMatchObject({
        fault: { code: "SEAL_AFTER_EPOCH", epoch },
      });
    }
    // Who knows only the policy cannot know that they handed over.
    expect(judge(middle, four.slice(0, 3), follow(0))).toEqual([0, 0]);
  });

  test("with fewer than that epoch's quorum, or a mixed one, is not sealed", () => {
    expect(judge(middle, five.slice(0, 3))).toEqual(["SEAL_QUORUM_MISSING", "SEAL_QUORUM_MISSING"]);
    const mixed = [...four.slice(0, 1), ...five.slice(2)];
    expect(judge(early, mixed)[0]).toBe("SEAL_SIGNER_IN_NO_EPOCH");
    expect(verifySeal(nodeCrypto, site.policy, { ...early, seals: [] }, chain)).toMatchObject({
      fault: { code: "SEAL_QUORUM_MISSING", needed: 3 },
    });
  });

  test("with one bad seal is refused in every epoch that knows its signer", () => {
    const [first, ...others] = site.seals(early, four.slice(1));
    const bad = { ...present(first, "seal"), timeSeconds: 1 };
    const tree = { ...early, seals: [bad, ...others] };
    expect(verifySeal(nodeCrypto, site.policy, tree, chain)).toMatchObject({
      fault: { code: "SEAL_COSIGNATURE_WRONG" },
    });
  });
});

describe("a receipt", () => {
  test("of a later epoch needs the epochs, and says so in one sentence", () => {
    expect(judgeReceipt(five.slice(0, 4), chain)).toMatchObject({ ok: true });
    const fault = judgeReceipt(five) as { readonly fault: ReceiptFault };
    expect(fault.fault.code).toBe("SEAL_SIGNER_UNKNOWN");
    expect(judgeReceipt(five, follow(0))).toMatchObject({
      fault: { code: "SEAL_SIGNER_IN_NO_EPOCH" },
    });
  });

  test("by validators who had handed over is refused once that is known", () => {
    expect(judgeReceipt(four.slice(0, 3))).toMatchObject({ ok: true });
    expect(judgeReceipt(four.slice(0, 3), chain)).toMatchObject({
      fault: { code: "SEAL_AFTER_EPOCH", epoch: 0, until: 20n },
    });
  });

  test("counts organisations of the validators that sealed it", () => {
    const verified = judgeReceipt(five.slice(0, 4), chain);
    if (!verified.ok) throw new Error(verified.fault.code);
    const said = (language: "en" | "zh") =>
      describeReceipt(nodeCrypto.sha256, verified.value, language).join("\n");
    expect(said("en")).toContain("Cosigned by 4 of 5 organisations: organisation-2, ");
    expect(said("en")).toContain("Validators: those of epoch 1, appointed step by step");
    expect(said("zh")).toContain("5 个组织中有 4 个联署");
    expect(said("zh")).toContain("验证节点：第 1 任");
    const first = judgeReceipt(four.slice(0, 3));
    if (!first.ok) throw new Error(first.fault.code);
    const lines = describeReceipt(nodeCrypto.sha256, first.value, "en").join("\n");
    expect(lines).toContain("Cosigned by 3 of 4 organisations: ");
    expect(lines).not.toContain("Validators: those of epoch");
  });
});

test("epochs are told in words", () => {
  const said = (language: "en" | "zh", known = chain) =>
    describeEpochs(nodeCrypto.sha256, site.policy, { chain: known, language }).join("\n");
  expect(said("en")).toMatch(
    /^VALID: channel consortium.example\/milk has had 3 sets of validators, each appointed by the one before\n/,
  );
  expect(said("en")).toContain(
    "Epoch 0, by the trust policy: seals count up to size 20\n" +
      "  3 of 4 validators seal, of 4 organisations:\n" +
      "  - validator-1 (organisation-1)\n",
  );
  expect(said("en")).toContain(
    "Epoch 1, from size 20 of the log: seals count up to size 40\n" +
      "  4 of 5 validators seal, of 5 organisations:\n",
  );
  expect(said("en")).toContain(
    "  Appointed by block 100, at 2026-05-28T20:26:40Z by its leader's clock\n" +
      "  Made final by 3 of 4 validators of the epoch before\n" +
      "  Said to be ready: 4 of 5 new validators\n" +
      "Epoch 2, from size 40 of the log, the last one known here\n" +
      "  1 of 1 validators seal, of 1 organisation:\n",
  );
  expect(said("en")).toMatch(/again after this file was made\.$/);
  expect(said("zh")).toContain("有过 3 任验证节点");
  expect(said("zh")).toContain("第 1 任，自日志大小 20 起：封印有效至大小 40\n");
  expect(said("en", follow(0))).toContain("has had one set of validators, the trust policy's");
  expect(viewEpochs(chain)).toMatchObject({
    valid: true,
    epochs: [
      { epoch: 0, until: "20", quorum: 3 },
      {
        epoch: 1,
        validators: [{ name: "validator-2" }, {}, {}, {}, { organisation: expect.anything() }],
      },
      { epoch: 2, from: "40", appointed: { size: "40", finalizedBy: 4, finalizedOf: 5 } },
    ],
  });
});
