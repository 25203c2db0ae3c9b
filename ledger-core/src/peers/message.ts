/** What stands in the bodies of frames: hello, refusal, and the frames of relayed streams (WIRE.md §17). */

import type { Digest } from "../base/bytes.ts";
import { parseDigest, u32 } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import { FieldReader } from "../wire/field-reader.ts";
import type { Identifier } from "../wire/identifier.ts";
import type { PeerCode } from "./code.ts";
import { parsePeerCode } from "./code.ts";

/** The protocol by its name; a later one has another. */
export const peerProtocol = "tamga-peer/1";
/** Bytes of a code in a refusal. */
export const codeBytesMax = 64;

export type Hello = { readonly consortium: Identifier; readonly name: Identifier };
/** `relays`: how many may stand between whoever reads this and the target. */
export type RelayOpen = { readonly target: Identifier; readonly relays: number };

export type MessageFault =
  | { readonly code: "PEER_FRAME_MALFORMED" }
  | { readonly code: "PEER_OTHER_VERSION"; readonly protocol: string };

export function encodeHello({ consortium, name }: Hello): Uint8Array {
  return encodeCbor([peerProtocol, consortium, name]);
}

/** Faults: PEER_OTHER_VERSION before anything else of it is judged, PEER_FRAME_MALFORMED. */
export function parseHello(body: Uint8Array): Result<Hello, MessageFault> {
  const decoded = decodeCbor(body, body.length);
  if (!decoded.ok) return malformed;
  const [protocol] = Array.isArray(decoded.value) ? decoded.value : [];
  if (typeof protocol !== "string") return malformed;
  if (protocol !== peerProtocol)
    return err({ code: "PEER_OTHER_VERSION", protocol: protocol.slice(0, codeBytesMax) });
  const fields = new FieldReader(decoded.value);
  fields.text(0);
  const hello = { consortium: fields.identifier(1), name: fields.identifier(2) };
  return fields.finish(hello).ok ? ok(hello) : malformed;
}

export function encodeRefuse(code: PeerCode): Uint8Array {
  return encodeCbor([code]);
}

/** The code, or undefined where it is malformed or one that this version does not know. */
export function parseRefuse(body: Uint8Array): PeerCode | undefined {
  const decoded = decodeCbor(body, body.length);
  if (!decoded.ok) return undefined;
  const fields = new FieldReader(decoded.value);
  const text = fields.text(0, codeBytesMax);
  return fields.finish(text).ok ? parsePeerCode(text) : undefined;
}

/** A channel's id and the bytes for it. */
export function parseMessage(
  body: Uint8Array,
): Result<{ readonly channel: Digest; readonly payload: Uint8Array }, MessageFault> {
  const channel = parseDigest(body.slice(0, 32));
  return channel.ok ? ok({ channel: channel.value, payload: body.subarray(32) }) : malformed;
}

/** The body of every relay frame begins with the stream's number. */
export function parseStream(
  body: Uint8Array,
): Result<{ readonly stream: number; readonly rest: Uint8Array }, MessageFault> {
  if (body.length < 4) return malformed;
  const stream = new DataView(body.buffer, body.byteOffset).getUint32(0);
  return ok({ stream, rest: body.subarray(4) });
}

export function encodeRelayOpen(stream: number, open: RelayOpen): readonly Uint8Array[] {
  return [u32(stream), encodeCbor([open.target, open.relays])];
}

/** @param relaysMax more than that is malformed. */
export function parseRelayOpen(
  rest: Uint8Array,
  relaysMax: number,
): Result<RelayOpen, MessageFault> {
  const decoded = decodeCbor(rest, rest.length);
  if (!decoded.ok) return malformed;
  const fields = new FieldReader(decoded.value);
  const open = { target: fields.identifier(0), relays: fields.uint(1, relaysMax) };
  return fields.finish(open).ok ? ok(open) : malformed;
}

/** Bytes that may be sent on top of what already may. */
export function parseCredit(rest: Uint8Array): Result<number, MessageFault> {
  if (rest.length !== 4) return malformed;
  return ok(new DataView(rest.buffer, rest.byteOffset).getUint32(0));
}

/** Eight bytes that come back as they are. */
export function parsePing(body: Uint8Array): Result<Uint8Array, MessageFault> {
  return body.length === 8 ? ok(body) : malformed;
}

const malformed = err({ code: "PEER_FRAME_MALFORMED" });
