/**
 * A lane's head as a C2SP checkpoint, for who reads the lane by its tiles. The gateway's key is not one that
 * notes have a type for, so the line carries its RFC 9942 signature under a type of our own (WIRE.md §15.1).
 */

import type { Digest } from "../base/bytes.ts";
import { concat, utf8 } from "../base/bytes.ts";
import type { CryptoPort, PublicKey } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err } from "../base/result.ts";
import type { CheckpointFault } from "../log/checkpoint.ts";
import { parseCheckpoint } from "../log/checkpoint.ts";
import type { NoteFault } from "../log/note.ts";
import { encodeNote, parseNote } from "../log/note.ts";
import { thumbprint } from "../wire/algorithm.ts";
import type { LogHead, RootSignatureFault } from "../wire/log-signature.ts";
import { verifyRootSignature } from "../wire/log-signature.ts";
import { checkpointText } from "./verify-seal.ts";

/** Follows the byte 0xff, "a type without an assigned byte". */
const signatureType = "vnd.tamga.log-root.v1";

export type LaneNoteFault =
  | { readonly code: "LANE_NOTE_MALFORMED"; readonly cause: NoteFault | CheckpointFault }
  | { readonly code: "LANE_NOTE_OTHER_LANE" }
  | { readonly code: "LANE_NOTE_NOT_SIGNED" }
  | { readonly code: "LANE_NOTE_SIGNATURE_WRONG"; readonly cause: RootSignatureFault };

/** @param signed the gateway's kid, and its signature over the lane's root as provisional receipts have it. */
export function encodeLaneNote(
  crypto: Pick<CryptoPort, "sha256">,
  head: LogHead,
  signed: { readonly kid: Digest; readonly signature: Uint8Array },
): Uint8Array {
  const { origin: name } = head;
  const keyId = laneKeyId(crypto, name, signed.kid);
  const { signature } = signed;
  return encodeNote({ text: checkpointText(head, head), signatures: [{ name, keyId, signature }] });
}

/** Faults: LANE_NOTE_*. Lines of others are passed over. */
export function verifyLaneNote(
  crypto: CryptoPort,
  lane: { readonly origin: string; readonly key: PublicKey },
  bytes: Uint8Array,
): Result<LogHead, LaneNoteFault> {
  const note = parseNote(bytes);
  if (!note.ok) return err({ code: "LANE_NOTE_MALFORMED", cause: note.fault });
  const checkpoint = parseCheckpoint(note.value.text);
  if (!checkpoint.ok) return err({ code: "LANE_NOTE_MALFORMED", cause: checkpoint.fault });
  const { origin, treeSize: size, root, extensions } = checkpoint.value;
  if (origin !== lane.origin) return err({ code: "LANE_NOTE_OTHER_LANE" });
  const kid = thumbprint((message) => crypto.sha256(message), lane.key);
  const keyId = laneKeyId(crypto, origin, kid);
  const line = note.value.signatures.find((one) => one.name === origin && one.keyId === keyId);
  // The signature is over origin, size and root: a further line would be nobody's word.
  if (line === undefined || extensions.length > 0) return err({ code: "LANE_NOTE_NOT_SIGNED" });
  const signed = verifyRootSignature(crypto, line.signature, { origin, size, root, key: lane.key });
  return signed.ok ? signed : err({ code: "LANE_NOTE_SIGNATURE_WRONG", cause: signed.fault });
}

/** As C2SP recommends: SHA-256(name ‖ 0x0A ‖ type ‖ key), its first four bytes. */
function laneKeyId(crypto: Pick<CryptoPort, "sha256">, name: string, kid: Digest): number {
  const hash = crypto.sha256(
    concat(utf8(`${name}\n`), Uint8Array.of(0xff), utf8(signatureType), kid),
  );
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0);
}
