import { expect, test } from "vitest";
import { noteOf, SyntheticChannel, signRoot } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { parseNote } from "../log/note.ts";
import type { Seal } from "../wire/downlink-message.ts";
import type { TrustPolicy } from "./trust-policy.ts";
import { verifySeal, verifySealedNote } from "./verify-seal.ts";

const site = new SyntheticChannel({ validators: 4 });
site.seal();
const head = site.log.head();
const all = site.seals(head);
const quorum = all.slice(0, 3);
const first = present(all[0], "first seal");
const stranger = new SyntheticChannel({ validators: 4 });
const otherRoot = nodeCrypto.sha256(utf8("other"));

function judge(seals: readonly Seal[], of = head, policy: TrustPolicy = site.policy): string {
  const verified = verifySeal(nodeCrypto, policy, { ...of, seals });
  return verified.ok ? "valid" : verified.fault.code;
}

function judgeNote(note: string): string {
  const verified = verifySealedNote(nodeCrypto, site.policy, note);
  return verified.ok ? "valid" : verified.fault.code;
}

/** A quorum whose first seal is changed. */
function changed(more: Partial<Seal>): readonly Seal[] {
  return [{ ...first, ...more }, ...quorum.slice(1)];
}

/** The note as its text and lines. */
function linesOf(note: string) {
  const parsed = parseNote(utf8(note));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value;
}

test("a quorum's seals are enough, in any order, and so are more", () => {
  expect(judge(quorum)).toBe("valid");
  expect(judge([...quorum].reverse())).toBe("valid");
  expect(judge(all)).toBe("valid");
});

test("SEAL_QUORUM_MISSING: a seal dropped, or all", () => {
  expect(judge(quorum.slice(1))).toBe("SEAL_QUORUM_MISSING");
  expect(judge([])).toBe("SEAL_QUORUM_MISSING");
});

test("SEAL_SIGNER_REPEATED: one validator counted twice", () => {
  expect(judge([...quorum.slice(1), first, first])).toBe("SEAL_SIGNER_REPEATED");
});

test("SEAL_SIGNER_UNKNOWN: a key id that no validator of the policy has", () => {
  expect(judge([...quorum, ...stranger.seals(head)])).toBe("SEAL_SIGNER_UNKNOWN");
  expect(judge(changed({ keyId: new Uint8Array(4) }))).toBe("SEAL_SIGNER_UNKNOWN");
});

test("SEAL_SIGNATURE_LENGTH: another length than the validators' keys have", () => {
  const lengths = { code: "SEAL_SIGNATURE_LENGTH", validator: "validator-1" };
  for (const length of [0, 63, 65, 2_420]) {
    for (const form of ["cosignature", "logSignature"]) {
      const seals = changed({ [form]: new Uint8Array(length) });
      const verified = verifySeal(nodeCrypto, site.policy, { ...head, seals });
      expect(verified).toMatchObject({ fault: { ...lengths, length } });
    }
  }
});

test("SEAL_COSIGNATURE_WRONG: another root, size, log or time, however many good ones there are", () => {
  expect(judge(quorum, { ...head, root: otherRoot })).toBe("SEAL_COSIGNATURE_WRONG");
  expect(judge(quorum, { ...head, size: head.size + 1n })).toBe("SEAL_COSIGNATURE_WRONG");
  const wool = { ...site.policy, origin: "consortium.example/wool" };
  expect(judge(quorum, head, wool)).toBe("SEAL_COSIGNATURE_WRONG");
  for (const [timeSeconds, cause] of [
    [first.timeSeconds + 1, "COSIGNATURE_INVALID"],
    [253_402_300_800, "COSIGNATURE_TIME_OUT_OF_RANGE"],
  ] as const) {
    const seals = [...all.slice(1), { ...first, timeSeconds }];
    expect(verifySeal(nodeCrypto, site.policy, { ...head, seals })).toMatchObject({
      fault: { code: "SEAL_COSIGNATURE_WRONG", validator: "validator-1", cause: { code: cause } },
    });
  }
});

test("SEAL_ROOT_SIGNATURE_WRONG: over another root, log or size", () => {
  const { origin } = site.policy;
  const { key } = present(site.validators[0], "validator");
  for (const other of [
    { origin, ...head, root: otherRoot },
    { ...head, origin: `${origin}x` },
    { origin, ...head, size: head.size + 1n },
  ]) {
    const seals = changed({ logSignature: signRoot(other, key) });
    expect(judge(seals)).toBe("SEAL_ROOT_SIGNATURE_WRONG");
  }
});

test("a validator whose key id is another's does not shut that one out", () => {
  // Key ids have 32 bits, so such a key can be searched for; hashing all to one id stands for it.
  const { sha256 } = nodeCrypto;
  const names = site.validators.map(({ name }) => utf8(`${name}\n`));
  const crypto = {
    ...nodeCrypto,
    sha256: (bytes: Uint8Array) => {
      const isKeyId = names.some((start) => start.every((byte, i) => bytes[i] === byte));
      return sha256(isKeyId ? utf8("collision") : bytes);
    },
  };
  const keyId = sha256(utf8("collision")).slice(0, 4);
  const seals = quorum.map((seal) => ({ ...seal, keyId }));
  expect(verifySeal(crypto, site.policy, { ...head, seals })).toMatchObject({ ok: true });
  const [, second] = seals;
  const twice = [...seals, present(second, "second seal")];
  expect(verifySeal(crypto, site.policy, { ...head, seals: twice })).toMatchObject({
    fault: { code: "SEAL_COSIGNATURE_WRONG", validator: "validator-4" },
  });
});

test("a note is a seal too: one bad or repeated line spoils it, others' lines do not count", () => {
  const note = site.note(head);
  expect(judgeNote(note)).toBe("valid");
  const { text, signatures } = linesOf(note);
  expect(judgeNote(noteOf(text, signatures.slice(2)))).toBe("SEAL_QUORUM_MISSING");
  const other = `${text.split("\n")[0]}\n7\n${text.split("\n")[2]}\n`;
  const wrong = site.cosign(other, present(site.validators[3], "validator"));
  expect(judgeNote(noteOf(text, [...signatures.slice(0, 3), wrong]))).toBe(
    "SEAL_COSIGNATURE_WRONG",
  );
  expect(judgeNote(noteOf(text, [...signatures, ...signatures.slice(0, 1)]))).toBe(
    "SEAL_COSIGNATURE_WRONG",
  );
  const witness = stranger.cosign(text, present(stranger.validators[0], "validator"));
  const witnessed = noteOf(text, [...signatures, { ...witness, name: "witness.example" }]);
  const bare = verifySealedNote(nodeCrypto, site.policy, witnessed);
  expect(bare.ok && bare.value.cosignatures).toHaveLength(4);
  expect(verifySealedNote(nodeCrypto, site.policy, noteOf(text, [witness]))).toMatchObject({
    fault: { code: "SEAL_QUORUM_MISSING", have: 0, needed: 3 },
  });
});

test("SEAL_OTHER_LOG, SEAL_NOTE_MALFORMED", () => {
  const wool = new SyntheticChannel({ validators: 4, channel: "wool" });
  expect(judgeNote(wool.note(wool.log.head()))).toBe("SEAL_OTHER_LOG");
  expect(judgeNote("")).toBe("SEAL_NOTE_MALFORMED");
  const { signatures } = linesOf(site.note(head));
  expect(judgeNote(noteOf("no checkpoint\n", signatures))).toBe("SEAL_NOTE_MALFORMED");
});
