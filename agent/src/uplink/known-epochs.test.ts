import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { BoundaryProof } from "@tamga/ledger-core/receipt/epochs-file";
import { encodeEpochs, parseEpochs } from "@tamga/ledger-core/receipt/epochs-file";
import { verifySeal } from "@tamga/ledger-core/receipt/verify-seal";
import { afterAll, describe, expect, test } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import type { Member } from "../../../test/support/synthetic-epochs.ts";
import { SyntheticEpochs } from "../../../test/support/synthetic-epochs.ts";
import { name } from "../../../test/support/wire-samples.ts";
import { KeptEpochs } from "./kept-epochs.ts";
import { KnownEpochs } from "./known-epochs.ts";

const directory = mkdtempSync(join(tmpdir(), "tamga-epochs-"));
afterAll(() => rmSync(directory, { recursive: true }));
let files = 0;

/** Four validators; a fifth comes, the first leaves, and then a sixth comes. */
const site = new SyntheticChannel({ validators: 4 });
const chain = new SyntheticEpochs(site);
const four = chain.members;
const fresh = (label: string): Member => ({
  name: name(label),
  organisation: name(`organisation-of-${label}`),
  key: createKey("EdDSA"),
});
const five = [...four, fresh("validator-5")];
const without = five.slice(1);
const forged = chain.boundary([fresh("thief-1")], { voters: [0, 1] });
const rival = chain.boundary([...four, fresh("validator-7")]);
chain.end(five);
site.log.fillTo(10);
chain.end(without);
site.log.fillTo(20);
chain.end([...without, fresh("validator-6")]);
site.log.fillTo(30);
const { boundaries } = chain;

const known = (count: number) => {
  const epochs = new KnownEpochs(nodeCrypto, site.policy);
  expect(tell(epochs, boundaries.slice(0, count))).toBe("taken");
  expect(epochs.epoch).toBe(count);
  return epochs;
};

/** What comes of a message with these changes; `total` as true as it can be unless a test lies. */
function tell(
  epochs: KnownEpochs,
  told: readonly BoundaryProof[],
  { from = 0, total }: { readonly from?: number; readonly total?: number } = {},
): string {
  const taken = epochs.take({ total: total ?? from + told.length, from, boundaries: told });
  return taken.ok ? "taken" : taken.fault.code;
}

/** Who seals the log as it stands, by what is known. */
function judge(epochs: KnownEpochs, signers: readonly Member[]): string | number {
  const head = site.log.head();
  const tree = { ...head, seals: site.seals(head, signers) };
  const verified = verifySeal(nodeCrypto, site.policy, tree, epochs.chain);
  return verified.ok ? verified.value.epoch : verified.fault.code;
}

describe("changes of validators", () => {
  test("are followed from the trust policy on, however many were missed", () => {
    const epochs = new KnownEpochs(nodeCrypto, site.policy);
    expect(epochs.chain).toBeUndefined();
    expect(judge(epochs, chain.members.slice(0, 4))).toBe("SEAL_SIGNER_UNKNOWN");
    expect(tell(epochs, boundaries)).toBe("taken");
    expect(judge(epochs, chain.members.slice(0, 4))).toBe(3);
    // Those of the policy have handed over, and the fifth organisation's set too.
    expect(judge(epochs, four)).toBe("SEAL_AFTER_EPOCH");
    expect(judge(epochs, five)).toBe("SEAL_AFTER_EPOCH");
  });

  test("may come in parts, again, and with what is known already", () => {
    const epochs = known(1);
    expect(tell(epochs, boundaries.slice(0, 1), { total: 3 })).toBe("taken");
    expect(tell(epochs, boundaries.slice(1, 2), { from: 1, total: 3 })).toBe("taken");
    expect(tell(epochs, boundaries.slice(1), { from: 1 })).toBe("taken");
    expect(tell(epochs, boundaries)).toBe("taken");
    expect(epochs.boundaries).toEqual(boundaries);
  });

  test("that are forged, cut short, begun late or told otherwise leave what was known", () => {
    const epochs = known(2);
    expect(tell(epochs, [])).toBe("EPOCHS_SHORTENED");
    expect(tell(epochs, boundaries.slice(0, 1))).toBe("EPOCHS_SHORTENED");
    expect(tell(epochs, [], { from: 3 })).toBe("EPOCHS_GAP");
    expect(tell(epochs, [...boundaries.slice(0, 2), forged])).toBe("EPOCH_OUT_OF_ORDER");
    expect(tell(epochs, [forged, ...boundaries.slice(1)])).toBe("EPOCH_CERTIFICATE_WRONG");
    // A part is taken whole or not at all.
    expect(tell(epochs, [...boundaries, forged])).toBe("EPOCH_OUT_OF_ORDER");
    expect(epochs.boundaries).toEqual(boundaries.slice(0, 2));
    expect(tell(new KnownEpochs(nodeCrypto, site.policy), [forged])).toBe(
      "EPOCH_CERTIFICATE_WRONG",
    );
  });

  test("of two kinds at one place are the validators' own lie, and the first known stays", () => {
    const epochs = known(2);
    expect(tell(epochs, [rival], { total: 2 })).toBe("EPOCHS_FORK");
    expect(tell(epochs, [rival, ...boundaries.slice(1)])).toBe("EPOCHS_FORK");
    expect(epochs.boundaries).toEqual(boundaries.slice(0, 2));
  });
});

describe("the epochs file of a device", () => {
  const file = () => join(directory, `epochs-${files++}.tamga`);
  const open = (path: string) => {
    const epochs = new KnownEpochs(nodeCrypto, site.policy);
    const kept = new KeptEpochs(path);
    return { epochs, kept, givenUp: kept.restore(epochs) };
  };

  test("is there from the first start, and has what was verified after the next", () => {
    const path = file();
    const { kept, epochs, givenUp } = open(path);
    expect(givenUp).toBeUndefined();
    expect(parseEpochs(readFileSync(path))).toEqual({ ok: true, value: [] });
    tell(epochs, boundaries);
    kept.keep(epochs.boundaries);
    expect(new Uint8Array(readFileSync(path))).toEqual(encodeEpochs(boundaries));
    const again = open(path);
    expect([again.givenUp, again.epochs.epoch]).toEqual([undefined, 3]);
    const before = statSync(path).ino;
    again.kept.keep(again.epochs.boundaries);
    expect(statSync(path).ino).toBe(before);
  });

  test("that is no longer good is given up by its code, and comes again", () => {
    for (const [bytes, code] of [
      [encodeEpochs([forged]), "EPOCH_CERTIFICATE_WRONG"],
      [encodeEpochs(boundaries).subarray(1), "CBOR_MALFORMED"],
    ] as const) {
      const path = file();
      writeFileSync(path, bytes);
      const { epochs, kept, givenUp } = open(path);
      expect([givenUp, epochs.epoch]).toEqual([code, 0]);
      tell(epochs, boundaries);
      kept.keep(epochs.boundaries);
      expect(open(path).epochs.epoch).toBe(3);
    }
  });
});
