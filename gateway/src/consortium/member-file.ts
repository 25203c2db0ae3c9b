/** What a member hands to the others before their channel begins: who it is, and the keys that it stands for. */

import { fromUtf8, toBase64, toHex } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { readBounded } from "@tamga/ledger-core/daemon/read-bounded";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { z } from "zod";
import { base64, identifier } from "./file-fields.ts";

/** A ledger node with its organisation's CA. Everything in it is public. */
export type Member = {
  readonly consortium: Identifier;
  readonly channel: Identifier;
  readonly organisation: Identifier;
  /** Name of the node: of its gateway, its validator and its peer certificate. */
  readonly node: Identifier;
  /** DER. */
  readonly ca: Uint8Array;
  /** Ed25519, 32 bytes. */
  readonly validatorKey: Uint8Array;
  /** ML-DSA-44, 1,312 bytes; of a validator that cosigns with one too. */
  readonly secondKey?: Uint8Array;
  /** `host:port` where others may dial it; empty behind NAT. */
  readonly addresses: readonly string[];
};

/** Bytes of a member file. */
export const memberFileBytesMax = 65_536;
const version = 1;

const schema = z.strictObject({
  version: z.literal(version),
  consortium: identifier,
  channel: identifier,
  organisation: identifier,
  node: identifier,
  ca: base64(),
  validatorKey: base64(32),
  secondKey: base64(1_312).optional(),
  addresses: z.array(z.string().min(3).max(260)).max(8),
});

export function encodeMember(member: Member): string {
  const { ca, validatorKey, secondKey, ...names } = member;
  const content = {
    version,
    ...names,
    ca: toBase64(ca),
    validatorKey: toBase64(validatorKey),
    ...(secondKey === undefined ? {} : { secondKey: toBase64(secondKey) }),
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** @throws OperationalError FILE_UNREADABLE, MEMBER_FILE_INVALID. */
export function readMember(file: string): Member {
  return parseMember(fromUtf8(readBounded(file, memberFileBytesMax)) ?? "", file);
}

/** @throws OperationalError MEMBER_FILE_INVALID. */
export function parseMember(text: string, file: string): Member {
  const refuse = (why: string) =>
    new OperationalError(
      "MEMBER_FILE_INVALID",
      `${file} is no member file (${why}): the member writes one with tamga-gateway ledger join.`,
      { details: { file } },
    );
  if (text.length > memberFileBytesMax) throw refuse("it is too long");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw refuse("it is not JSON");
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) {
    const { version: _version, secondKey, ...member } = parsed.data;
    return secondKey === undefined ? member : { ...member, secondKey };
  }
  const [issue] = parsed.error.issues;
  throw refuse(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? "malformed"}`);
}

/** A key as people read it to each other: the first 16 hexadecimal digits in groups of four. */
export function shortKey(key: Uint8Array): string {
  return shortHex(toHex(key));
}

/** The same of a key in hexadecimal. */
export function shortHex(key: string): string {
  return key.slice(0, 16).replace(/(.{4})(?=.)/g, "$1 ");
}
