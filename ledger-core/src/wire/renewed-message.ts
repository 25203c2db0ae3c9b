/** `down/renewed`: what a gateway says to a device that asks for its next signing key (WIRE.md §11.2). */

import type { Digest } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import type { Result } from "../base/result.ts";
import type { CertificateMessage, MessageFault } from "./downlink-message.ts";
import { parseChain } from "./downlink-message.ts";
import { FieldReader } from "./field-reader.ts";
import { messageBytesMax, refusalCodeLengthMax } from "./limits.ts";

/** `waiting`: an operator has not looked at it yet, so it comes again. */
export type RenewalOutcome =
  | { readonly type: "certified"; readonly certificates: CertificateMessage }
  | { readonly type: "refused"; readonly code: string }
  | { readonly type: "waiting" };

/** `request` is the identity of the old key's statement in the request that is answered. */
export type RenewedMessage = { readonly request: Digest; readonly outcome: RenewalOutcome };

export function encodeRenewedMessage({ request, outcome }: RenewedMessage): Uint8Array {
  switch (outcome.type) {
    case "certified": {
      const { signing, tls } = outcome.certificates;
      return encodeCbor([request, [signing, tls]]);
    }
    case "refused":
      return encodeCbor([request, outcome.code]);
    case "waiting":
      return encodeCbor([request, null]);
  }
}

/** Faults: CBOR_*, FIELD_*. Certificates are not opened. */
export function parseRenewedMessage(bytes: Uint8Array): Result<RenewedMessage, MessageFault> {
  const decoded = decodeCbor(bytes, messageBytesMax);
  if (!decoded.ok) return decoded;
  const fields = new FieldReader(decoded.value);
  const request = fields.digest(0);
  return fields.finish({ request, outcome: readOutcome(fields) });
}

function readOutcome(fields: FieldReader): RenewalOutcome {
  if (!fields.given(1)) {
    if (!fields.has(1)) fields.refuse(1);
    return { type: "waiting" };
  }
  if (typeof fields.raw(1) === "string") {
    const code = fields.text(1, refusalCodeLengthMax);
    if (!/^[A-Z0-9_]+$/.test(code)) fields.refuse(1);
    return { type: "refused", code };
  }
  const chains = fields.nested(1);
  const certificates = { signing: parseChain(chains, 0), tls: parseChain(chains, 1) };
  chains.close();
  return { type: "certified", certificates };
}
