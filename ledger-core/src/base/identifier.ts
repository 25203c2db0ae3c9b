/** Names on the wire: channels, devices, gateways, streams and organisations. */

import type { Brand } from "./brand.ts";
import { mint } from "./brand.ts";
import type { Result } from "./result.ts";
import { err, ok } from "./result.ts";

/** Characters of an identifier. */
export const identifierLengthMax = 64;

/** `[A-Za-z0-9._-]{1,64}`; safe in an MQTT topic, a path and a certificate. */
export type Identifier = Brand<string, "Identifier">;
export type IdentifierFault = { readonly code: "IDENTIFIER_BAD" };

const pattern = new RegExp(`^[A-Za-z0-9._-]{1,${identifierLengthMax}}$`);

export function parseIdentifier(text: string): Result<Identifier, IdentifierFault> {
  return pattern.test(text) ? ok(mint<Identifier>(text)) : err({ code: "IDENTIFIER_BAD" });
}
