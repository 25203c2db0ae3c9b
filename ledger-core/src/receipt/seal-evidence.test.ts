import { describe, expect, test } from "vitest";
import { finishLogSignature } from "../../../test/support/finish-log-signature.ts";
import { noteOf, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { parseNote } from "../log/note.ts";
import { sealsOf } from "./seal-evidence.ts";
import { verifySeal } from "./verify-seal.ts";

// The fourth validator signed first.
const site = new SyntheticChannel({ validators: 4, cosignedAt: (i) => 1_780_000_100 - i });
const stranger = new SyntheticChannel();
const head = site.log.head();
const sealed = sealedBy(site.validators);

function sealedBy(signers: typeof site.validators) {
  const root = { origin: site.policy.origin, ...head };
  return {
    ...head,
    note: site.note(head, signers),
    signatures: signers.map(({ key }) => finishLogSignature(root, key.publicKey, key.sign)),
  };
}

describe("the seals of a checkpoint", () => {
  test("are a quorum's, the earliest, and verify", () => {
    const seals = sealsOf(nodeCrypto, site.policy, sealed);
    expect(seals.map(({ timeSeconds }) => timeSeconds)).toEqual(
      [97, 98, 99].map((s) => 1_780_000_000 + s),
    );
    expect(verifySeal(nodeCrypto, site.policy, { ...head, seals })).toMatchObject({
      value: { cosignatures: [{ validator: "validator-4" }, {}, {}] },
    });
  });

  test("leave lines of witnesses and signatures of others behind", () => {
    const parsed = parseNote(utf8(sealed.note));
    if (!parsed.ok) throw new Error(parsed.fault.code);
    const { text, signatures } = parsed.value;
    const line = stranger.cosign(text, present(stranger.validators[0], "validator"));
    const note = noteOf(text, [{ ...line, name: "witness.example" }, ...signatures]);
    const foreign = { protectedBytes: utf8("header"), signature: new Uint8Array(64) };
    const more = { ...sealed, note, signatures: [foreign, ...sealed.signatures] };
    expect(sealsOf(nodeCrypto, site.policy, more)).toEqual(
      sealsOf(nodeCrypto, site.policy, sealed),
    );
  });

  test("are asserted to be a quorum's in both forms, over this channel's checkpoint", () => {
    const two = sealedBy(site.validators.slice(0, 2));
    expect(() => sealsOf(nodeCrypto, site.policy, two)).toThrow("both forms");
    const half = { ...sealed, signatures: sealed.signatures.slice(2) };
    expect(() => sealsOf(nodeCrypto, site.policy, half)).toThrow("both forms");
    const other = { ...sealed, size: sealed.size + 1n };
    expect(() => sealsOf(nodeCrypto, site.policy, other)).toThrow("checkpoint of the channel");
  });
});
