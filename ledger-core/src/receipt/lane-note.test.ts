import { expect, test } from "vitest";
import { createKey } from "../../../test/support/certificate-builder.ts";
import { signRoot } from "../../../test/support/synthetic-channel.ts";
import { fromUtf8, utf8 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { thumbprint } from "../wire/algorithm.ts";
import { encodeLaneNote, verifyLaneNote } from "./lane-note.ts";

const key = createKey("ES256");
const kid = thumbprint((bytes) => nodeCrypto.sha256(bytes), key.publicKey);
const head = { origin: "consortium/milk/gateway-1/00ff", size: 7n, root: kid };
const lane = { origin: head.origin, key: key.publicKey };
const bytes = encodeLaneNote(nodeCrypto, head, { kid, signature: signRoot(head, key) });
const text = fromUtf8(bytes) ?? "";

function judge(note: string, of = lane): string {
  const verified = verifyLaneNote(nodeCrypto, of, utf8(note));
  return verified.ok ? "valid" : verified.fault.code;
}

test("a lane's note is a checkpoint with the gateway's signature, for both crypto ports", () => {
  expect(text).toMatch(/^consortium\/milk\/gateway-1\/00ff\n7\n[^\n]{44}\n\n— consortium\/milk\//);
  expect(verifyLaneNote(nodeCrypto, lane, bytes)).toEqual({ ok: true, value: head });
  expect(verifyLaneNote(nobleCrypto, lane, bytes)).toEqual({ ok: true, value: head });
  expect(judge(`${text}— witness.example AAAAAAA=\n`)).toBe("valid");
});

test("is refused of another lane, size, root or key, and with a line that nobody signed", () => {
  expect(judge(text, { ...lane, origin: "other" })).toBe("LANE_NOTE_OTHER_LANE");
  expect(judge(text.replace("\n7\n", "\n8\n"))).toBe("LANE_NOTE_SIGNATURE_WRONG");
  expect(judge(text.replace(/\n[^\n]{44}\n/, `\n${"A".repeat(43)}=\n`))).toBe(
    "LANE_NOTE_SIGNATURE_WRONG",
  );
  expect(judge(text, { ...lane, key: createKey("ES256").publicKey })).toBe("LANE_NOTE_NOT_SIGNED");
  expect(judge(text.replace("\n\n", "\nmore\n\n"))).toBe("LANE_NOTE_NOT_SIGNED");
  expect(judge(text.replace("\n\n", "\n"))).toBe("LANE_NOTE_MALFORMED");
  expect(judge(text.replace("\n7\n", "\n07\n"))).toBe("LANE_NOTE_MALFORMED");
});
