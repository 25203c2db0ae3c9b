/**
 * One-time codes of enrolment (WIRE.md §12.3): a site's operator hands one out, and device and gateway prove to
 * each other that they know it. The code itself never travels, and a proof is good for one text only.
 */

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { assert } from "../base/assert.ts";
import { fromHex, toHex } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";

/** The HTTP header of a request and of its answer that carries a proof. */
export const invitationHeader = "tamga-invitation";
/** Crockford's digits: no I, L, O and U. */
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const digitCount = 20;
export const invitationIdBytes = 8;
const proofBytes = 32;

/** What both sides hold: `id` says which code is meant and nothing of it. */
export type Invitation = { readonly id: Uint8Array; readonly key: Uint8Array };
export type InvitationProof = { readonly id: Uint8Array; readonly proof: Uint8Array };

/** @param random 20 fresh random bytes. @returns 20 digits of 5 bits, 100 bits, in groups of five. */
export function newInvitationCode(random: Uint8Array): string {
  assert(random.length === digitCount, "a code is made of 20 random bytes");
  const text = [...random].map((byte) => digits.charAt(byte & 31)).join("");
  return text.replace(/(.{5})(?=.)/g, "$1-");
}

/**
 * Reads a code as people type it: blanks, dashes and case aside, O for 0, I and L for 1.
 * Faults: INVITATION_MALFORMED.
 */
export function readInvitationCode(
  text: string,
): Result<Invitation, { readonly code: "INVITATION_MALFORMED" }> {
  const plain = text.replace(/[\s-]/g, "").toUpperCase().replaceAll("O", "0").replace(/[IL]/g, "1");
  const isCode = plain.length === digitCount && [...plain].every((digit) => digits.includes(digit));
  if (!isCode) return err({ code: "INVITATION_MALFORMED" });
  const hash = (label: string, value: string | Uint8Array) =>
    new Uint8Array(createHash("sha256").update(label).update(value).digest());
  const key = hash("tamga/invitation/1", plain);
  return ok({ key, id: hash("tamga/invitation/1 id", key).slice(0, invitationIdBytes) });
}

/**
 * @param purpose of the text: what a device asks, or what a gateway answers.
 * @returns the value of the header: the id, a dot, HMAC-SHA-256 (RFC 2104), both in hexadecimal.
 */
export function proveInvitation(
  { id, key }: Invitation,
  purpose: "request" | "answer",
  text: string,
): string {
  return `${toHex(id)}.${toHex(proofOf(key, purpose, text))}`;
}

/** Undefined for what is no such header. */
export function parseInvitationProof(header: string): InvitationProof | undefined {
  const [id, proof, more] = header.split(".").map((part) => fromHex(part));
  if (more !== undefined || id?.length !== invitationIdBytes) return undefined;
  return proof?.length === proofBytes ? { id, proof } : undefined;
}

/** In a time that does not depend on the bytes. */
export function isInvitationProven(
  key: Uint8Array,
  proof: Uint8Array,
  said: { readonly purpose: "request" | "answer"; readonly text: string },
): boolean {
  return timingSafeEqual(proofOf(key, said.purpose, said.text), proof);
}

function proofOf(key: Uint8Array, purpose: string, text: string): Uint8Array {
  const digest = createHash("sha256").update(text, "utf8").digest();
  const label = `tamga/invitation/1 ${purpose}`;
  return new Uint8Array(createHmac("sha256", key).update(label).update(digest).digest());
}
