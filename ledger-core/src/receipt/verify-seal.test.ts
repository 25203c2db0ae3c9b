import { expect, test } from "vitest";
import { noteOf, SyntheticChannel, signRoot } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { parseNote } from "../log/note.ts";
import type { ChannelEvidence } from "../wire/downlink-message.ts";
import { verifySeal, verifySealedNote } from "./verify-seal.ts";

const site = new SyntheticChannel({ validators: 4 });
const whole = site.seal().channel;
const head = site.log.head();
const stranger = new SyntheticChannel({ validators: 4 });

function judge(more: Partial<ChannelEvidence>): string {
  const verified = verifySeal(nodeCrypto, site.policy, { ...whole, ...more });
  return verified.ok ? "valid" : verified.fault.code;
}

/** The note as its text and lines. */
function linesOf(note: string) {
  const parsed = parseNote(utf8(note));
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value;
}

test("a quorum of both forms is a seal, and so is more", () => {
  expect(judge({})).toBe("valid");
  expect(judge({ note: site.note(head) })).toBe("valid");
  const all = site.validators.map(({ key }) =>
    signRoot({ origin: site.policy.origin, ...head }, key),
  );
  expect(judge({ signatures: all })).toBe("valid");
});

test("SEAL_QUORUM_MISSING: a cosignature dropped, or all validators of another quorum", () => {
  expect(judge({ note: site.note(head, site.validators.slice(2)) })).toBe("SEAL_QUORUM_MISSING");
});

test("SEAL_ROOT_QUORUM_MISSING: a root signature dropped", () => {
  expect(judge({ signatures: whole.signatures.slice(1) })).toBe("SEAL_ROOT_QUORUM_MISSING");
  expect(judge({ signatures: [] })).toBe("SEAL_ROOT_QUORUM_MISSING");
});

test("SEAL_ROOT_SIGNER_REPEATED: one validator counted twice", () => {
  const [first, second] = whole.signatures;
  const twice = [present(first, "first"), present(second, "second"), present(first, "first")];
  expect(judge({ signatures: twice })).toBe("SEAL_ROOT_SIGNER_REPEATED");
});

test("SEAL_ROOT_SIGNER_UNKNOWN: a key that the policy does not name", () => {
  const foreign = stranger.evidence(0).signatures;
  expect(judge({ signatures: [...whole.signatures, ...foreign] })).toBe("SEAL_ROOT_SIGNER_UNKNOWN");
  const garbled = { protectedBytes: utf8("header"), signature: new Uint8Array(64) };
  expect(judge({ signatures: [garbled] })).toBe("SEAL_ROOT_SIGNER_UNKNOWN");
});

test("SEAL_ROOT_SIGNATURE_WRONG: signatures over another root, origin or size", () => {
  const { origin } = site.policy;
  for (const [other, cause] of [
    [{ origin, ...head, root: nodeCrypto.sha256(utf8("other")) }, "LOG_SIGNATURE_WRONG"],
    [{ ...head, origin: `${origin}x` }, "LOG_SIGNATURE_OTHER_LOG"],
    [{ origin, ...head, size: head.size + 1n }, "LOG_SIGNATURE_OTHER_SIZE"],
  ] as const) {
    const signatures = site.validators.map(({ key }) => signRoot(other, key));
    const verified = verifySeal(nodeCrypto, site.policy, { ...whole, signatures });
    expect(verified).toMatchObject({
      fault: {
        code: "SEAL_ROOT_SIGNATURE_WRONG",
        validator: "validator-1",
        cause: { code: cause },
      },
    });
  }
});

test("SEAL_COSIGNATURE_WRONG: one bad or repeated line, however many good ones there are", () => {
  const { text, signatures } = linesOf(site.note(head));
  const other = `${text.split("\n")[0]}\n7\n${text.split("\n")[2]}\n`;
  const wrong = site.cosign(other, present(site.validators[3], "validator"));
  expect(judge({ note: noteOf(text, [...signatures.slice(0, 3), wrong]) })).toBe(
    "SEAL_COSIGNATURE_WRONG",
  );
  expect(judge({ note: noteOf(text, [...signatures, ...signatures.slice(0, 1)]) })).toBe(
    "SEAL_COSIGNATURE_WRONG",
  );
});

test("SEAL_SIGNER_UNKNOWN: a stranger's line in a receipt; a bare checkpoint passes over it", () => {
  const { text, signatures } = linesOf(site.note(head));
  const witness = stranger.cosign(text, present(stranger.validators[0], "validator"));
  const note = noteOf(text, [...signatures, { ...witness, name: "witness.example" }]);
  expect(judge({ note })).toBe("SEAL_SIGNER_UNKNOWN");
  const bare = verifySealedNote(nodeCrypto, site.policy, note, { otherSigners: "ignore" });
  expect(bare.ok && bare.value.cosignatures).toHaveLength(4);
  const alone = noteOf(text, [witness]);
  const unsealed = verifySealedNote(nodeCrypto, site.policy, alone, { otherSigners: "ignore" });
  expect(unsealed).toMatchObject({ fault: { code: "SEAL_QUORUM_MISSING", have: 0, needed: 3 } });
});

test("SEAL_OTHER_LOG, SEAL_OTHER_SIZE, SEAL_NOTE_MALFORMED", () => {
  const wool = new SyntheticChannel({ validators: 4, channel: "wool" });
  expect(judge({ note: wool.seal().channel.note })).toBe("SEAL_OTHER_LOG");
  expect(judge({ size: whole.size + 1n })).toBe("SEAL_OTHER_SIZE");
  expect(judge({ note: "" })).toBe("SEAL_NOTE_MALFORMED");
  const { signatures } = linesOf(whole.note);
  expect(judge({ note: noteOf("no checkpoint\n", signatures) })).toBe("SEAL_NOTE_MALFORMED");
});
